/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arm64 instructions to probe.
 *
 * Every instruction finds: x0 = address of landed_call, x1 = 3, x2 = 0x12,
 * x3 = memory, x4 = memory + 128, x28 = the machine, x30 = address of
 * landed_return, sp in the stack, other registers with patterns, and
 * memory[0] = address of landed_call. A branch goes to 2f.
 */

	.arch	armv8.3-a

	timed	nop, INSN_NO_EFFECT, "nop"
	timed	stp, INSN_STEPS, "stp x29, x30, [sp, -32]!", after="add sp, sp, 32"
	timed	paciasp, (INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), "paciasp", after="autiasp"
	timed	bti, (INSN_STEPS | INSN_NO_EFFECT), "bti c"
	timed	sub, INSN_STEPS, "sub sp, sp, 32", after="add sp, sp, 32"
	timed	add, INSN_STEPS, "add x0, x1, x2"
	timed	ldr, INSN_STEPS, "ldr x0, [sp]"
	timed	str, INSN_STEPS, "str x0, [sp]", "sub sp, sp, 16", "add sp, sp, 16"
	timed	ret, 0, "ret"
	timed	blr, 0, "blr x0", "mov x9, x30; adr x0, 5f", "ret x9; 5:"

	/* Emulated */
	insn	0, b 2f
	insn	0, bl landed_call
	insn	0, b.mi 2f
	insn	INSN_NO_EFFECT, b.eq 2f
	insn	INSN_NO_EFFECT, cbz x1, 2f
	insn	0, cbnz x1, 2f
	insn	INSN_NO_EFFECT, tbz x1, 0, 2f
	insn	0, tbnz x1, 0, 2f
	insn	0, adr x5, 2f
	insn	0, adrp x5, shared_data
	insn	0, br x0
	insn	0, ret x0

	/* Loads and stores, pairs and write-back */
	insn	INSN_STEPS, ldr x5, [x3, 8]
	insn	INSN_STEPS, ldr x5, [x3, 8]!
	insn	INSN_STEPS, ldr x5, [x3], 8
	insn	INSN_STEPS, ldr w5, [x3, x1, lsl 2]
	insn	INSN_STEPS, ldrb w5, [x3, 3]
	insn	INSN_STEPS, ldrsw x5, [x3, 4]
	insn	INSN_STEPS, ldur x5, [x3, 3]
	insn	INSN_STEPS, ldp x5, x6, [x3, 16]
	insn	INSN_STEPS, ldp x29, x30, [sp], 16
	insn	INSN_STEPS, ldpsw x5, x6, [x3, 8]
	insn	INSN_STEPS, ldar x5, [x3]
	insn	INSN_STEPS, str x2, [x3, 8]
	insn	INSN_STEPS, str x30, [sp, -16]!
	insn	INSN_STEPS, strb w2, [x3], 1
	insn	INSN_STEPS, strh w2, [x3, 6]
	insn	INSN_STEPS, stp x1, x2, [x3, 16]!
	insn	INSN_STEPS, stnp x1, x2, [x3, 16]
	insn	INSN_STEPS, stlr x2, [x3]

	/* Arithmetic and flags */
	insn	INSN_STEPS, add x5, sp, 16
	insn	INSN_STEPS, adds x5, x6, x7, lsl 3
	insn	INSN_STEPS, adc x5, x6, x7
	insn	INSN_STEPS, sbcs x5, x6, x7
	insn	INSN_STEPS, cmp x1, x2
	insn	INSN_STEPS, ccmp x1, 3, 0, mi
	insn	INSN_STEPS, csel x5, x6, x7, eq
	insn	INSN_STEPS, cset w5, mi
	insn	INSN_STEPS, and x5, x6, 0xff00
	insn	INSN_STEPS, eor x5, x6, x7, ror 9
	insn	INSN_STEPS, mov x29, sp
	insn	INSN_STEPS, movz x5, 0x1234, lsl 16
	insn	INSN_STEPS, movk x6, 0x1234, lsl 48
	insn	INSN_STEPS, ubfx x5, x6, 7, 20
	insn	INSN_STEPS, extr x5, x6, x7, 11
	insn	INSN_STEPS, lsl x5, x6, x2
	insn	INSN_STEPS, madd x5, x6, x7, x8
	insn	INSN_STEPS, umulh x5, x6, x7
	insn	INSN_STEPS, udiv x5, x6, x2
	insn	INSN_STEPS, clz x5, x2
	insn	INSN_STEPS, rev x5, x6
	insn	(INSN_STEPS | INSN_NO_EFFECT), dmb ish

	/*
	 * Pointer authentication, with the key of the process. With long addresses
	 * a signature has few bits, which happen to be those that were there.
	 */
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), pacia x5, x6
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), pacibsp
	insn	(INSN_STEPS | INSN_PAC), xpaci x6
	insn	(INSN_STEPS | INSN_PAC), pacga x5, x6, x7

	/* Large system extensions */
	insn	(INSN_STEPS | INSN_LSE), ldadd x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), ldaddal x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), stset x2, [x3]
	insn	(INSN_STEPS | INSN_LSE), swpal x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), cas x0, x2, [x3]

	/* SIMD and floating point */
	insn	INSN_STEPS, ldr q1, [x3, 16]
	insn	INSN_STEPS, str q1, [x3, 16]
	insn	INSN_STEPS, ldp q1, q2, [x3], 32
	insn	INSN_STEPS, stp d8, d9, [sp, -16]!
	insn	INSN_STEPS, ld1 {v1.16b, v2.16b}, [x3]
	insn	INSN_STEPS, st2 {v3.4s, v4.4s}, [x4]
	insn	INSN_STEPS, add v5.4s, v1.4s, v2.4s
	insn	INSN_STEPS, fadd d5, d1, d2
	insn	INSN_STEPS, fcmp d1, d2
	insn	INSN_STEPS, scvtf d5, x6
	insn	INSN_STEPS, umov x5, v1.d[1]
	insn	INSN_STEPS, dup v5.2d, x6
	insn	INSN_STEPS, tbl v5.16b, {v1.16b}, v2.16b

	.data
	.balign	64
	.globl	shared_data
