/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arm64 instructions to probe.
 *
 * Every instruction finds: x0 = address of landed_call, x1 = 3, x2 = 0x12,
 * x3 = memory, x4 = memory + 128, x17 = address of landed_call, signed for x16,
 * x28 = the machine, x30 = address of landed_return, sp in the stack, other
 * registers with patterns, and memory[0] = address of landed_call. A branch goes
 * to 2f.
 */

	.arch	armv8.4-a+crc+crypto+sve

/* Upstream steps it, this series emulates it */
#define EMULATED	INSN_STEPS_UPSTREAM
/* Upstream refuses it */
#define ACCEPTED	(INSN_STEPS | INSN_REFUSED_UPSTREAM)

	timed	nop, INSN_NO_EFFECT, "nop"
	timed	stp, INSN_STEPS, "stp x29, x30, [sp, -32]!", after="add sp, sp, 32"
	timed	paciasp, (INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), "paciasp", after="autiasp"
	timed	bti, (EMULATED | INSN_NO_EFFECT), "bti c"
	timed	sub, EMULATED, "sub sp, sp, 32", after="add sp, sp, 32"
	timed	add, EMULATED, "add x0, x1, x2"
	timed	ldr, INSN_STEPS, "ldr x0, [sp]"
	timed	str, INSN_STEPS, "str x0, [sp]", "sub sp, sp, 16", "add sp, sp, 16"
	timed	simd, INSN_STEPS, "ldr q0, [sp]"
	timed	ret, 0, "ret"
	timed	blr, 0, "blr x0", "mov x9, x30; adr x0, 5f", "ret x9; 5:"

	/* Branches and addresses, emulated */
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

	/* Additions, subtractions and moves, emulated; register 31 is sp or xzr */
	insn	EMULATED, add x5, x6, 4095
	insn	EMULATED, add x5, x6, 1, lsl 12
	insn	EMULATED, add w5, w6, 1
	insn	EMULATED, add x5, sp, 16
	insn	EMULATED, add sp, sp, 16
	insn	EMULATED, add wsp, wsp, 16
	insn	EMULATED, sub x5, x6, 1
	insn	EMULATED, sub w5, w6, 4095, lsl 12
	insn	EMULATED, mov x29, sp
	insn	EMULATED, mov sp, x4
	insn	EMULATED, adds x5, x6, 1
	insn	EMULATED, adds w5, w6, 4095
	insn	EMULATED, adds x5, sp, 16
	insn	EMULATED, subs x5, x1, 3
	insn	EMULATED, subs w5, w1, 4
	insn	EMULATED, cmp x1, 3
	insn	EMULATED, cmp w2, 4, lsl 12
	insn	EMULATED, cmp sp, 16
	insn	EMULATED, cmn x1, 3
	insn	EMULATED, add x5, x6, x7
	insn	EMULATED, add x5, x6, x7, lsl 9
	insn	EMULATED, add x5, x6, x7, lsr 9
	insn	EMULATED, add x5, x6, x7, asr 63
	insn	EMULATED, add w5, w6, w7, lsl 31
	insn	EMULATED, add w5, w6, w7, lsr 5
	insn	EMULATED, sub w5, w6, w7, asr 5
	insn	EMULATED, sub x5, x6, xzr
	insn	EMULATED, adds x5, x6, x7, lsl 3
	insn	EMULATED, adds w5, w6, w7
	insn	EMULATED, subs x5, x6, x7
	insn	EMULATED, subs w5, w6, w6
	insn	EMULATED, cmp x1, x2
	insn	EMULATED, cmp w6, w7, asr 7
	insn	EMULATED, cmn x6, x7
	insn	EMULATED, neg x5, x6
	insn	EMULATED, negs w5, w6
	insn	EMULATED, mov x5, x6
	insn	EMULATED, mov w5, w6
	insn	EMULATED, mov x5, xzr
	insn	EMULATED, movz x5, 0x1234, lsl 16
	insn	EMULATED, movz w5, 0x1234
	insn	EMULATED, movn x5, 0x1234, lsl 32
	insn	EMULATED, movn w5, 0
	insn	EMULATED, movk x6, 0x1234, lsl 48
	insn	EMULATED, movk w6, 0x1234, lsl 16
	insn	(EMULATED | INSN_NO_EFFECT), movz xzr, 1
	insn	(EMULATED | INSN_NO_EFFECT), bti jc

	/* Loads and stores, pairs and write-back */
	insn	INSN_STEPS, ldr x5, [x3, 8]
	insn	INSN_STEPS, ldr x5, [x3, 8]!
	insn	INSN_STEPS, ldr x5, [x3], 8
	insn	INSN_STEPS, ldr w5, [x3, x1, lsl 2]
	insn	INSN_STEPS, ldr x5, [x3, w2, sxtw]
	insn	INSN_STEPS, ldrb w5, [x3, 3]
	insn	INSN_STEPS, ldrsh w5, [x3, 6]
	insn	INSN_STEPS, ldrsw x5, [x3, 4]
	insn	INSN_STEPS, ldur x5, [x3, 3]
	insn	INSN_STEPS, ldtr x5, [x3, 8]
	insn	INSN_STEPS, ldp x5, x6, [x3, 16]
	insn	INSN_STEPS, ldp w5, w6, [x3], 8
	insn	INSN_STEPS, ldp x29, x30, [sp], 16
	insn	INSN_STEPS, ldnp x5, x6, [x3, 16]
	insn	INSN_STEPS, ldpsw x5, x6, [x3, 8]
	insn	INSN_STEPS, ldar x5, [x3]
	insn	INSN_STEPS, ldarb w5, [x4]
	insn	INSN_STEPS, str x2, [x3, 8]
	insn	INSN_STEPS, str x30, [sp, -16]!
	insn	INSN_STEPS, str x6, [x3, x1, lsl 3]
	insn	INSN_STEPS, strb w2, [x3], 1
	insn	INSN_STEPS, strh w2, [x3, 6]
	insn	INSN_STEPS, stur w6, [x3, 5]
	insn	INSN_STEPS, sttr w6, [x3, 4]
	insn	INSN_STEPS, stp x1, x2, [x3, 16]!
	insn	INSN_STEPS, stp xzr, xzr, [x3]
	insn	INSN_STEPS, stnp x1, x2, [x3, 16]
	insn	INSN_STEPS, stlr x2, [x3]
	insn	(INSN_STEPS | INSN_NO_EFFECT), prfm pldl1keep, [x3, 64]
	insn	(INSN_STEPS | INSN_LRCPC), ldapr x5, [x3]
	insn	(INSN_STEPS | INSN_LRCPC), ldapur w5, [x3, 4]
	insn	(INSN_STEPS | INSN_LRCPC), stlur x6, [x3, 8]

	/* Literals: the program's own code */
	insn	ACCEPTED, ldr x5, 2f
	insn	ACCEPTED, ldr w5, 2f
	insn	ACCEPTED, ldrsw x5, 2f
	insn	(INSN_REFUSED_UPSTREAM | INSN_NO_EFFECT), ldr xzr, 2f
	insn	(INSN_REFUSED_UPSTREAM | INSN_NO_EFFECT), prfm pldl1keep, 2f

	/* Arithmetic and flags */
	insn	INSN_STEPS, add x5, x6, w7, uxtb 2
	insn	INSN_STEPS, sub sp, sp, w1, uxtw 4
	insn	INSN_STEPS, cmp x6, w7, sxth
	insn	INSN_STEPS, adc x5, x6, x7
	insn	INSN_STEPS, sbcs x5, x6, x7
	insn	INSN_STEPS, ccmp x1, 3, 0, mi
	insn	INSN_STEPS, ccmn w6, w7, 1, eq
	insn	INSN_STEPS, csel x5, x6, x7, eq
	insn	INSN_STEPS, csinv w5, w6, w7, ne
	insn	INSN_STEPS, cset w5, mi
	insn	INSN_STEPS, and x5, x6, 0xff00
	insn	INSN_STEPS, orr w5, w6, 0x1f
	insn	INSN_STEPS, tst x6, 0xf0
	insn	INSN_STEPS, and x5, x6, x7, lsl 4
	insn	INSN_STEPS, bics w5, w6, w7
	insn	INSN_STEPS, orr x5, x6, x7, lsr 3
	insn	INSN_STEPS, mvn x5, x6
	insn	INSN_STEPS, eor x5, x6, x7, ror 9
	insn	INSN_STEPS, eon w5, w6, w7
	insn	INSN_STEPS, ubfx x5, x6, 7, 20
	insn	INSN_STEPS, sbfiz w5, w6, 3, 7
	insn	INSN_STEPS, bfi x5, x6, 9, 11
	insn	INSN_STEPS, extr x5, x6, x7, 11
	insn	INSN_STEPS, lsl x5, x6, x2
	insn	INSN_STEPS, asr w5, w6, w1
	insn	INSN_STEPS, madd x5, x6, x7, x8
	insn	INSN_STEPS, msub w5, w6, w7, w8
	insn	INSN_STEPS, smull x5, w6, w7
	insn	INSN_STEPS, umulh x5, x6, x7
	insn	INSN_STEPS, udiv x5, x6, x2
	insn	INSN_STEPS, sdiv w5, w6, w1
	insn	INSN_STEPS, clz x5, x2
	insn	INSN_STEPS, rbit w5, w6
	insn	INSN_STEPS, rev x5, x6
	insn	INSN_STEPS, rev16 w5, w6
	insn	(INSN_STEPS | INSN_CRC32), crc32cx w5, w6, x7
	insn	(ACCEPTED | INSN_FLAGM), cfinv
	insn	(INSN_STEPS | INSN_FLAGM), rmif x6, 3, 15
	insn	(INSN_STEPS | INSN_FLAGM), setf8 w6

	/* Barriers, hints, and registers of the system */
	insn	(INSN_STEPS | INSN_NO_EFFECT), dmb ish
	insn	(INSN_STEPS | INSN_NO_EFFECT), dsb sy
	insn	(INSN_STEPS | INSN_NO_EFFECT), isb
	insn	(INSN_STEPS | INSN_NO_EFFECT), clrex
	insn	(ACCEPTED | INSN_NO_EFFECT), yield
	insn	(ACCEPTED | INSN_NO_EFFECT), wfi
	insn	(ACCEPTED | INSN_NO_EFFECT), sev
	insn	(ACCEPTED | INSN_NO_EFFECT), csdb
	insn	(ACCEPTED | INSN_NO_EFFECT), esb
	insn	INSN_STEPS, mrs x5, nzcv
	insn	INSN_STEPS, mrs x5, tpidr_el0
	insn	INSN_STEPS, mrs x5, ctr_el0
	insn	INSN_STEPS, mrs x5, midr_el1
	insn	ACCEPTED, msr nzcv, x2
	insn	ACCEPTED, msr fpsr, x2
	insn	(INSN_STEPS | INSN_NO_EFFECT), dc civac, x3
	insn	(INSN_STEPS | INSN_NO_EFFECT), dc cvau, x3
	insn	(INSN_STEPS | INSN_NO_EFFECT), ic ivau, x3

	/*
	 * Pointer authentication, with the key of the process. With long addresses
	 * a signature has few bits, which happen to be those that were there.
	 */
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), pacia x5, x6
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), pacibsp
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), paciaz
	insn	(INSN_STEPS | INSN_PAC | INSN_NO_EFFECT), autia x17, x16
	insn	(INSN_STEPS | INSN_PAC), xpaci x6
	insn	(INSN_STEPS | INSN_PAC), pacga x5, x6, x7
	insn	(ACCEPTED | INSN_PAC | INSN_NO_EFFECT), autia1716
	insn	(ACCEPTED | INSN_PAC | INSN_SIGNED | INSN_NO_EFFECT), autiasp
	insn	(ACCEPTED | INSN_PAC | INSN_SIGNED), retaa

	/* Large system extensions */
	insn	(INSN_STEPS | INSN_LSE), ldadd x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), ldaddal x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), ldclrh w2, w5, [x3]
	insn	(INSN_STEPS | INSN_LSE), stset x2, [x3]
	insn	(INSN_STEPS | INSN_LSE), swpal x2, x5, [x3]
	insn	(INSN_STEPS | INSN_LSE), cas x0, x2, [x3]
	insn	(INSN_STEPS | INSN_LSE), casalb w0, w2, [x3]
	insn	(ACCEPTED | INSN_LSE), casp x6, x7, x8, x9, [x3]
	insn	(ACCEPTED | INSN_LSE), caspal w6, w7, w8, w9, [x4]

	/* SIMD and floating point */
	insn	INSN_STEPS, ldr q1, [x3, 16]
	insn	INSN_STEPS, ldr d5, [x3, x1, lsl 3]
	insn	INSN_STEPS, str q1, [x3, 16]
	insn	INSN_STEPS, str s1, [x3], 4
	insn	INSN_STEPS, ldp q1, q2, [x3], 32
	insn	INSN_STEPS, stp d8, d9, [sp, -16]!
	insn	INSN_STEPS, ld1 {v1.16b, v2.16b}, [x3]
	insn	INSN_STEPS, ld1r {v5.4s}, [x3], 4
	insn	INSN_STEPS, ld4 {v1.h, v2.h, v3.h, v4.h}[3], [x3]
	insn	INSN_STEPS, st2 {v3.4s, v4.4s}, [x4]
	insn	INSN_STEPS, add v5.4s, v1.4s, v2.4s
	insn	INSN_STEPS, mul v5.8h, v1.8h, v2.h[3]
	insn	INSN_STEPS, fadd d5, d1, d2
	insn	INSN_STEPS, fmadd s5, s1, s2, s3
	insn	INSN_STEPS, fdiv v5.2d, v1.2d, v2.2d
	insn	INSN_STEPS, fcmp d1, d2
	insn	INSN_STEPS, fcsel d5, d1, d2, mi
	insn	INSN_STEPS, scvtf d5, x6
	insn	INSN_STEPS, fcvtzs x5, d1
	insn	INSN_STEPS, fmov x5, d1
	insn	INSN_STEPS, fmov d5, 1.5
	insn	INSN_STEPS, movi v5.4s, 0x12, lsl 8
	insn	INSN_STEPS, umov x5, v1.d[1]
	insn	INSN_STEPS, dup v5.2d, x6
	insn	INSN_STEPS, tbl v5.16b, {v1.16b}, v2.16b
	insn	INSN_STEPS, addv b5, v1.16b
	insn	INSN_STEPS, shl v5.2d, v1.2d, 7
	insn	INSN_STEPS, ext v5.16b, v1.16b, v2.16b, 5
	insn	(INSN_STEPS | INSN_CRYPTO), aese v5.16b, v1.16b
	insn	(INSN_STEPS | INSN_CRYPTO), pmull2 v5.1q, v1.2d, v2.2d
	insn	(INSN_STEPS | INSN_CRYPTO), sha256h q5, q1, v2.4s

	/* Scalable vectors */
	insn	(INSN_STEPS | INSN_SVE), add z5.s, z1.s, z2.s
	insn	(INSN_STEPS | INSN_SVE), rdvl x5, 1
	insn	(INSN_STEPS | INSN_SVE), ldr z5, [x3]
	insn	(INSN_STEPS | INSN_SVE), cntb x5

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
