/* SPDX-License-Identifier: GPL-2.0 */
/*
 * x86-64 instructions to probe.
 *
 * Every instruction finds: rax = address of landed_call, rbx = memory,
 * rcx = 3, rdx = 0x12, rsi = memory + 128, rdi = memory + 256, rbp and rsp in
 * the stack, r12 = memory, r13 = memory + 128, r14 = 2, r15 = address of
 * landed_call, other registers with patterns, memory[0] = address of
 * landed_call, landed_return on top of the stack, and landed_call below and above
 * that. A branch goes to 2f.
 */

	timed	nop, INSN_NO_EFFECT, "nop"
	timed	push, 0, "push %rbp", after="pop %rbp"
	timed	endbr64, (INSN_STEPS_UPSTREAM | INSN_NO_EFFECT), "endbr64"
	timed	mov, INSN_STEPS, "mov %rdx, %rax"
	timed	mov_rip, INSN_STEPS, "mov shared_data(%rip), %rax"
	timed	sub, INSN_STEPS, "sub $24, %rsp", after="add $24, %rsp"
	timed	lea8, INSN_STEPS, "lea 8(%rdi), %rax"
	timed	pop, INSN_STEPS, "pop %rax", "push %rax"
	timed	test, INSN_STEPS, "test %rdi, %rdi"
	timed	lea, INSN_STEPS_UPSTREAM, "lea shared_data(%rip), %rax"
	timed	ret, INSN_STEPS_UPSTREAM, "ret"
	timed	call, INSN_STEPS_UPSTREAM, "call *%rax", "lea 5f(%rip), %rax", "ret; 5:"
	/* Also where its effect is compared, it calls the function's last instruction */
	timed	call_rip, INSN_STEPS_UPSTREAM, "call *6f(%rip)", \
		after="ret; .balign 8; 6: .quad 5f; 5:"

	/* Emulated */
	insn	INSN_NO_EFFECT, nopw 64(%rax, %rax)
	insn	(INSN_STEPS_UPSTREAM | INSN_NO_EFFECT), endbr32
	insn	(INSN_REFUSED_UPSTREAM | INSN_NO_EFFECT), .byte 0x2e, 0x90
	insn	(INSN_REFUSED_UPSTREAM | INSN_NO_EFFECT), \
		.byte 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	insn	0, push %r12
	insn	0, jmp 2f
	insn	INSN_NO_EFFECT, jz 2f
	insn	0, jnz 2f
	insn	0, jg 2f
	insn	0, call landed_call

	/* Moves */
	insn	INSN_STEPS, mov %r9, %r8
	insn	INSN_STEPS, mov (%rbx), %rdx
	insn	INSN_STEPS, mov %rdx, (%rbx)
	insn	INSN_STEPS, mov 8(%rbx, %rcx, 8), %r10
	insn	INSN_STEPS, movabs $0x1122334455667788, %rax
	insn	INSN_STEPS, movb $0x5a, 3(%rbx)
	insn	INSN_STEPS, movw $0x5a5a, 6(%rbx)
	insn	INSN_STEPS, movl $0x5a5a5a5a, 12(%rbx)
	insn	INSN_STEPS, movq $-7, 16(%rbx)
	insn	INSN_STEPS, movzbl 1(%rbx), %eax
	insn	INSN_STEPS, movslq 8(%rbx), %rax
	insn	INSN_STEPS, mov %fs:0, %rax
	insn	INSN_STEPS, xchg %rdx, (%rbx)
	insn	INSN_STEPS, bswap %r8
	insn	INSN_STEPS, cmovnz %r9, %rax
	insn	INSN_STEPS, lea 16(%rsp), %rax
	insn	INSN_STEPS, xlat

	/* Relative to rip: by way of rsi, rdi and rbx */
	insn	INSN_STEPS_UPSTREAM, lea shared_data(%rip), %rsi
	insn	INSN_STEPS_UPSTREAM, lea shared_data(%rip), %r13
	insn	INSN_STEPS_UPSTREAM, lea shared_data(%rip), %rsp
	insn	INSN_STEPS_UPSTREAM, lea shared_data(%rip), %r9d
	insn	INSN_STEPS_UPSTREAM, lea shared_data(%rip), %r9w
	insn	INSN_STEPS, lea shared_data(%eip), %rax
	insn	INSN_STEPS, mov shared_data(%rip), %rax
	insn	INSN_STEPS, mov shared_data+8(%rip), %rsi
	insn	INSN_STEPS, mov shared_data+8(%rip), %r14
	insn	(INSN_STEPS | INSN_BMI), andn shared_data(%rip), %rdi, %rsi
	insn	INSN_STEPS, mov %rcx, shared_data+16(%rip)
	insn	INSN_STEPS, movl $0x12345678, shared_data+24(%rip)
	insn	INSN_STEPS, cmpq $5, shared_data(%rip)
	insn	INSN_STEPS, add shared_data(%rip), %rdx
	insn	INSN_STEPS, or %rdx, shared_data+32(%rip)
	insn	INSN_STEPS, cmpxchg %rdx, shared_data(%rip)
	insn	INSN_STEPS, push shared_data(%rip)
	insn	INSN_STEPS, movups shared_data(%rip), %xmm1
	insn	INSN_STEPS, movups %xmm1, shared_data+40(%rip)
	insn	(INSN_STEPS | INSN_AVX), vmovups shared_data(%rip), %ymm1
	insn	(INSN_STEPS | INSN_AVX), vaddps shared_data(%rip), %ymm7, %ymm6
	insn	INSN_STEPS_UPSTREAM, call *shared_target(%rip)
	insn	INSN_STEPS_UPSTREAM, jmp *shared_target(%rip)

	/* Calls, jumps, returns */
	insn	INSN_STEPS_UPSTREAM, call *(%rbx)
	insn	INSN_STEPS_UPSTREAM, call *-24(%rbx, %rcx, 8)
	insn	INSN_STEPS_UPSTREAM, call *%r15
	insn	INSN_STEPS_UPSTREAM, call *(%r12)
	insn	INSN_STEPS_UPSTREAM, call *-128(%r13)
	insn	INSN_STEPS_UPSTREAM, call *-144(%r13, %r14, 8)
	insn	INSN_STEPS_UPSTREAM, call *shared_target
	insn	INSN_STEPS_UPSTREAM, call *shared_target-16(, %r14, 8)
	/* The operand depends on sp, and is where the return address goes */
	insn	INSN_STEPS_UPSTREAM, call *(%rsp)
	insn	INSN_STEPS_UPSTREAM, call *8(%rsp)
	insn	INSN_STEPS_UPSTREAM, call *-8(%rsp)
	insn	INSN_STEPS_UPSTREAM, call *-72(%rbp)
	insn	INSN_STEPS_UPSTREAM, jmp *%rax
	insn	INSN_STEPS_UPSTREAM, jmp *%r15
	insn	INSN_STEPS_UPSTREAM, jmp *(%rbx)
	insn	INSN_STEPS_UPSTREAM, jmp *8(%rsp)
	insn	INSN_STEPS_UPSTREAM, jmp *-16(%r12, %r14, 8)
	insn	INSN_STEPS_UPSTREAM, jmp *shared_target
	/* With prefixes that are ignored: bnd, REX.W, notrack */
	insn	INSN_STEPS_UPSTREAM, .byte 0xf2, 0xff, 0xe0
	insn	INSN_STEPS_UPSTREAM, .byte 0x48, 0xff, 0xd0
	insn	INSN_REFUSED_UPSTREAM, notrack jmp *%rax
	insn	INSN_REFUSED_UPSTREAM, notrack jmp *(%rbx)
	insn	INSN_REFUSED_UPSTREAM, notrack call *%rax
	insn	INSN_REFUSED_UPSTREAM, notrack call *(%rbx)
	insn	INSN_STEPS_UPSTREAM, ret $16
	/* QEMU TCG 10 takes a larger number for a negative one. */
	insn	INSN_STEPS_UPSTREAM, ret $32760
	insn	INSN_STEPS_UPSTREAM, rep ret
	insn	INSN_STEPS_UPSTREAM, .byte 0xf2, 0xc3
	insn	INSN_STEPS_UPSTREAM, .byte 0x48, 0xc3
	insn	INSN_STEPS_UPSTREAM, loop 2b
	insn	INSN_STEPS_UPSTREAM, loope 2b
	insn	INSN_STEPS_UPSTREAM, loopne 2b
	insn	(INSN_STEPS_UPSTREAM | INSN_NO_EFFECT), jrcxz 2b
	insn	(INSN_STEPS | INSN_NO_EFFECT), jecxz 2b
	/* Some CPUs take these prefixes for the condition. */
	insn	INSN_STEPS, .byte 0xf3, 0xe0, 2f - 901b - 3
	insn	INSN_STEPS, .byte 0xf2, 0xe1, 2f - 901b - 3

	/* The stack */
	insn	INSN_STEPS, push $0x5a
	insn	INSN_STEPS, push $0x5a5a5a
	insn	INSN_STEPS, push 8(%rbx)
	insn	INSN_STEPS, pop %rax
	insn	INSN_STEPS, pop %r12
	insn	INSN_STEPS, pop 8(%rbx)
	insn	INSN_STEPS | INSN_PUSHES_FLAGS, pushf
	insn	INSN_STEPS | INSN_POPS_FLAGS, popf
	insn	INSN_STEPS, leave
	insn	INSN_STEPS, enter $16, $0

	/* Arithmetic and flags */
	insn	INSN_STEPS, add $-9, %rax
	insn	INSN_STEPS, adc %rdx, 8(%rbx)
	insn	INSN_STEPS, sbb 8(%rbx), %rdx
	insn	INSN_STEPS, xor %edx, %edx
	insn	INSN_STEPS, cmp %r9, %r8
	insn	INSN_STEPS, test $0x40, %dl
	insn	INSN_STEPS, incl 8(%rbx)
	insn	INSN_STEPS, neg %rdx
	insn	INSN_STEPS, imul $77, %r9, %rax
	insn	INSN_STEPS, mul %r9
	insn	INSN_STEPS, div %r8
	insn	INSN_STEPS, shl %cl, %r9
	insn	INSN_STEPS, rorl $5, 8(%rbx)
	insn	INSN_STEPS, shld $7, %r8, %r9
	insn	INSN_STEPS, bts %rdx, (%rbx)
	insn	INSN_STEPS, bsf %r9, %rax
	insn	(INSN_STEPS | INSN_SSE42), popcnt %r9, %rax
	insn	(INSN_STEPS | INSN_SSE42), crc32q 8(%rbx), %rax
	insn	INSN_STEPS, setc 9(%rbx)
	insn	INSN_STEPS, xadd %rdx, 8(%rbx)
	insn	INSN_STEPS, cmpxchg8b 8(%rbx)
	insn	INSN_STEPS, cqto
	insn	INSN_STEPS, lahf
	insn	INSN_STEPS, sahf
	insn	INSN_STEPS, cmc
	insn	INSN_STEPS, std

	/* Strings */
	insn	INSN_STEPS, movsq
	insn	INSN_STEPS, lodsw
	insn	INSN_STEPS, cmpsb
	insn	INSN_STEPS, rep movsb
	insn	INSN_STEPS, rep stosq

	/* x87, SSE and AVX */
	insn	INSN_STEPS, fldl 8(%rbx)
	insn	INSN_STEPS, fildl 8(%rbx)
	insn	INSN_STEPS, fstl 8(%rbx)
	insn	INSN_STEPS, movaps 16(%rbx), %xmm2
	insn	INSN_STEPS, movdqa %xmm3, 16(%rbx)
	insn	INSN_STEPS, movups 3(%rbx), %xmm2
	insn	INSN_STEPS, movq %xmm1, %rax
	insn	INSN_STEPS, addsd 8(%rbx), %xmm1
	insn	INSN_STEPS, cvtsi2sd %rdx, %xmm4
	insn	INSN_STEPS, ucomisd %xmm2, %xmm1
	insn	INSN_STEPS, paddd 16(%rbx), %xmm5
	insn	INSN_STEPS, pmovmskb %xmm3, %eax
	insn	INSN_STEPS, movnti %rdx, 8(%rbx)
	insn	(INSN_STEPS | INSN_AVX), vmovups 8(%rbx), %ymm3
	insn	(INSN_STEPS | INSN_AVX), vmovups %ymm3, 8(%rbx)
	insn	(INSN_STEPS | INSN_AVX), vxorps 32(%rbx), %ymm2, %ymm4
	insn	(INSN_STEPS | INSN_AVX), vbroadcastss 8(%rbx), %ymm6

	/*
	 * With no VEX prefix, their opcode byte would be that of jmp, call, ja, jo,
	 * jz, jg, ret and popf.
	 */
	insn	(INSN_STEPS | INSN_AVX), vpor 32(%rbx), %xmm2, %xmm4
	insn	(INSN_STEPS | INSN_AVX), vpsubsb 32(%rbx), %xmm2, %xmm4
	insn	(INSN_STEPS | INSN_AVX), vzeroupper
	insn	(INSN_STEPS | INSN_AVX), vpshufd $27, 32(%rbx), %xmm4
	insn	(INSN_STEPS | INSN_AVX), vpcmpeqb 32(%rbx), %xmm2, %xmm4
	insn	(INSN_STEPS | INSN_AVX), vmovdqu %xmm2, 8(%rbx)
	insn	(INSN_STEPS | INSN_AVX), vcmpltps 32(%rbx), %ymm2, %ymm4
	insn	(INSN_STEPS | INSN_AVX | INSN_FMA), vfnmadd132ss 8(%rbx), %xmm2, %xmm4

	.data
	.balign	64
	.globl	shared_data
