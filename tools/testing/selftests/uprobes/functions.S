/* SPDX-License-Identifier: GPL-2.0 */
#include "functions.h"

#ifdef __riscv
	/* Before the first alignment, which the linker would redo after all others */
	.option	norelax
#endif

	.text
	/*
	 * At the start of a page of any size: of an unmapped page, QEMU 10 goes on
	 * executing what it has translated of all but the first 4 KiB.
	 */
	.balign	65536
	.globl	numbered_functions, numbered_loads, illegal_function
	.globl	illegal_function_end, emulated_function
	.globl	store_function, pop_function, pop_site, test_function

#if defined(__x86_64__)
	.globl	divide_function, divide_site, popf_function, popf_site
	.globl	return_function, return_site, returned_site
	.globl	call_function, call_site, called_site
	.globl	jump_function, jump_site, jumped_site
	.globl	push_function, push_site, call_pointer_function, call_pointer_site
	.globl	read_ip_function, read_ip_site, copy_function, copy_site
	.globl	aligned_load_function, aligned_load_site, aligned_site

numbered_functions:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	mov	$number, %eax
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

emulated_function:
	nop
	ret

	.balign	NUMBERED_FUNCTION_SIZE
numbered_loads:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	movzbl	number(%rdi), %eax
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

store_function:
	mov	%rsi, (%rdi)
	ret

pop_function:
	mov	%rsp, %rdx
	mov	%rdi, %rsp
pop_site:
	pop	%rax
	mov	%rdx, %rsp
	ret

test_function:
	test	%rsi, (%rdi)
	setnz	%al
	ret

	/* EFLAGS.AC */
aligned_load_function:
	pushf
	orl	$0x40000, (%rsp)
	popf
aligned_load_site:
	mov	(%rdi), %rax
aligned_site:
	lea	8(%rdi), %rcx
	pushf
	andl	$~0x40000, (%rsp)
	popf
	ret

	/* ud1, as the kernel does not let ud2 be probed */
illegal_function:
	.byte	0x0f, 0xb9, 0xc0
illegal_function_end:
	mov	%rdi, %rax
	ret

divide_function:
	xor	%edx, %edx
	mov	$100, %eax
divide_site:
	div	%rdi
	ret

return_function:
	mov	%rsp, %rdx
	mov	%rdi, %rsp
return_site:
	ret
returned_site:
	mov	%rdx, %rsp
	mov	$BRANCHED, %eax
	ret

call_function:
	mov	%rsp, %rdx
	mov	%rsi, %rsp
call_site:
	call	*(%rdi)
1:	ud2
called_site:
	/* the return address must be right */
	pop	%rax
	lea	BRANCHED(%rax), %rax
	lea	1b(%rip), %rcx
	sub	%rcx, %rax
	mov	%rdx, %rsp
	ret

jump_function:
jump_site:
	jmp	*(%rdi)
jumped_site:
	mov	$BRANCHED, %eax
	ret

push_function:
	mov	%rsp, %rdx
	mov	%rsi, %rsp
push_site:
	push	%rdi
	/* out of the bytes that a slot holds: it must not go on in one */
	jmp	1f
	.balign	64
1:	pop	%rax
	mov	%rdx, %rsp
	ret

call_pointer_function:
	sub	$8, %rsp
call_pointer_site:
	call	*%rdi
	mov	$BRANCHED, %eax
	add	$8, %rsp
	ret

copy_function:
	mov	%rdx, %rcx
copy_site:
	rep movsb
	ret

read_ip_function:
read_ip_site:
	call	1f
1:	pop	%rax
	lea	BRANCHED(%rax), %rax
	lea	1b(%rip), %rcx
	sub	%rcx, %rax
	ret

popf_function:
	pushf
	push	%rdi
popf_site:
	popf
	nop
	nop
	popf
	ret

#elif defined(__aarch64__)

	.globl	numbers

numbered_functions:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	ldrh	w0, [x0, 2 * number]
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

emulated_function:
	nop
	ret

	.balign	NUMBERED_FUNCTION_SIZE
numbered_loads:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	ldrb	w0, [x0, number]
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

store_function:
	str	x1, [x0]
	ret

	/* no stack pointer that is not aligned, so another register */
pop_function:
pop_site:
	ldr	x1, [x0], 8
	mov	x0, x1
	ret

test_function:
	ldr	x2, [x0]
	tst	x1, x2
	cset	w0, ne
	ret

illegal_function:
	udf	0
illegal_function_end:
	ret

	.section .rodata
	.balign	2
numbers:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	.hword	number
	.set	number, number + 1
	.endr

#elif defined(__riscv)

	/* Of 4 bytes, except the illegal one */
	.option	norvc

numbered_functions:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	lui	a0, number
	srli	a0, a0, 12
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

	/* auipc is emulated, and nop is not */
emulated_function:
	auipc	t0, 0
	ret

	.balign	NUMBERED_FUNCTION_SIZE
numbered_loads:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	.if	number < 2048
	lbu	a0, number(a0)
	.else
	lbu	a0, (number - 2048)(a1)
	.endif
	ret
	.balign	NUMBERED_FUNCTION_SIZE
	.set	number, number + 1
	.endr

store_function:
	sd	a1, 0(a0)
	ret

	/* nothing pops, and moves a pointer */
pop_function:
pop_site:
	ld	a0, 0(a0)
	ret

test_function:
	ld	a2, 0(a0)
	and	a2, a2, a1
	snez	a0, a2
	ret

	/* The instruction that is defined to be illegal, of 2 bytes */
illegal_function:
	.2byte	0
illegal_function_end:
	.option	rvc
	ret
#endif

	.section .note.GNU-stack, "", %progbits
