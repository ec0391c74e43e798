/* SPDX-License-Identifier: GPL-2.0 */
/*
 * riscv64 instructions to probe.
 *
 * Every instruction finds: a0 = address of landed_call, a1 = 3, a2 = 0x12,
 * a3 = memory, a4 = memory + 128, ra = address of landed_return, sp in the stack,
 * t6 = the machine, other registers with patterns, and memory[0] = address of
 * landed_call. A branch goes to 2f. vl is 3 elements of 32 bits, the mask in v0
 * is a pattern.
 */

	.option	norelax
	.option	arch, +zba, +zbb, +zbs, +zbc, +zicond, +zfa, +v

	/* An instruction of 4 bytes, of which the last 2 are in another page */
	.macro	crossing flags:req, text:vararg
	.text
	.balign	4096
	.skip	4094
901:	\text
	j	landed_next
2:	j	landed_jump
	.section .rodata
902:	.asciz	"\text (in two pages)"
	.section insns, "aw"
	.balign	8
	.quad	0, 902b, 901b, 0, 0, \flags
	.endm

	.option	norvc
	timed	nop, (INSN_STEPS | INSN_NO_EFFECT), "nop"
	timed	auipc, 0, "auipc a5, 0x12345"
	timed	ret, 0, "ret"
	timed	sub, INSN_STEPS, "addi sp, sp, -32", after="addi sp, sp, 32"
	timed	sd, INSN_STEPS, "sd ra, 8(sp)", "addi sp, sp, -16", "addi sp, sp, 16"
	timed	ld, INSN_STEPS, "ld a0, 0(sp)"
	timed	mv, INSN_STEPS, "mv a0, a1"
	timed	lui, INSN_STEPS, "lui a0, 0x12345"
	timed	bne, 0, "bne a1, a2, 2f", after="2:"
	.option	rvc
	timed	c_addi16sp, INSN_STEPS, "c.addi16sp sp, -32", after="c.addi16sp sp, 32"
	timed	c_sdsp, INSN_STEPS, "c.sdsp ra, 8(sp)", "addi sp, sp, -16", "addi sp, sp, 16"
	timed	c_mv, INSN_STEPS, "c.mv a0, a1"
	timed	c_ret, 0, "c.jr ra"

	/* Branches and addresses, emulated */
	insn	0, c.j 2f
	insn	0, c.jr a0
	insn	0, c.jalr a0
	insn	INSN_NO_EFFECT, c.beqz a1, 2f
	insn	0, c.bnez a1, 2f
	.option	norvc
	insn	0, j 2f
	insn	0, jal ra, landed_call
	insn	0, jal t0, 2f
	insn	0, jr a0
	insn	0, jalr ra, 0(a0)
	insn	0, jalr a0, 0(a0)
	insn	0, jalr ra, 0(ra)
	insn	INSN_NO_EFFECT, beq a1, a2, 2f
	insn	0, bne a1, a2, 2f
	insn	0, blt a1, a2, 2f
	insn	INSN_NO_EFFECT, bge a1, a2, 2f
	insn	0, bltu a1, a2, 2f
	insn	INSN_NO_EFFECT, bgeu a1, a2, 2f
	insn	0, bgtz a1, 2f
	insn	INSN_NO_EFFECT, beqz a1, 2f
	insn	0, auipc a5, 0
	insn	0, auipc a5, 0x80000
	insn	INSN_NO_EFFECT, auipc zero, 1

	/* Compressed */
	.option	rvc
	insn	(INSN_STEPS | INSN_NO_EFFECT), c.nop
	insn	INSN_STEPS, c.li a5, -3
	insn	INSN_STEPS, c.lui a5, 0xfffe1
	insn	INSN_STEPS, c.addi a5, 7
	insn	INSN_STEPS, c.addiw a5, -7
	insn	INSN_STEPS, c.addi16sp sp, 64
	insn	INSN_STEPS, c.addi4spn a5, sp, 16
	insn	INSN_STEPS, c.slli a5, 7
	insn	INSN_STEPS, c.srli a5, 7
	insn	INSN_STEPS, c.srai a5, 9
	insn	INSN_STEPS, c.andi a5, 15
	insn	INSN_STEPS, c.mv a5, a2
	insn	INSN_STEPS, c.add a5, a2
	insn	INSN_STEPS, c.addw a5, a2
	insn	INSN_STEPS, c.sub a5, a2
	insn	INSN_STEPS, c.subw a5, a2
	insn	INSN_STEPS, c.and a5, a2
	insn	INSN_STEPS, c.or a5, s1
	insn	INSN_STEPS, c.xor a5, a2
	insn	INSN_STEPS, c.lw a5, 4(a3)
	insn	INSN_STEPS, c.ld a5, 8(a3)
	insn	INSN_STEPS, c.sw a5, 4(a3)
	insn	INSN_STEPS, c.sd a5, 8(a3)
	insn	INSN_STEPS, c.lwsp a5, 4(sp)
	insn	INSN_STEPS, c.ldsp ra, 8(sp)
	insn	INSN_STEPS, c.swsp a5, 4(sp)
	insn	INSN_STEPS, c.sdsp s0, 16(sp)
	insn	INSN_STEPS, c.fld fa5, 8(a3)
	insn	INSN_STEPS, c.fsd fa4, 8(a3)
	insn	INSN_STEPS, c.fldsp fa5, 8(sp)
	insn	INSN_STEPS, c.fsdsp fa4, 8(sp)

	/* Loads and stores, aligned or not */
	.option	norvc
	insn	INSN_STEPS, lb a5, 3(a3)
	insn	INSN_STEPS, lbu a5, 3(a3)
	insn	INSN_STEPS, lh a5, 6(a3)
	insn	INSN_STEPS, lhu a5, 6(a3)
	insn	INSN_STEPS, lw a5, 12(a3)
	insn	INSN_STEPS, lwu a5, 12(a3)
	insn	INSN_STEPS, ld a5, 16(a3)
	insn	INSN_STEPS, ld a5, 19(a3)
	insn	INSN_STEPS, ld a3, -8(a4)
	insn	INSN_STEPS, sb a2, 3(a3)
	insn	INSN_STEPS, sh a2, 6(a3)
	insn	INSN_STEPS, sw a2, 12(a3)
	insn	INSN_STEPS, sd a2, 16(a3)
	insn	INSN_STEPS, sd a2, 21(a3)
	insn	INSN_STEPS, sd zero, -8(a4)

	/* Arithmetic */
	insn	INSN_STEPS, addi a5, a6, 2047
	insn	INSN_STEPS, addiw a5, a6, -2048
	insn	INSN_STEPS, slti a5, a6, 5
	insn	INSN_STEPS, sltiu a5, a1, 5
	insn	INSN_STEPS, xori a5, a6, -1
	insn	INSN_STEPS, ori a5, a6, 0x55
	insn	INSN_STEPS, andi a5, a6, 0xff
	insn	INSN_STEPS, slli a5, a6, 40
	insn	INSN_STEPS, srli a5, a6, 33
	insn	INSN_STEPS, sraiw a5, a6, 3
	insn	INSN_STEPS, lui a5, 0xfffff
	insn	INSN_STEPS, add a5, a6, a7
	insn	INSN_STEPS, subw a5, a6, a7
	insn	INSN_STEPS, sll a5, a6, a2
	insn	INSN_STEPS, srlw a5, a6, a2
	insn	INSN_STEPS, slt a5, a1, a2
	insn	INSN_STEPS, sltu a5, a1, a2
	insn	INSN_STEPS, mul a5, a6, a7
	insn	INSN_STEPS, mulhsu a5, a6, a7
	insn	INSN_STEPS, mulw a5, a6, a7
	insn	INSN_STEPS, div a5, a6, a2
	insn	INSN_STEPS, divu a5, a6, zero
	insn	INSN_STEPS, rem a5, a6, a2
	insn	INSN_STEPS, remuw a5, a6, a2
	insn	(INSN_STEPS | INSN_NO_EFFECT), add zero, a6, a7
	insn	(INSN_STEPS | INSN_ZBA), sh2add a5, a1, a3
	insn	(INSN_STEPS | INSN_ZBA), add.uw a5, a6, a3
	insn	(INSN_STEPS | INSN_ZBB), clz a5, a2
	insn	(INSN_STEPS | INSN_ZBB), cpop a5, a6
	insn	(INSN_STEPS | INSN_ZBB), rev8 a5, a6
	insn	(INSN_STEPS | INSN_ZBB), orc.b a5, a2
	insn	(INSN_STEPS | INSN_ZBB), maxu a5, a6, a7
	insn	(INSN_STEPS | INSN_ZBB), sext.b a5, a6
	insn	(INSN_STEPS | INSN_ZBB), rori a5, a6, 17
	insn	(INSN_STEPS | INSN_ZBS), bset a5, a2, a1
	insn	(INSN_STEPS | INSN_ZBS), bexti a5, a6, 62
	insn	(INSN_STEPS | INSN_ZBC), clmul a5, a6, a7
	insn	(INSN_STEPS | INSN_ZICOND), czero.eqz a5, a6, zero

	/* Atomic accesses */
	insn	INSN_STEPS, amoadd.w a5, a2, (a3)
	insn	INSN_STEPS, amoadd.d.aqrl a5, a2, (a3)
	insn	INSN_STEPS, amoswap.d a5, a2, (a3)
	insn	INSN_STEPS, amoxor.w a5, a2, (a4)
	insn	INSN_STEPS, amomaxu.d a5, a2, (a3)
	insn	INSN_STEPS, amoand.d zero, a2, (a3)

	/* Floating point */
	insn	INSN_STEPS, flw fa5, 4(a3)
	insn	INSN_STEPS, fld fa5, 8(a3)
	insn	INSN_STEPS, fsw fa4, 4(a3)
	insn	INSN_STEPS, fsd fa4, 8(a3)
	insn	INSN_STEPS, fadd.d fa5, fa4, fa3
	insn	INSN_STEPS, fdiv.d fa5, fa4, fa3
	insn	INSN_STEPS, fmul.s fa5, fa4, fa3
	insn	INSN_STEPS, fsqrt.d fa5, fa4
	insn	INSN_STEPS, fmadd.d fa5, fa4, fa3, fa2
	insn	INSN_STEPS, fnmsub.s fa5, fa4, fa3, fa2
	insn	INSN_STEPS, fsgnjn.d fa5, fa4, fa3
	insn	INSN_STEPS, fmin.d fa5, fa4, fa3
	insn	INSN_STEPS, flt.d a5, fa4, fa3
	insn	INSN_STEPS, fclass.d a5, fa4
	insn	INSN_STEPS, fcvt.d.l fa5, a6
	insn	INSN_STEPS, fcvt.w.d a5, fa4, rtz
	insn	INSN_STEPS, fcvt.s.d fa5, fa4
	insn	INSN_STEPS, fmv.x.d a5, fa4
	insn	INSN_STEPS, fmv.d.x fa5, a6
	insn	(INSN_STEPS | INSN_ZFA), fli.d fa5, 0.5

	/* Vectors */
	insn	(INSN_STEPS | INSN_VECTOR), vsetvli a5, zero, e8, m2, ta, ma
	insn	(INSN_STEPS | INSN_VECTOR), vsetivli a5, 5, e16, m1, tu, mu
	insn	(INSN_STEPS | INSN_VECTOR), vsetvl a5, a1, zero
	insn	(INSN_STEPS | INSN_VECTOR), vle32.v v4, (a3)
	insn	(INSN_STEPS | INSN_VECTOR), vle8.v v4, (a3), v0.t
	insn	(INSN_STEPS | INSN_VECTOR), vlse32.v v4, (a3), a2
	insn	(INSN_STEPS | INSN_VECTOR), vlseg2e32.v v4, (a3)
	insn	(INSN_STEPS | INSN_VECTOR), vl2re64.v v4, (a3)
	insn	(INSN_STEPS | INSN_VECTOR), vse32.v v4, (a3)
	insn	(INSN_STEPS | INSN_VECTOR), vsse32.v v4, (a3), a2
	insn	(INSN_STEPS | INSN_VECTOR), vs1r.v v4, (a3)
	insn	(INSN_STEPS | INSN_VECTOR), vadd.vv v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vadd.vx v4, v5, a2
	insn	(INSN_STEPS | INSN_VECTOR), vadd.vi v4, v5, -3
	insn	(INSN_STEPS | INSN_VECTOR), vsub.vv v4, v5, v6, v0.t
	insn	(INSN_STEPS | INSN_VECTOR), vmul.vv v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vwmulu.vv v8, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vsaddu.vv v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vmsne.vx v4, v5, a2
	insn	(INSN_STEPS | INSN_VECTOR), vredsum.vs v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vrgather.vv v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vslidedown.vi v4, v5, 1
	insn	(INSN_STEPS | INSN_VECTOR), vmv.v.x v4, a6
	insn	(INSN_STEPS | INSN_VECTOR), vmv.x.s a5, v4
	insn	(INSN_STEPS | INSN_VECTOR), vid.v v4
	insn	(INSN_STEPS | INSN_VECTOR), vcpop.m a5, v4
	insn	(INSN_STEPS | INSN_VECTOR), vfadd.vv v4, v5, v6
	insn	(INSN_STEPS | INSN_VECTOR), vfmacc.vf v4, fa4, v5

	crossing INSN_STEPS, addi a5, a6, 100
	crossing INSN_STEPS, ld a5, 8(a3)
	crossing 0, jal ra, landed_call
	crossing 0, auipc a5, 0x12345
	.option	rvc

	.data
	.balign	64
	.globl	shared_data, machine_has_vector
