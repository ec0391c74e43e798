/* SPDX-License-Identifier: GPL-2.0 */
#include "near.h"

#if defined(__x86_64__)
	/*
	 * A function with an instruction that may be probed, entered in the table: whether
	 * it is emulated, the instruction, and the function
	 */
	.macro	operand emulated:req, text:vararg
902:	mov	%rdi, %rax
	movq	%rdi, %xmm0
	cmp	%rdi, %rdi
901:	\text
905:	jnz	903f
	movq	%xmm0, %rcx
	add	%rcx, %rax
	ret
903:	lea	1(%rax), %rax
	movq	%xmm0, %rcx
	add	%rcx, %rax
	ret
	.pushsection near_operands, "aw"
	.balign	8
	.quad	902b, 901b, 905b, \emulated
	.quad	904f
	.pushsection .rodata
904:	.asciz	"\text"
	.popsection
	.popsection
	.endm

	.macro	operands data:req
	operand	0, mov \data+8(%rip), %rax
	operand	0, mov \data+8(%rip), %ah
	operand	0, mov %rdi, \data+16(%rip)
	operand	0, mov %dil, \data+16(%rip)
	operand	0, movb $0x5a, \data+24(%rip)
	operand	0, movl $0x12345678, \data+24(%rip)
	operand	0, movq $-2, \data+24(%rip)
	operand	0, add %rdi, \data+32(%rip)
	operand	0, add \data+32(%rip), %rax
	operand	0, addq $-1, \data+32(%rip)
	operand	0, subw $0x1234, \data+32(%rip)
	operand	0, cmp \data+8(%rip), %rax
	operand	0, cmp %rax, \data+8(%rip)
	operand	0, cmpl $0x89abcdef, \data+8(%rip)
	operand	0, cmpb $0x12, \data+8(%rip)
	operand	0, testb $1, \data+8(%rip)
	operand	0, movzbl \data+9(%rip), %eax
	operand	0, movslq \data+8(%rip), %rax
	operand	0, imul $1000, \data+8(%rip), %rax
	operand	0, cmovz \data+8(%rip), %rax
	operand	0, shll $3, \data+40(%rip)
	operand	0, negq \data+40(%rip)
	operand	0, incl \data+40(%rip)
	operand	0, xchg %rax, \data+48(%rip)
	operand	0, btsl $5, \data+48(%rip)
	operand	0, movups \data+16(%rip), %xmm0
	operand	0, movups %xmm0, \data+64(%rip)
	operand	0, addsd \data+16(%rip), %xmm0
	operand	0, cvtsi2sdl \data+8(%rip), %xmm0
	operand	1, lea \data+8(%rip), %rax
	.endm

	.text
	.balign	NEAR_PAGE
	.globl	near_text
near_text:
near_below:
	.fill	NEAR_PAGE, 1, 0
	operands near_below
	operands near_above
	.balign	NEAR_PAGE
near_above:
	.fill	NEAR_PAGE, 1, 0
	.globl	near_text_end
near_text_end:
#endif

	.section .note.GNU-stack, "", %progbits