shared_data:
	.quad	0, 0, 0, 0, 0, 0, 0, 0

	.text
	.globl	machine_execute
	.type	machine_execute, %function
	/* x28 is the machine: every other register belongs to the instruction */
machine_execute:
	stp	x29, x30, [sp, -160]!
	stp	x19, x20, [sp, 16]
	stp	x21, x22, [sp, 32]
	stp	x23, x24, [sp, 48]
	stp	x25, x26, [sp, 64]
	stp	x27, x28, [sp, 80]
	stp	d8, d9, [sp, 96]
	stp	d10, d11, [sp, 112]
	stp	d12, d13, [sp, 128]
	stp	d14, d15, [sp, 144]
	mov	x28, x0
	mov	x1, sp
	str	x1, [x28, MACHINE_HOST_SP]
	ldr	x1, [x28, MACHINE_FPSR]
	msr	fpsr, x1
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ldr	q\n, [x28, MACHINE_VECTOR + 16 * \n]
	.endr
	ldr	x1, [x28, MACHINE_FLAGS]
	msr	nzcv, x1
	ldr	x1, [x28, MACHINE_GPR + 8 * 31]
	mov	sp, x1
	/* The way to the site, which x27 cannot have for itself */
	ldr	x27, [x28, MACHINE_SITE]
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 29, 30
	ldr	x\n, [x28, MACHINE_GPR + 8 * \n]
	.endr
	br	x27

	.globl	landed_call, landed_return
	/* x27 held the site before the instruction and is free after it */
landed_next:
	mov	x27, LANDED_NEXT
	b	landed
landed_jump:
	mov	x27, LANDED_JUMP
	b	landed
landed_call:
	mov	x27, LANDED_CALL
	b	landed
landed_return:
	mov	x27, LANDED_RETURN
landed:
	str	x27, [x28, MACHINE_LANDED]
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 29, 30
	str	x\n, [x28, MACHINE_GPR + 8 * \n]
	.endr
	mov	x1, sp
	str	x1, [x28, MACHINE_GPR + 8 * 31]
	mrs	x1, nzcv
	str	x1, [x28, MACHINE_FLAGS]
	mrs	x1, fpsr
	str	x1, [x28, MACHINE_FPSR]
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	str	q\n, [x28, MACHINE_VECTOR + 16 * \n]
	.endr
	ldr	x1, [x28, MACHINE_HOST_SP]
	mov	sp, x1
	ldp	d14, d15, [sp, 144]
	ldp	d12, d13, [sp, 128]
	ldp	d10, d11, [sp, 112]
	ldp	d8, d9, [sp, 96]
	ldp	x27, x28, [sp, 80]
	ldp	x25, x26, [sp, 64]
	ldp	x23, x24, [sp, 48]
	ldp	x21, x22, [sp, 32]
	ldp	x19, x20, [sp, 16]
	ldp	x29, x30, [sp], 160
	ret
	.size	machine_execute, . - machine_execute