shared_data:
	.quad	0, 0, 0, 0, 0, 0, 0, 0
machine_has_vector:
	.quad	0

	.text
	.globl	machine_execute
	.type	machine_execute, %function
	/* t6 is the machine: every other register belongs to the instruction */
machine_execute:
	addi	sp, sp, -224
	sd	ra, 0(sp)
	sd	gp, 8(sp)
	sd	tp, 16(sp)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	sd	s\n, (24 + 8 * \n)(sp)
	fsd	fs\n, (120 + 8 * \n)(sp)
	.endr
	mv	t6, a0
	sd	sp, MACHINE_HOST_SP(t6)
	ld	a1, MACHINE_FLAGS(t6)
	fscsr	a1
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fld	f\n, (MACHINE_FP + 8 * \n)(t6)
	.endr
	ld	a2, machine_has_vector
	beqz	a2, 1f
	addi	a1, t6, MACHINE_VECTOR
	csrr	a2, vlenb
	slli	a2, a2, 3
	.irp	n, 0, 8, 16, 24
	vl8re8.v v\n, (a1)
	add	a1, a1, a2
	.endr
	vsetivli zero, 3, e32, m1, tu, mu
	csrw	vcsr, zero
	/* The way to the site, which t5 cannot have for itself */
1:	ld	t5, MACHINE_SITE(t6)
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	ld	x\n, (MACHINE_GPR + 8 * \n)(t6)
	.endr
	jr	t5

	.globl	landed_call, landed_return
	/* t5 held the site before the instruction and is free after it */