shared_data:
	.quad	0x0123456789abcdef, 0xfedcba9876543210, 0, 0, 0x7000, 0, 0, 0
shared_target:
	.quad	landed_call
	.globl	machine_has_avx
machine_has_avx:
	.quad	0

	.text
	.globl	machine_execute
	.type	machine_execute, @function
	/* %gs is based at the machine: every register belongs to the instruction */
machine_execute:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %gs:MACHINE_HOST_SP
	fxrstor64 %gs:MACHINE_FX
	cmpq	$0, machine_has_avx(%rip)
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	vmovups	%gs:MACHINE_YMM + 32 * \n, %ymm\n
	.endr
1:	pushq	%gs:MACHINE_FLAGS
	popfq
	mov	%gs:MACHINE_GPR + 8 * 0, %rax
	mov	%gs:MACHINE_GPR + 8 * 1, %rcx
	mov	%gs:MACHINE_GPR + 8 * 2, %rdx
	mov	%gs:MACHINE_GPR + 8 * 3, %rbx
	mov	%gs:MACHINE_GPR + 8 * 4, %rsp
	mov	%gs:MACHINE_GPR + 8 * 5, %rbp
	mov	%gs:MACHINE_GPR + 8 * 6, %rsi
	mov	%gs:MACHINE_GPR + 8 * 7, %rdi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%gs:MACHINE_GPR + 8 * \n, %r\n
	.endr
	jmp	*%gs:MACHINE_SITE

	.globl	landed_call, landed_return
