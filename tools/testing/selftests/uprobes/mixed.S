/* SPDX-License-Identifier: GPL-2.0 */
/* Described in mixed.h. This is also the whole of mixed_program. */
#include "mixed.h"
#include "probed.S"

	.macro	site text:vararg
	probed	mixed_sites, \text
	.endm

	.macro	called text:vararg
	probed	called_sites, \text
	.endm

#if defined(__aarch64__) || defined(__riscv)
	/* Vector or floating-point registers that hold the argument */
	.macro	for_kept_vectors do:req
	.irp	number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\do	\number
	.endr
	.endm
#endif

	.text
	.balign	64
	.globl	mixed_function, mixed_function_end, mixed_start
	.globl	called_function, called_trap

#if defined(__x86_64__)

	/* Registers that hold the argument and a number */
	.macro	keep number:req, register:req
	lea	\number(%rdi), \register
	.endm

	.macro	kept number:req, register:req
	sub	%rdi, \register
	sub	$\number, \register
	or	\register, %rcx
	.endm

	.macro	for_kept_registers do:req
	\do	3, %rbx
	\do	5, %rbp
	\do	8, %r8
	\do	9, %r9
	\do	10, %r10
	\do	11, %r11
	\do	12, %r12
	\do	13, %r13
	\do	14, %r14
	\do	15, %r15
	.endm

mixed_function:
	.irp	register, rbx, rbp, r12, r13, r14, r15
	push	%\register
	.endr
	sub	$24, %rsp
	for_kept_registers keep
	.irp	number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movq	%rdi, %xmm\number
	.endr
	mov	%rdi, %rax
	mov	$1, %ecx
	pxor	%xmm0, %xmm0
	cvtsi2sd %rcx, %xmm1

1:	site	mov %rax, 8(%rsp)
	site	lea (%rax, %rax, 4), %rax
	site	call mixed_add
	site	xor 8(%rsp), %rax
	site	addsd %xmm1, %xmm0
	incq	(%rdx)
	dec	%rsi
	jnz	1b

	cvttsd2si %xmm0, %rcx
	add	%rcx, %rax
	xor	%ecx, %ecx
	for_kept_registers kept
	.irp	number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movq	%xmm\number, %rbx
	xor	%rdi, %rbx
	or	%rbx, %rcx
	.endr
	add	%rcx, %rax
	add	$24, %rsp
	.irp	register, r15, r14, r13, r12, rbp, rbx
	pop	%\register
	.endr
	ret

mixed_add:
	/* stepped */
	site	pushf
	pop	%rcx
	site	add $7, %rax
	site	push %rsi
	site	pop %rsi
	site	ret
mixed_function_end:

called_function:
	called	lea 1(%rdi), %rax
	called	pushf
	pop	%rcx
	.irp	register, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	mov	$-1, %\register
	.endr
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pcmpeqd	%xmm\number, %xmm\number
	.endr
	cmp	%rax, %rax
	called	ret
called_trap:
	int3

mixed_start:
	sub	$16, %rsp
	mov	$MIXED_ARGUMENT, %edi
	mov	$MIXED_ROUNDS, %esi
	mov	%rsp, %rdx
	call	mixed_function
	mov	%eax, %edi
	/* exit() */
	mov	$60, %eax
	syscall

#elif defined(__aarch64__)

	/* Registers that hold the argument and a number */
	.macro	for_kept_registers do:req
	.irp	number, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, \
		19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	\do	\number
	.endr
	.endm

	.macro	keep number:req
	add	x\number, x0, \number
	.endm

	.macro	kept number:req
	sub	x\number, x\number, x0
	sub	x\number, x\number, \number
	orr	x4, x4, x\number
	.endm

	.macro	keep_vector number:req
	fmov	d\number, x0
	.endm

	.macro	kept_vector number:req
	fmov	x5, d\number
	eor	x5, x5, x0
	orr	x4, x4, x5
	.endm

mixed_function:
	stp	x29, x30, [sp, -176]!
	stp	x19, x20, [sp, 16]
	stp	x21, x22, [sp, 32]
	stp	x23, x24, [sp, 48]
	stp	x25, x26, [sp, 64]
	stp	x27, x28, [sp, 80]
	stp	d8, d9, [sp, 96]
	stp	d10, d11, [sp, 112]
	stp	d12, d13, [sp, 128]
	stp	d14, d15, [sp, 144]
	for_kept_registers keep
	for_kept_vectors keep_vector
	mov	x3, x0
	fmov	d0, xzr
	fmov	d1, 1.0