landed_next:
	li	t5, LANDED_NEXT
	j	landed
landed_jump:
	li	t5, LANDED_JUMP
	j	landed
landed_call:
	li	t5, LANDED_CALL
	j	landed
landed_return:
	li	t5, LANDED_RETURN
landed:
	sd	t5, MACHINE_LANDED(t6)
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	sd	x\n, (MACHINE_GPR + 8 * \n)(t6)
	.endr
	frcsr	a1
	sd	a1, MACHINE_FLAGS(t6)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	fsd	f\n, (MACHINE_FP + 8 * \n)(t6)
	.endr
	ld	a2, machine_has_vector
	beqz	a2, 1f
	csrr	a1, vl
	sd	a1, MACHINE_VL(t6)
	csrr	a1, vtype
	sd	a1, MACHINE_VTYPE(t6)
	csrr	a1, vcsr
	sd	a1, MACHINE_VCSR(t6)
	addi	a1, t6, MACHINE_VECTOR
	csrr	a2, vlenb
	slli	a2, a2, 3
	.irp	n, 0, 8, 16, 24
	vs8r.v	v\n, (a1)
	add	a1, a1, a2
	.endr
1:	ld	sp, MACHINE_HOST_SP(t6)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	ld	s\n, (24 + 8 * \n)(sp)
	fld	fs\n, (120 + 8 * \n)(sp)
	.endr
	ld	ra, 0(sp)
	ld	gp, 8(sp)
	ld	tp, 16(sp)
	addi	sp, sp, 224
	ret
	.size	machine_execute, . - machine_execute
