/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 32-bit program without libc: executes each instruction at a symbol site_*
 * IA32_ROUNDS times, returns as often from each function return_*, stops itself
 * so that its mappings can be looked at, and exits with 0 if all of them did what
 * they should.
 */
#include "ia32.h"

#define SYS_EXIT	1
#define SYS_GETPID	20
#define SYS_KILL	37
#define STOP		19	/* SIGSTOP */

	/* fails unless \left is \right */
	.macro expect left, right
	cmpl	\right, \left
	jne	failed
	.endm

	.text
	.globl	_start
_start:
	mov	$IA32_ROUNDS, %esi
next_round:
	mov	%esp, %ebp

site_mov:
	mov	%esi, %eax
	expect	%eax, %esi

site_sub:
	sub	$24, %esp
	lea	24(%esp), %eax
	expect	%eax, %ebp
	mov	%ebp, %esp

site_lea:
	lea	data, %eax
	expect	(%eax), $0x12345678

site_load:
	mov	data, %ecx
	expect	%ecx, $0x12345678

site_store:
	mov	%esi, variable
	expect	variable, %esi

	/* emulated by the kernel where the processor has UMIP: the result is the same */
	movl	$0, variable
	mov	$canary, %eax
	smsw	%ecx
site_smsw:
	smsw	%edx
	call	behind_smsw
behind_smsw:
	pop	%edi
	expect	%edi, $behind_smsw
	expect	%edx, %ecx

	sldt	(expected)
site_sldt:
	sldt	(stored)
site_behind_sldt:
	incl	variable
	mov	expected, %ecx
	expect	%ecx, stored
	expect	variable, $1
	expect	canary, $0x5a5a5a5a

	/* one byte, and only so in 32-bit code */
	mov	%esi, %ecx
site_inc:
	inc	%ecx
	dec	%ecx
	expect	%ecx, %esi

	/* all registers, which 64-bit code cannot push at once */
site_pusha:
	pusha
	expect	4(%esp), %esi
	popa
	expect	%esp, %ebp

site_push:
	push	%esi
	pop	%eax
	expect	%eax, %esi

	mov	$function, %eax
site_call:
	call	*%eax
after_call:
	expect	%eax, $after_call

site_call_memory:
	call	*pointer
after_call_memory:
	expect	%eax, $after_call_memory

site_call_relative:
	call	function
after_call_relative:
	expect	%eax, $after_call_relative
	expect	%esp, %ebp

	call	return_function
	expect	%eax, %esi
	expect	%esp, %ebp

	dec	%esi
	jnz	next_round

	mov	$SYS_GETPID, %eax
	int	$0x80
	mov	%eax, %ebx
	mov	$STOP, %ecx
	mov	$SYS_KILL, %eax
	int	$0x80

	xor	%ebx, %ebx
	jmp	exit
failed:
	mov	$1, %ebx
exit:
	mov	$SYS_EXIT, %eax
	int	$0x80

	/* Returns its return address. */
function:
	mov	(%esp), %eax
	ret

return_function:
	mov	%esi, %eax
	ret

	.data
data:
	.long	0x12345678
variable:
	.long	0
expected:
	.long	0
stored:
	.long	0
canary:
	.long	0x5a5a5a5a
pointer:
	.long	function

	.section .note.GNU-stack, "", %progbits
