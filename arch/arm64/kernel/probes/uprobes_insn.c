// SPDX-License-Identifier: GPL-2.0
/*
 * The instructions of programs that can be executed out of line.
 */
#include <linux/kernel.h>
#include <linux/uprobes.h>

#include <asm/insn.h>

#include "simulate-insn.h"
#include "uprobes_insn.h"

/*
 * The first row whose bits match decides. An instruction without a row is
 * UPROBE_INSN_BOUND.
 *
 * A UPROBE_INSN_FREE instruction has these properties:
 * - It neither reads nor writes pc.
 * - It does not depend on its neighbours in memory. MOVPRFX and the memory copy
 *   instructions do.
 * - Its purpose is not to raise an exception.
 * - If it faults, it can be executed again.
 * - An exception directly before or after it does no harm. For exclusives it does: an
 *   exception clears the exclusive monitor.
 *
 * A row may contain encodings that are not allocated, because they raise an exception
 * at any address. Emulated instructions need no row.
 */
static const struct uprobe_insn_rule {
	u32			mask;
	u32			value;
	enum uprobe_insn_class	class;
} uprobe_insn_rules[] = {
	/* Data processing with an immediate */
	{ 0x1f800000, 0x11800000, UPROBE_INSN_FREE },	/* addg, subg, smax .. umin */
	{ 0x1f800000, 0x12000000, UPROBE_INSN_FREE },	/* and, orr, eor, ands */
	{ 0x1f800000, 0x13000000, UPROBE_INSN_FREE },	/* sbfm, bfm, ubfm */
	{ 0x7fa00000, 0x13800000, UPROBE_INSN_FREE },	/* extr */

	/* Data processing with registers */
	{ 0x1f000000, 0x0a000000, UPROBE_INSN_FREE },	/* and .. bics */
	{ 0x1fe00000, 0x0b200000, UPROBE_INSN_FREE },	/* add, sub with extension */
	{ 0x1fe0fc00, 0x1a000000, UPROBE_INSN_FREE },	/* adc, sbc */
	{ 0xbfe0e000, 0x9a002000, UPROBE_INSN_FREE },	/* addpt, subpt */
	{ 0xffe07c10, 0xba000400, UPROBE_INSN_FREE },	/* rmif */
	{ 0xffffbc1f, 0x3a00080d, UPROBE_INSN_FREE },	/* setf8, setf16 */
	{ 0x3fe00410, 0x3a400000, UPROBE_INSN_FREE },	/* ccmn, ccmp */
	{ 0x3fe00800, 0x1a800000, UPROBE_INSN_FREE },	/* csel .. csneg */
	{ 0x5fe00000, 0x1ac00000, UPROBE_INSN_FREE },	/* udiv .. pacga, subps */
	{ 0x7fff0000, 0x5ac00000, UPROBE_INSN_FREE },	/* rbit .. abs */
	{ 0xffff8000, 0xdac10000, UPROBE_INSN_FREE },	/* pacia .. xpacd, not with pc */
	{ 0x7f000000, 0x1b000000, UPROBE_INSN_FREE },	/* madd .. umulh */

	/* Returns */
	{ 0xfffffbff, 0xd65f0bff, UPROBE_INSN_RETURN },	/* retaa, retab */

	/* Hints. They do not use pc: the kernel does not enable PACM for programs. */
	{ 0xffffff1f, 0xd503201f, UPROBE_INSN_FREE },	/* yield .. xpaclri */
	{ 0xffffff3f, 0xd503211f, UPROBE_INSN_FREE },	/* pacia1716 .. autib1716 */
	{ 0xffffff9f, 0xd503221f, UPROBE_INSN_FREE },	/* esb, psb, tsb, gcsb */
	{ 0xffffffbf, 0xd503229f, UPROBE_INSN_FREE },	/* csdb, clrbhb */
	{ 0xffffff1f, 0xd503231f, UPROBE_INSN_FREE },	/* paciaz .. autibsp */
	{ 0xffffffff, 0xd503251f, UPROBE_INSN_FREE },	/* chkfeat */

	/* Barriers */
	{ 0xfffff0ff, 0xd503305f, UPROBE_INSN_FREE },	/* clrex */
	{ 0xfffff3ff, 0xd503323f, UPROBE_INSN_FREE },	/* dsb nxs */
	{ 0xfffff09f, 0xd503309f, UPROBE_INSN_FREE },	/* dsb, dmb, isb, sb */

	/* Flags and system registers that belong to the program */
	{ 0xffffffdf, 0xd500401f, UPROBE_INSN_FREE },	/* cfinv, xaflag */
	{ 0xffffffff, 0xd500405f, UPROBE_INSN_FREE },	/* axflag */
	{ 0xfffff0ff, 0xd503403f, UPROBE_INSN_FREE },	/* msr ssbs, imm */
	{ 0xfffff0ff, 0xd503405f, UPROBE_INSN_FREE },	/* msr dit, imm */
	{ 0xfffff0ff, 0xd503409f, UPROBE_INSN_FREE },	/* msr tco, imm */
	{ 0xffffffe0, 0xd51b4200, UPROBE_INSN_FREE },	/* msr nzcv */
	{ 0xffffffe0, 0xd51b42a0, UPROBE_INSN_FREE },	/* msr dit */
	{ 0xffffffc0, 0xd51b42c0, UPROBE_INSN_FREE },	/* msr ssbs, msr tco */
	{ 0xffffff80, 0xd51b4400, UPROBE_INSN_FREE },	/* msr fpcr, fpsr, fpmr */
	{ 0xffffffe0, 0xd51bd040, UPROBE_INSN_FREE },	/* msr tpidr_el0 */
	{ 0xffffffe0, 0xd51bd0a0, UPROBE_INSN_FREE },	/* msr tpidr2_el0 */
	{ 0xfff80000, 0xd5380000, UPROBE_INSN_FREE },	/* mrs */
	{ 0xfffff000, 0xd50b7000, UPROBE_INSN_FREE },	/* dc, ic, cfp .., gcspushm, gcsss1 */
	{ 0xfffff000, 0xd52b7000, UPROBE_INSN_FREE },	/* gcspopm, gcsss2 */

	/* Loads and stores */
	{ 0xbe000000, 0x0c000000, UPROBE_INSN_FREE },	/* ld1 .. st4 */
	{ 0x3f800000, 0x08800000, UPROBE_INSN_FREE },	/* ldar, stlr, cas */
	{ 0xbfa07c00, 0x08207c00, UPROBE_INSN_FREE },	/* casp */
	{ 0x3f800000, 0x09800000, UPROBE_INSN_FREE },	/* cast, caspt */
	{ 0x3f000000, 0x18000000, UPROBE_INSN_LITERAL },	/* ldr, ldrsw, prfm */
	{ 0x3f200c00, 0x19000000, UPROBE_INSN_FREE },	/* ldapur, stlur */
	{ 0x3f200c00, 0x1d000800, UPROBE_INSN_FREE },	/* ldapur, stlur of SIMD registers */
	{ 0xbf200c00, 0x99000800, UPROBE_INSN_FREE },	/* ldiapp, stilp */
	{ 0xff200c00, 0x19200000, UPROBE_INSN_FREE },	/* ldclrp, ldsetp, swpp */
	{ 0xff200000, 0xd9200000, UPROBE_INSN_FREE },	/* ldg, stg .. */
	{ 0x3a000000, 0x28000000, UPROBE_INSN_FREE },	/* ldp, stp */
	{ 0x3b000000, 0x38000000, UPROBE_INSN_FREE },	/* ldur, ldr reg, ldadd .. swp, ldraa */
	{ 0x3b000000, 0x39000000, UPROBE_INSN_FREE },	/* ldr, str, prfm */

	/* Vectors and floating point */
	{ 0x0e000000, 0x0e000000, UPROBE_INSN_FREE },	/* SIMD and floating point */
	{ 0xfffffc00, 0x0420bc00, UPROBE_INSN_BOUND },	/* movprfx */
	{ 0xff3ee000, 0x04102000, UPROBE_INSN_BOUND },	/* movprfx with a predicate */
	{ 0x1e000000, 0x04000000, UPROBE_INSN_FREE },	/* SVE */
	{ 0x9e000000, 0x80000000, UPROBE_INSN_FREE },	/* SME */
};