landed_next:
	movq	$LANDED_NEXT, %gs:MACHINE_LANDED
	jmp	landed
landed_jump:
	movq	$LANDED_JUMP, %gs:MACHINE_LANDED
	jmp	landed
landed_call:
	movq	$LANDED_CALL, %gs:MACHINE_LANDED
	jmp	landed
landed_return:
	movq	$LANDED_RETURN, %gs:MACHINE_LANDED
landed:
	mov	%rax, %gs:MACHINE_GPR + 8 * 0
	mov	%rcx, %gs:MACHINE_GPR + 8 * 1
	mov	%rdx, %gs:MACHINE_GPR + 8 * 2
	mov	%rbx, %gs:MACHINE_GPR + 8 * 3
	mov	%rsp, %gs:MACHINE_GPR + 8 * 4
	mov	%rbp, %gs:MACHINE_GPR + 8 * 5
	mov	%rsi, %gs:MACHINE_GPR + 8 * 6
	mov	%rdi, %gs:MACHINE_GPR + 8 * 7
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, %gs:MACHINE_GPR + 8 * \n
	.endr
	mov	%gs:MACHINE_HOST_SP, %rsp
	pushfq
	popq	%gs:MACHINE_FLAGS
	cld
	fxsave64 %gs:MACHINE_FX
	cmpq	$0, machine_has_avx(%rip)
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	vmovups	%ymm\n, %gs:MACHINE_YMM + 32 * \n
	.endr
	vzeroupper
1:	fninit
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	machine_execute, . - machine_execute
