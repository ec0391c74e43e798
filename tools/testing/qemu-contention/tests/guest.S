/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of two processors that marks a hundred operations on each. An operation adds 1
 * to a counter that both share, and calls a function that uses its own stack only.
 */
#define OPERATIONS	100
#define PROCESSORS	2
#define NAME		7

/* As in marks.h */
#define PREPARE		1
#define BEGIN		2
#define END		3
#define PAGE		4
#define FINISH		5

#define TRAMPOLINE	0x8000
#define ICR		0xfee00300
#define EXIT_PORT	0xf4

.macro mark operation, value
	movl	$\value, %edi
	.byte	0x0f, 0x1f, 0x80, \operation, 'M', 'E', 'M'
.endm

	.section .text.multiboot, "ax"
	.balign	4
	.long	0x1badb002, 0, -0x1badb002

	.text
	.code32
	.globl	_start
	.type	_start, @function
_start:
	movl	$stacks, %esp
	movl	$trampoline, %esi
	movl	$TRAMPOLINE, %edi
	movl	$(trampoline_end - trampoline), %ecx
	rep movsb
	mark	PREPARE, NAME
	/* INIT for all other processors, then start-up until one is there */
	movl	$0xc4500, ICR
1:	movl	$1000000, %ecx
2:	loop	2b
	movl	$(0xc4600 | TRAMPOLINE >> 12), ICR
	cmpl	$0, ready
	je	1b
	call	measured
2:	pause
	cmpl	$PROCESSORS, done
	jne	2b
	movl	$shared, %edi
	shrl	$12, %edi
	.byte	0x0f, 0x1f, 0x80, PAGE, 'M', 'E', 'M'
	mark	FINISH, PROCESSORS
	xorl	%eax, %eax
	outb	%al, $EXIT_PORT
	hlt

	.type	second, @function
second:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movl	$stacks + 4096, %esp
	call	measured
1:	hlt
	jmp	1b

	.type	measured, @function
measured:
	lock incl ready
1:	pause
	cmpl	$PROCESSORS, ready
	jne	1b
	mark	BEGIN, OPERATIONS
	movl	$OPERATIONS, %ebx
2:	call	increment
	call	private
	decl	%ebx
	jnz	2b
	mark	END, OPERATIONS
	lock incl done
	ret

	.type	increment, @function
increment:
	call	add_one
	ret
	.size	increment, . - increment

	.type	add_one, @function
add_one:
	lock incl shared
	ret
	.size	add_one, . - add_one

	.type	private, @function
private:
	pushl	%ebx
	popl	%ebx
	ret
	.size	private, . - private

	.code16
trampoline:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	TRAMPOLINE + gdt_pointer - trampoline
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $second
gdt_pointer:
	.word	23
	.long	gdt
trampoline_end:

	.data
	.balign	8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
	.balign	64
ready:	.long	0
	.balign	64
done:	.long	0
	.balign	4096
	.type	shared, @object
shared:	.long	0
	.size	shared, . - shared
	.balign	4096

	.bss
	.balign	4096
	.skip	4096
stacks:	.skip	4096
