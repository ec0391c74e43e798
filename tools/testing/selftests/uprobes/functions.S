/* SPDX-License-Identifier: GPL-2.0 */
#include "functions.h"

	.text
	/*
	 * At the start of a page of any size: of an unmapped page, QEMU 10 goes on
	 * executing what it has translated of all but the first 4 KiB.
	 */
	.balign	65536
	.globl	numbered_functions, numbered_loads, illegal_function
	.globl	illegal_function_end, emulated_function

#if defined(__x86_64__)
	.globl	divide_function, divide_site, popf_function, popf_site

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

numbered_functions:
	.set	number, 0
	.rept	NUMBERED_FUNCTIONS
	movz	x0, number
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


illegal_function:
	udf	0
illegal_function_end:
	ret
#endif

	.section .note.GNU-stack, "", %progbits