1:	site	str x3, [sp, 160]
	site	add x3, x3, x3, lsl 2
	site	bl mixed_add
	site	ldr x4, [sp, 160]
	site	eor x3, x3, x4
	site	fadd d0, d0, d1
	ldr	x4, [x2]
	add	x4, x4, 1
	str	x4, [x2]
	subs	x1, x1, 1
	b.ne	1b

	fcvtzs	x4, d0
	add	x3, x3, x4
	mov	x4, 0
	for_kept_registers kept
	for_kept_vectors kept_vector
	add	x0, x3, x4
	ldp	d14, d15, [sp, 144]
	ldp	d12, d13, [sp, 128]
	ldp	d10, d11, [sp, 112]
	ldp	d8, d9, [sp, 96]
	ldp	x27, x28, [sp, 80]
	ldp	x25, x26, [sp, 64]
	ldp	x23, x24, [sp, 48]
	ldp	x21, x22, [sp, 32]
	ldp	x19, x20, [sp, 16]
	ldp	x29, x30, [sp], 176
	ret

mixed_add:
	/* stepped */
	site	ldr x4, mixed_literal
	site	stp x3, x30, [sp, -16]!
	site	ldp x3, x30, [sp], 16
	site	add x3, x3, x4
	site	ret
	.balign	8
mixed_literal:
	.quad	7
mixed_function_end:

called_function:
	called	str x0, [sp, -16]!
	called	ldr x1, mixed_literal
	called	ldr x0, [sp], 16
	.irp	number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, \
		19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	mov	x\number, -1
	.endr
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	movi	v\number\().16b, 0xff
	.endr
	cmp	x0, x0
	called	add x0, x0, 1
	called	ret
called_trap:
	brk	0

mixed_start:
	sub	sp, sp, 16
	mov	x0, MIXED_ARGUMENT
	mov	x1, MIXED_ROUNDS
	mov	x2, sp
	bl	mixed_function
	/* exit() */
	mov	x8, 93
	svc	0

#elif defined(__riscv)

	/* Registers that hold the argument and a number */
	.macro	for_kept_registers do:req
	.irp	number, 5, 6, 7, 8, 9, 15, 16, 17, \
		18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\do	\number
	.endr
	.endm

	.macro	keep number:req
	addi	x\number, a0, \number
	.endm

	.macro	kept number:req
	sub	x\number, x\number, a0
	addi	x\number, x\number, -\number
	or	a4, a4, x\number
	.endm

	.macro	keep_vector number:req
	fmv.d.x	f\number, a0
	.endm

	.macro	kept_vector number:req
	fmv.x.d	x5, f\number
	xor	x5, x5, a0
	or	a4, a4, x5
	.endm

	/* The registers that a function keeps have the same numbers, as integers and as others. */
	.macro	for_saved_registers load_or_store:req
	.set	offset, 16
	.irp	number, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
	\load_or_store	x\number, offset(sp)
	f\load_or_store	f\number, (offset + 96)(sp)
	.set	offset, offset + 8
	.endr
	.endm

mixed_function:
	addi	sp, sp, -208
	sd	ra, 8(sp)
	for_saved_registers sd
	for_kept_registers keep
	for_kept_vectors keep_vector
	mv	a3, a0
	li	a4, 1
	fmv.d.x	f0, zero
	fcvt.d.l f1, a4

1:	site	sd a3, 0(sp)
	site	slli a4, a3, 2
	site	add a3, a3, a4
	site	jal mixed_add
	site	ld a4, 0(sp)
	site	xor a3, a3, a4
	site	fadd.d f0, f0, f1
	ld	a4, 0(a2)
	addi	a4, a4, 1
	sd	a4, 0(a2)
	addi	a1, a1, -1
	bnez	a1, 1b

	fcvt.l.d a4, f0, rtz
	add	a3, a3, a4
	li	a4, 0
	for_kept_registers kept
	for_kept_vectors kept_vector
	add	a0, a3, a4
	for_saved_registers ld
	ld	ra, 8(sp)
	addi	sp, sp, 208
	ret

mixed_add:
	/* emulated */
	site	auipc a4, 0
	site	li a4, 7
	site	addi sp, sp, -16
	site	sd ra, 8(sp)
	site	ld ra, 8(sp)
	site	addi sp, sp, 16
	site	add a3, a3, a4
	site	ret
mixed_function_end:

called_function:
	called	addi sp, sp, -16
	called	sd a0, 8(sp)
	called	ld a0, 8(sp)
	called	addi sp, sp, 16
	.irp	number, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, \
		18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	li	x\number, -1
	.endr
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fmv.d.x	f\number, x5
	.endr
	called	addi a0, a0, 1
	called	ret
called_trap:
	ebreak

mixed_start:
	addi	sp, sp, -16
	li	a0, MIXED_ARGUMENT
	li	a1, MIXED_ROUNDS
	mv	a2, sp
	jal	mixed_function
	/* exit() */
	li	a7, 93
	ecall
#endif

	.section .note.GNU-stack, "", %progbits
