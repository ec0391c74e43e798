/* SPDX-License-Identifier: GPL-2.0 */
#include "rounds.h"
#include "probed.S"

#define RSEQ_CPU_ID	4
#define RSEQ_CS		8

	.macro	site text:vararg
	probed	round_sites, \text
	.endm

	.macro	restartable text:vararg
	probed	restartable_sites, \text
	.endm

	.text
	/* At the start of a page of any size, as in functions.S */
	.balign	65536
	.globl	many_functions, round_function, round_function_end
	.globl	increment_restartably, restartable_start, restartable_end

#if defined(__x86_64__)

many_functions:
	.set	number, 0
	.rept	MANY_FUNCTIONS / 2
	mov	$(number ^ number << 16), %eax
	xor	$(number << 16), %eax
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	lea	number ^ number << 16, %eax
	xor	$(number << 16), %eax
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	.endr

	.balign	8
round_below:
	.quad	ROUND_BELOW

round_function:
	site	endbr64
	site	sub $24, %rsp
	site	mov %rdi, %rax
	site	lea 8(%rdi), %rcx
	site	mov %rcx, 8(%rsp)
	site	add %rcx, %rax
	site	mov 8(%rsp), %rdx
	site	xor %rdx, %rax
	site	test %rdi, %rdi
	setnz	%dl
	movzbl	%dl, %edx
	site	add %rdx, %rax
	site	add $24, %rsp
	push	%rax
	site	pop %rdx
	site	cmp %rax, %rdx
	jne	1f
	site	movzbl %al, %ecx
	site	mov $0x1234, %edx
	add	%rcx, %rax
	add	%rdx, %rax
	site	add round_below(%rip), %rax
	site	movq $ROUND_ABOVE, round_above(%rip)
	site	cmpq $ROUND_BELOW, round_below(%rip)
	jne	1f
	site	mov round_above(%rip), %rcx
	add	%rcx, %rax
	ret
1:	xor	%eax, %eax
	ret
round_function_end:

increment_restartably:
	lea	restartable_sequence(%rip), %rax
	mov	%rax, RSEQ_CS(%rdi)
restartable_start:
	mov	RSEQ_CPU_ID(%rdi), %ecx
	shl	$RESTARTABLE_SHIFT, %rcx
	add	%rsi, %rcx
	restartable mov (%rcx), %rax
	restartable lea 1(%rax), %rax
	restartable test %rax, %rax
	restartable mov %rax, (%rcx)
restartable_end:
	mov	$1, %eax
	ret
	/* the signature that the C library registers, in an instruction */
	.byte	0x0f, 0xb9, 0x3d
	.long	0x53053053
restartable_abort:
	xor	%eax, %eax
	ret

#elif defined(__aarch64__)

many_functions:
	.set	number, 0
	.rept	MANY_FUNCTIONS / 2
	ldr	w0, [x0, number % MANY_WORDS_IN_REACH * 4]
	movz	w1, number
	eor	w0, w0, w1, lsl 16
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	ldrsw	x0, [x0, number % MANY_WORDS_IN_REACH * 4]
	movz	w1, number
	eor	w0, w0, w1, lsl 16
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	.endr

round_function:
	/* bti c, whatever the assembler's default architecture knows */
	site	hint 34
	site	sub sp, sp, 32
	site	mov x1, x0
	site	add x2, x0, 8
	site	str x2, [sp, 8]
	site	add x1, x1, x2
	site	ldr x3, [sp, 8]
	site	eor x1, x1, x3
	site	cmp x0, 0
	cset	x3, ne
	site	add x1, x1, x3
	site	add sp, sp, 32
	stp	x1, x3, [sp, -16]!
	site	ldp x4, x5, [sp], 16
	site	cmp x4, x1
	b.ne	1f
	site	and x2, x1, 0xff
	site	mov x3, 0x1234
	add	x1, x1, x2
	add	x0, x1, x3
	add	x0, x0, ROUND_BELOW + ROUND_ABOVE
	ret
1:	mov	x0, 0
	ret
round_function_end:

increment_restartably:
	adrp	x2, restartable_sequence
	add	x2, x2, :lo12:restartable_sequence
	str	x2, [x0, RSEQ_CS]
restartable_start:
	ldr	w3, [x0, RSEQ_CPU_ID]
	add	x3, x1, x3, lsl RESTARTABLE_SHIFT
	restartable ldr x4, [x3]
	restartable add x4, x4, 1
	restartable cmp x4, 0
	restartable str x4, [x3]
restartable_end:
	mov	w0, 1
	ret
	/* the signature that the C library registers, an instruction */
	.long	0xd428bc00
restartable_abort:
	mov	w0, 0
	ret

#elif defined(__riscv)

	.option	norvc
many_functions:
	.set	number, 0
	.rept	MANY_FUNCTIONS / 2
	lw	a0, (number % MANY_WORDS_IN_REACH * 4)(a0)
	lui	a1, number << 4
	xor	a0, a0, a1
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	lwu	a0, (number % MANY_WORDS_IN_REACH * 4)(a0)
	lui	a1, number << 4
	xor	a0, a0, a1
	ret
	.balign	MANY_FUNCTION_SIZE
	.set	number, number + 1
	.endr
	.option	rvc

	/* Instructions of 2 and of 4 bytes */
round_function:
	site	nop
	site	addi sp, sp, -32
	site	mv a1, a0
	site	addi a2, a0, 8
	site	sd a2, 8(sp)
	site	add a1, a1, a2
	site	ld a3, 8(sp)
	site	xor a1, a1, a3
	site	snez a3, a0
	site	add a1, a1, a3
	site	addi sp, sp, 32
	addi	sp, sp, -16
	sd	a1, 0(sp)
	site	ld a4, 0(sp)
	addi	sp, sp, 16
	site	bne a4, a1, 1f
	site	andi a2, a1, 0xff
	site	lui a3, 1
	addi	a3, a3, 0x234
	site	add a1, a1, a2
	add	a0, a1, a3
	addi	a0, a0, ROUND_BELOW + ROUND_ABOVE
	ret
1:	li	a0, 0
	ret
round_function_end:

increment_restartably:
	lla	a2, restartable_sequence
	sd	a2, RSEQ_CS(a0)
restartable_start:
	lwu	a3, RSEQ_CPU_ID(a0)
	slli	a3, a3, RESTARTABLE_SHIFT
	add	a3, a1, a3
	restartable ld a4, 0(a3)
	restartable addi a4, a4, 1
	restartable sltu a5, a3, a4
	restartable sd a4, 0(a3)
restartable_end:
	li	a0, 1
	ret
	/* the signature that the C library registers, an instruction */
	.4byte	0xf1401073
restartable_abort:
	li	a0, 0
	ret
#endif

#if defined(__aarch64__) || defined(__riscv)
	.globl	many_words
	.section .rodata
	.balign	4
many_words:
	.set	number, 0
	.rept	MANY_FUNCTIONS
	.word	number ^ number << 16
	.set	number, number + 1
	.endr
#endif

	.data
#if defined(__x86_64__)
	.balign	8
round_above:
	.quad	0
#endif

	.balign	32
	/* struct rseq_cs */
restartable_sequence:
	.long	0, 0
	.quad	restartable_start, restartable_end - restartable_start
	.quad	restartable_abort

	.section .note.GNU-stack, "", %progbits
