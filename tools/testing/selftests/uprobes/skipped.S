/* SPDX-License-Identifier: GPL-2.0 */
/* Described in skipped.h */
#include "probed.S"
#include "skipped.h"

	/* An instruction to be probed. The last one of a function does not fault. */
	.macro	site text:vararg
	probed	skipped_sites, \text
	.endm

	/* Enters the function between labels 1 (function), 2 (start) and 3 (end). */
	.macro	skipped name:req, sites:req, skipped_result:req, result:req, flags=0
	.pushsection .rodata
904:	.asciz	"\name"
	.popsection
	.pushsection skipped, "aw"
	.balign	8
	.quad	904b, 1b, 2b, 3b, \sites, \skipped_result, \result, \flags
	.popsection
	.endm

	.text
#if defined(__x86_64__)
	/* If nothing faults, the argument points to 0x40, 0, with memory around; or it is 7. */

	/* boosted */
1:	mov	$SKIPPED, %eax
2:	site	mov (%rdi), %rax
3:	site	xor $1, %rax
	ret
	skipped	"mov (%rdi), %rax", 1, SKIPPED^1, 0x40^1

	/* and the next one, too */
1:	mov	$SKIPPED, %eax
	mov	$SKIPPED, %ecx
2:	site	mov (%rdi), %rax
	site	cmp %rax, 8(%rdi)
	site	mov 8(%rdi), %rcx
3:	site	add %rcx, %rax
	ret
	skipped	"mov, cmp and mov", 3, SKIPPED*2, 0x40

1:	xor	%edx, %edx
	mov	$100, %eax
2:	site	div %rdi
3:	site	xor $1, %rax
	ret
	skipped	"div %rdi", 1, 100^1, 14^1, DIVIDES

	/* in a pair of granules: a part of it has its effect before the fault */
1:	mov	%rdi, %rsi
	lea	skipped_copy(%rip), %rdi
	mov	$16, %ecx
2:	site	rep movsb
3:	site	mov %rcx, %rax
	ret
	skipped	"rep movsb", 1, 8, 0, REPEATS

	/* stepped; the stack pointer is the argument */
1:	mov	%rsp, %rdx
	mov	%rdi, %rsp
2:	site	pushf
3:	site	sub %rsp, %rdi
	mov	%rdx, %rsp
	mov	%rdi, %rax
	ret
	skipped	"pushf", 1, 0, 8

	/* emulated, if the stack is there */
1:	mov	%rsp, %rdx
	mov	%rdi, %rsp
2:	site	push %rsi
3:	site	sub %rsp, %rdi
	mov	%rdx, %rsp
	mov	%rdi, %rax
	ret
	skipped	"push %rsi", 1, 0, 8

	/* emulated, stepped, boosted, all of them faulting */
1:	mov	%rsp, %rdx
	mov	%rdi, %rsp
2:	site	push %rsi
	site	pushf
	site	push $1
3:	site	sub %rsp, %rdi
	mov	%rdx, %rsp
	mov	%rdi, %rax
	ret
	skipped	"push, pushf and push", 3, 0, 24

	/* emulated, if the operand is there; the next one is stepped */
1:	mov	$SKIPPED, %eax
2:	site	call *-8(%rdi)
3:	site	pushf
	pop	%rcx
	ret
	skipped	"call *-8(%rdi)", 1, SKIPPED, 1

	.globl	skipped_call_target
skipped_call_target:
	mov	$1, %eax
	ret

	.local	skipped_copy
	.comm	skipped_copy, 16

#elif defined(__aarch64__)

	.globl	skipped_page, skipped_page_end

	/* If nothing faults, the argument points to 0x40, 0, with memory around. */

	/* boosted */
1:	mov	x1, SKIPPED
2:	site	ldr x1, [x0]
3:	site	eor x0, x1, 1
	ret
	skipped	"ldr x1, [x0]", 1, SKIPPED^1, 0x40^1

	/* and the next ones, too; the base register is kept */
1:	mov	x1, SKIPPED
	mov	x2, SKIPPED
	mov	x3, x0
2:	site	ldr x1, [x0], 8
	site	ldr x2, [x0]
	site	str x2, [x0]
3:	site	sub x0, x0, x3
	add	x0, x0, x1
	add	x0, x0, x2
	ret
	skipped	"ldr, ldr and str", 3, SKIPPED*2, 0x40+8

1:	mov	x3, x0
2:	site	stp x1, x2, [x0, -16]!
3:	site	sub x0, x3, x0
	ret
	skipped	"stp x1, x2, [x0, -16]!", 1, 0, 16

	/*
	 * Stepped: for the step, the register has the literal's address. The kernel may refuse
	 * the probes of this function, so it is the last one.
	 */
1:	mov	x1, SKIPPED
2:	site	ldr x1, skipped_page
3:	site	ldr x2, skipped_literal
	eor	x0, x1, x2
	ret
	.balign	8
skipped_literal:
	.quad	1
	skipped	"ldr x1, literal", 1, SKIPPED^1, 0, ALWAYS_FAULTS

	.balign	65536
skipped_page:
	.zero	65536
skipped_page_end:

#elif defined(__riscv)
	/*
	 * If nothing faults, the argument points to 0x40, 0, with memory around. No register is of
	 * floating point: with or without probes, sigreturn() may not restore those that a handler
	 * changed, if the task is preempted in it.
	 */

1:	li	a1, SKIPPED
2:	site	ld a1, 0(a0)
3:	site	xori a0, a1, 1
	ret
	skipped	"ld a1, 0(a0)", 1, SKIPPED^1, 0x40^1

	/* several that follow each other */
1:	li	a1, SKIPPED
	li	a2, SKIPPED
2:	site	ld a1, 0(a0)
	site	ld a2, 8(a0)
	site	sd a2, 8(a0)
3:	site	add a0, a1, a2
	ret
	skipped	"ld, ld and sd", 3, SKIPPED*2, 0x40

1:	li	a1, SKIPPED
	li	a2, 1
2:	site	amoadd.d a1, a2, (a0)
3:	site	addi a0, a1, 1
	ret
	skipped	"amoadd.d a1, a2, (a0)", 1, SKIPPED+1, 0x40+1
#endif

	.section .note.GNU-stack, "", %progbits
