/* SPDX-License-Identifier: GPL-2.0 */
#include "umip.h"

	/*
	 * What comes before an instruction, and behind it. Each of the latter shows
	 * whether it was executed once, and at its own address.
	 */
	.macro	before_count
	.endm
	.macro	next_count
	incl	(%rcx)
	.endm

	/* As above: this one is probed, too. */
	.macro	before_probed
	.endm
	.macro	next_probed
	incl	(%rcx)
	.endm

	.macro	before_address
	.endm
	.macro	next_address
	lea	906f(%rip), %r8
906:
	.endm

	.macro	before_call
	.endm
	.macro	next_call
	call	906f
906:	pop	%r8
	.endm

	/* With the instruction, more bytes than are copied into a slot */
	.macro	before_long
	.endm
	.macro	next_long
	movq	$0x12345678, 0x100(%rcx)
	.endm

	.macro	before_return
	call	906f
	jmp	904f
906:
	.endm
	.macro	next_return
	ret
	.endm

	.macro	one_case kind:req, text:vararg
901:	push	%rbx
	mov	%rdi, %rbx
	mov	UMIP_RAX(%rbx), %rax
	mov	UMIP_RCX(%rbx), %rcx
	mov	UMIP_RDX(%rbx), %rdx
	mov	UMIP_RSI(%rbx), %rsi
	mov	UMIP_R8(%rbx), %r8
	pushq	UMIP_FLAGS(%rbx)
	popf
	before_\kind
902:	\text
903:	next_\kind
904:	pushf
	popq	UMIP_FLAGS(%rbx)
	mov	%rax, UMIP_RAX(%rbx)
	mov	%rcx, UMIP_RCX(%rbx)
	mov	%rdx, UMIP_RDX(%rbx)
	mov	%rsi, UMIP_RSI(%rbx)
	mov	%r8, UMIP_R8(%rbx)
	mov	%rsp, UMIP_RSP(%rbx)
	pop	%rbx
	ret

	.pushsection .rodata.str, "aMS", @progbits, 1
907:	.asciz	"\text"
908:	.asciz	"\kind"
	.popsection
	.pushsection umip_cases, "aw"
	.balign	8
	.quad	907b, 908b, 902b, 903b, 904b, 901b
	.popsection
	.endm

	.macro	umip text:vararg
	one_case count, \text
	one_case probed, \text
	one_case address, \text
	one_case call, \text
	one_case long, \text
	one_case return, \text
	.endm

	.text
	/* At the start of a page of any size, as in functions.S */
	.balign	65536
	umip	sgdt (%rsi)
	umip	sidt (%rsi)
	umip	sgdt 0x100(%rsi)
	umip	sidt umip_result(%rip)
	umip	sldt (%rsi)
	umip	sldt %edx
	umip	str (%rsi)
	umip	str %edx
	umip	str %rdx
	umip	smsw (%rsi)
	umip	smsw %dx
	umip	smsw %edx
	umip	smsw %rdx
	umip	smsw %eax

	.bss
	.balign	16
	.globl	umip_result
umip_result:
	.zero	16

	.section .note.GNU-stack, "", %progbits