enum uprobe_insn_class uprobe_insn_class(u32 insn)
{
	for (size_t i = 0; i < ARRAY_SIZE(uprobe_insn_rules); i++) {
		const struct uprobe_insn_rule *rule = &uprobe_insn_rules[i];

		if ((insn & rule->mask) == rule->value)
			return rule->class;
	}
	return UPROBE_INSN_BOUND;
}

/*
 * The step of a literal load reads the literal's address from the destination register,
 * where simulate_literal_address() has put it. A prefetch, and a load into XZR, are
 * emulated as NOP: they have no effect that a program could rely on.
 *
 * With MTE, the step's load is checked against tag 0, which the load of a literal is not.
 * This makes a difference only if the text itself is mapped with PROT_MTE.
 */
static enum probe_insn uprobe_insn_literal(struct arch_uprobe *auprobe, u32 insn)
{
	enum aarch64_insn_register reg =
		aarch64_insn_decode_register(AARCH64_INSN_REGTYPE_RT, insn);
	enum aarch64_insn_ldst_type type = AARCH64_INSN_LDST_LOAD_IMM_OFFSET;
	enum aarch64_insn_size_type size = AARCH64_INSN_SIZE_32;

	if (aarch64_insn_is_prfm_lit(insn) || reg == AARCH64_INSN_REG_ZR) {
		auprobe->api.handler = simulate_nop;
		return INSN_GOOD_NO_SLOT;
	}

	if (aarch64_insn_is_ldrsw_lit(insn))
		type = AARCH64_INSN_LDST_SIGNED_LOAD_IMM_OFFSET;
	else if (insn & BIT(30))
		size = AARCH64_INSN_SIZE_64;

	auprobe->ixol = cpu_to_le32(aarch64_insn_gen_load_store_imm(reg, reg, 0, size, type));
	auprobe->api.handler = simulate_literal_address;
	return INSN_GOOD;
}

/*
 * Decodes the instruction of a probe, and makes the instruction to execute out of line.
 * The rules for the kernel's own code come first. If they refuse an instruction, the
 * table may still accept it for programs.
 */
enum probe_insn arm_uprobe_decode_insn(struct arch_uprobe *auprobe)
{
	u32 insn = le32_to_cpu(auprobe->insn);
	enum probe_insn decoded = arm_probe_decode_insn(insn, &auprobe->api);

	auprobe->ixol = auprobe->insn;
	if (decoded != INSN_REJECTED)
		return decoded;

	switch (uprobe_insn_class(insn)) {
	case UPROBE_INSN_FREE:
	case UPROBE_INSN_RETURN:
		return INSN_GOOD;
	case UPROBE_INSN_LITERAL:
		return uprobe_insn_literal(auprobe, insn);
	default:
		return INSN_REJECTED;
	}
}

#ifdef CONFIG_UPROBES_KUNIT_TEST
#include "uprobes_insn_test.c"
#endif
