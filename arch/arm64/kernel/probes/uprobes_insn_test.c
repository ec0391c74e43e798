// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the decoder for uprobes, and of the emulation of its instructions.
 *
 * Included by uprobes_insn.c.
 */
#include <kunit/test.h>

#define FREE		UPROBE_INSN_FREE
#define RETURN		UPROBE_INSN_RETURN
#define LITERAL		UPROBE_INSN_LITERAL
#define BOUND		UPROBE_INSN_BOUND

#define GOOD		INSN_GOOD
#define EMULATED	INSN_GOOD_NO_SLOT
#define REJECTED	INSN_REJECTED

struct insn_case {
	const char		*name;
	u32			insn;
	enum uprobe_insn_class	class;
	enum probe_insn		decoded;
};

/* Each row of uprobe_insn_rules applies to at least one of these instructions. */
static const struct insn_case insn_cases[] = {
	{ "addg x0, x1, #16, #1", 0x91810420, FREE, GOOD },
	{ "smax x0, x1, #3", 0x91c00c20, FREE, GOOD },
	{ "and x5, x6, #0xff00", 0x92781cc5, FREE, GOOD },
	{ "tst w1, #1", 0x7200003f, FREE, GOOD },
	{ "ubfx x5, x6, #7, #20", 0xd34768c5, FREE, GOOD },
	{ "asr w1, w2, #3", 0x13037c41, FREE, GOOD },
	{ "extr x5, x6, x7, #11", 0x93c72cc5, FREE, GOOD },
	{ "eor x5, x6, x7, ror #9", 0xcac724c5, FREE, GOOD },
	{ "mvn w1, w2", 0x2a2203e1, FREE, GOOD },
	{ "orr x0, x1, x2", 0xaa020020, FREE, GOOD },
	{ "add x0, sp, w1, uxtw #2", 0x8b214be0, FREE, GOOD },
	{ "cmp x0, w1, sxtw", 0xeb21c01f, FREE, GOOD },
	{ "adc x5, x6, x7", 0x9a0700c5, FREE, GOOD },
	{ "sbcs w5, w6, w7", 0x7a0700c5, FREE, GOOD },
	{ "addpt x0, x1, x2", 0x9a022020, FREE, GOOD },
	{ "rmif x0, #3, #5", 0xba018405, FREE, GOOD },
	{ "setf8 w1", 0x3a00082d, FREE, GOOD },
	{ "setf16 w1", 0x3a00482d, FREE, GOOD },
	{ "ccmp x1, #3, #0, mi", 0xfa434820, FREE, GOOD },
	{ "ccmn w1, w2, #0, ne", 0x3a421020, FREE, GOOD },
	{ "csel x5, x6, x7, eq", 0x9a8700c5, FREE, GOOD },
	{ "cneg w1, w2, lt", 0x5a82a441, FREE, GOOD },
	{ "udiv x5, x6, x2", 0x9ac208c5, FREE, GOOD },
	{ "lsl x5, x6, x2", 0x9ac220c5, FREE, GOOD },
	{ "crc32cx w0, w1, x2", 0x9ac25c20, FREE, GOOD },
	{ "pacga x5, x6, x7", 0x9ac730c5, FREE, GOOD },
	{ "irg x0, x1", 0x9adf1020, FREE, GOOD },
	{ "subps x0, x1, x2", 0xbac20020, FREE, GOOD },
	{ "rev x5, x6", 0xdac00cc5, FREE, GOOD },
	{ "clz w5, w2", 0x5ac01045, FREE, GOOD },
	{ "abs x1, x2", 0xdac02041, FREE, GOOD },
	{ "pacia x5, x6", 0xdac100c5, FREE, GOOD },
	{ "autdza x5", 0xdac13be5, FREE, GOOD },
	{ "xpaci x6", 0xdac143e6, FREE, GOOD },
	{ "madd x5, x6, x7, x8", 0x9b0720c5, FREE, GOOD },
	{ "umulh x5, x6, x7", 0x9bc77cc5, FREE, GOOD },
	{ "smaddl x5, w6, w7, x8", 0x9b2720c5, FREE, GOOD },
	{ "yield", 0xd503203f, FREE, GOOD },
	{ "wfe", 0xd503205f, FREE, GOOD },
	{ "wfi", 0xd503207f, FREE, GOOD },
	{ "sevl", 0xd50320bf, FREE, GOOD },
	{ "dgh", 0xd50320df, FREE, GOOD },
	{ "xpaclri", 0xd50320ff, FREE, GOOD },
	{ "pacia1716", 0xd503211f, FREE, GOOD },
	{ "autib1716", 0xd50321df, FREE, GOOD },
	{ "esb", 0xd503221f, FREE, GOOD },
	{ "psb csync", 0xd503223f, FREE, GOOD },
	{ "tsb csync", 0xd503225f, FREE, GOOD },
	{ "gcsb dsync", 0xd503227f, FREE, GOOD },
	{ "csdb", 0xd503229f, FREE, GOOD },
	{ "clrbhb", 0xd50322df, FREE, GOOD },
	{ "paciaz", 0xd503231f, FREE, GOOD },
	{ "paciasp", 0xd503233f, FREE, GOOD },
	{ "pacibsp", 0xd503237f, FREE, GOOD },
	{ "autiasp", 0xd50323bf, FREE, GOOD },
	{ "autibsp", 0xd50323ff, FREE, GOOD },
	{ "chkfeat x16", 0xd503251f, FREE, GOOD },
	{ "clrex", 0xd5033f5f, FREE, GOOD },
	{ "dsb synxs", 0xd5033e3f, FREE, GOOD },
	{ "dsb sy", 0xd5033f9f, FREE, GOOD },
	{ "dmb ish", 0xd5033bbf, FREE, GOOD },
	{ "isb", 0xd5033fdf, FREE, GOOD },
	{ "sb", 0xd50330ff, FREE, GOOD },
	{ "cfinv", 0xd500401f, FREE, GOOD },
	{ "xaflag", 0xd500403f, FREE, GOOD },
	{ "axflag", 0xd500405f, FREE, GOOD },
	{ "msr ssbs, #1", 0xd503413f, FREE, GOOD },
	{ "msr dit, #1", 0xd503415f, FREE, GOOD },
	{ "msr tco, #0", 0xd503409f, FREE, GOOD },
	{ "msr nzcv, x1", 0xd51b4201, FREE, GOOD },
	{ "msr dit, x1", 0xd51b42a1, FREE, GOOD },
	{ "msr ssbs, x1", 0xd51b42c1, FREE, GOOD },
	{ "msr tco, x1", 0xd51b42e1, FREE, GOOD },
	{ "msr fpcr, x1", 0xd51b4401, FREE, GOOD },
	{ "msr fpsr, x1", 0xd51b4421, FREE, GOOD },
	{ "msr fpmr, x1", 0xd51b4441, FREE, GOOD },
	{ "msr tpidr_el0, x1", 0xd51bd041, FREE, GOOD },
	{ "msr tpidr2_el0, x1", 0xd51bd0a1, FREE, GOOD },
	{ "mrs x1, nzcv", 0xd53b4201, FREE, GOOD },
	{ "mrs x1, tpidr_el0", 0xd53bd041, FREE, GOOD },
	{ "mrs x1, cntvct_el0", 0xd53be041, FREE, GOOD },
	{ "mrs x1, midr_el1", 0xd5380001, FREE, GOOD },
	{ "dc zva, x1", 0xd50b7421, FREE, GOOD },
	{ "dc cvau, x1", 0xd50b7b21, FREE, GOOD },
	{ "ic ivau, x1", 0xd50b7521, FREE, GOOD },
	{ "gcspushm x1", 0xd50b7701, FREE, GOOD },
	{ "gcsss1 x1", 0xd50b7741, FREE, GOOD },
	{ "gcspopm x1", 0xd52b7721, FREE, GOOD },
	{ "gcsss2 x1", 0xd52b7761, FREE, GOOD },
	{ "ld1 { v1.16b, v2.16b }, [x3]", 0x4c40a061, FREE, GOOD },
	{ "st2 { v3.4s, v4.4s }, [x4], #32", 0x4c9f8883, FREE, GOOD },
	{ "ld1r { v1.8b }, [x3]", 0x0d40c061, FREE, GOOD },
	{ "st1 { v1.s }[2], [x4], x5", 0x4d858081, FREE, GOOD },
	{ "ldar x1, [x2]", 0xc8dffc41, FREE, GOOD },
	{ "stllr x1, [x2]", 0xc89f7c41, FREE, GOOD },
	{ "cas x1, x2, [x3]", 0xc8a17c62, FREE, GOOD },
	{ "casp x0, x1, x2, x3, [x4]", 0x48207c82, FREE, GOOD },
	{ "caspal w0, w1, w2, w3, [x4]", 0x0860fc82, FREE, GOOD },
	{ "ldapur x1, [x2, #3]", 0xd9403041, FREE, GOOD },
	{ "stlurb w1, [x2]", 0x19000041, FREE, GOOD },
	{ "ldapur d1, [x2, #3]", 0xdd403841, FREE, GOOD },
	{ "ldiapp x1, x2, [x3]", 0xd9421861, FREE, GOOD },
	{ "ldclrp x0, x1, [x2]", 0x19211040, FREE, GOOD },
	{ "swpp x0, x1, [x2]", 0x19218040, FREE, GOOD },
	{ "stg x1, [x2]", 0xd9200841, FREE, GOOD },
	{ "ldg x1, [x2]", 0xd9600041, FREE, GOOD },
	{ "st2g sp, [x2], #16", 0xd9a0145f, FREE, GOOD },
	{ "ldp x29, x30, [sp], #16", 0xa8c17bfd, FREE, GOOD },
	{ "stp x29, x30, [sp, #-32]!", 0xa9be7bfd, FREE, GOOD },
	{ "stnp q1, q2, [x3]", 0xac000861, FREE, GOOD },
	{ "ldpsw x5, x6, [x3, #8]", 0x69411865, FREE, GOOD },
	{ "ldur x5, [x3, #3]", 0xf8403065, FREE, GOOD },
	{ "str x30, [sp, #-16]!", 0xf81f0ffe, FREE, GOOD },
	{ "ldtr w5, [x3]", 0xb8400865, FREE, GOOD },
	{ "ldr w5, [x3, x1, lsl #2]", 0xb8617865, FREE, GOOD },
	{ "ldaddal x2, x5, [x3]", 0xf8e20065, FREE, GOOD },
	{ "swp w2, w5, [x3]", 0xb8228065, FREE, GOOD },
	{ "ldapr x1, [x2]", 0xf8bfc041, FREE, GOOD },
	{ "ldraa x1, [x2]", 0xf8200441, FREE, GOOD },
	{ "ldr x0, [sp]", 0xf94003e0, FREE, GOOD },
	{ "strb w2, [x3, #1]", 0x39000462, FREE, GOOD },
	{ "ldrsw x5, [x3, #4]", 0xb9800465, FREE, GOOD },
	{ "ldr q1, [x3, #16]", 0x3dc00461, FREE, GOOD },
	{ "prfm pldl1keep, [x1]", 0xf9800020, FREE, GOOD },
	{ "fadd d5, d1, d2", 0x1e622825, FREE, GOOD },
	{ "fcmp d1, d2", 0x1e622020, FREE, GOOD },
	{ "scvtf d5, x6", 0x9e6200c5, FREE, GOOD },
	{ "movi v1.4s, #0", 0x4f000401, FREE, GOOD },
	{ "dup v5.2d, x6", 0x4e080cc5, FREE, GOOD },
	{ "aese v1.16b, v2.16b", 0x4e284841, FREE, GOOD },
	{ "sha512h q1, q2, v3.2d", 0xce638041, FREE, GOOD },
	{ "fmov x1, d1", 0x9e660021, FREE, GOOD },
	{ "add z1.s, z2.s, z3.s", 0x04a30041, FREE, GOOD },
	{ "ptrue p0.b", 0x2518e3e0, FREE, GOOD },
	{ "ld1d { z1.d }, p0/z, [x1]", 0xa5e0a021, FREE, GOOD },
	{ "rdvl x0, #1", 0x04bf5020, FREE, GOOD },
	{ "ldr z1, [x2]", 0x85804041, FREE, GOOD },
	{ "fmopa za0.s, p0/m, p1/m, z1.s, z2.s", 0x80822020, FREE, GOOD },
	{ "ldr za[w12, 0], [x0]", 0xe1000000, FREE, GOOD },
	{ "cast x0, x0, [x0]", 0xc9807c00, FREE, GOOD },
	{ "caspt x0, x1, x0, x1, [x0]", 0x49807c00, FREE, GOOD },
	{ "retaa", 0xd65f0bff, RETURN, GOOD },
	{ "retab", 0xd65f0fff, RETURN, GOOD },
	{ "ldr w1, label", 0x18000041, LITERAL, GOOD },
	{ "ldr x1, label", 0x58ffffc1, LITERAL, GOOD },
	{ "ldrsw x1, label", 0x98000041, LITERAL, GOOD },
	{ "prfm pldl1keep, label", 0xd8000040, LITERAL, EMULATED },
	{ "ldr xzr, label", 0x5800005f, LITERAL, EMULATED },

	{ "nop", 0xd503201f, FREE, EMULATED },
	{ "bti c", 0xd503245f, BOUND, EMULATED },
	{ "bti jc", 0xd50324df, BOUND, EMULATED },
	{ "sub sp, sp, #48", 0xd100c3ff, BOUND, EMULATED },
	{ "adds x0, x1, #1", 0xb1000420, BOUND, EMULATED },
	{ "add w0, w1, w2, lsl #3", 0x0b020c20, BOUND, EMULATED },
	{ "cmp x1, x2", 0xeb02003f, BOUND, EMULATED },
	{ "mov x5, #0x1234", 0xd2824685, BOUND, EMULATED },
	{ "mov w0, #-1", 0x12800000, BOUND, EMULATED },
	{ "movk x6, #0x1234, lsl #48", 0xf2e24686, BOUND, EMULATED },
	{ "mov x0, x1", 0xaa0103e0, FREE, EMULATED },
	{ "svc #0", 0xd4000001, BOUND, REJECTED },
	{ "hvc #0", 0xd4000002, BOUND, REJECTED },
	{ "brk #1", 0xd4200020, BOUND, REJECTED },
	{ "hlt #1", 0xd4400020, BOUND, REJECTED },
	{ "bl label", 0x94000000, BOUND, EMULATED },
	{ "blr x1", 0xd63f0020, BOUND, EMULATED },
	{ "blraa x1, x2", 0xd73f0822, BOUND, REJECTED },
	{ "braa x1, x2", 0xd71f0822, BOUND, REJECTED },
	{ "b.eq label", 0x54000000, BOUND, EMULATED },
	{ "bc.eq label", 0x54000010, BOUND, EMULATED },
	{ "cbz x1, label", 0xb4000001, BOUND, EMULATED },
	{ "tbnz x1, #3, label", 0x37180001, BOUND, EMULATED },
	{ "adr x1, label", 0x10000001, BOUND, EMULATED },
	{ "adrp x1, label", 0x90000001, BOUND, EMULATED },
	{ "paciasppc", 0xdac1a3fe, BOUND, REJECTED },
	{ "pacnbibsppc", 0xdac187fe, BOUND, REJECTED },
	{ "autiasppcr x3", 0xdac1907e, BOUND, REJECTED },
	{ "retaasppcr x3", 0xd65f0be3, BOUND, REJECTED },
	{ "pacm", 0xd50324ff, BOUND, REJECTED },
	{ "ldxr x1, [x2]", 0xc85f7c41, BOUND, REJECTED },
	{ "stlxr w0, x1, [x2]", 0xc800fc41, BOUND, REJECTED },
	{ "ldaxp x1, x2, [x3]", 0xc87f8861, BOUND, REJECTED },
	{ "stxp w0, x1, x2, [x3]", 0xc8200861, BOUND, REJECTED },
	{ "cpyfp [x0]!, [x1]!, x2!", 0x19010440, BOUND, REJECTED },
	{ "setp [x0]!, x1!, x2", 0x19c20420, BOUND, REJECTED },
	{ "movprfx z1, z2", 0x0420bc41, BOUND, REJECTED },
	{ "ldr s1, label", 0x1c000001, BOUND, REJECTED },
	{ "ldr d1, label", 0x5c000001, BOUND, REJECTED },
	{ "ldr q1, label", 0x9c000001, BOUND, REJECTED },
	{ "wfet x1", 0xd5031001, BOUND, GOOD },
	{ "tstart x0", 0xd5233060, BOUND, GOOD },
	{ "smstart", 0xd503477f, BOUND, REJECTED },
	{ "msr daifset, #1", 0xd50341df, BOUND, REJECTED },
	{ "msr pan, #1", 0xd500419f, BOUND, REJECTED },
	{ "msr por_el0, x1", 0xd51ba281, BOUND, REJECTED },
	{ "msr cntv_ctl_el0, x1", 0xd51be321, BOUND, REJECTED },
	{ "tlbi vmalle1", 0xd508871f, BOUND, GOOD },
	{ "at s1e0r, x1", 0xd5087841, BOUND, GOOD },
	{ "eret", 0xd69f03e0, BOUND, REJECTED },
	{ "udf #3", 0x00000003, BOUND, GOOD },
	{ "dcps1", 0xd4a00001, BOUND, REJECTED },
	{ "movprfx z1.s, p1/m, z2.s", 0x04912441, BOUND, REJECTED },
	{ "movprfx z1.d, p1/z, z2.d", 0x04d02441, BOUND, REJECTED },
	{ "autiasppc label", 0xf380003f, BOUND, REJECTED },
	{ "retaasppc label", 0x5500007f, BOUND, REJECTED },
	{ "retabsppc label", 0x5520009f, BOUND, REJECTED },
	{ "cbgt w1, w2, label", 0x74020001, BOUND, REJECTED },
	{ "cbgt x1, #3, label", 0xf5018001, BOUND, REJECTED },
	{ "ldtxr w1, [x2]", 0x895f7c41, BOUND, REJECTED },
	{ "stltxr w0, x1, [x2]", 0xc900fc41, BOUND, REJECTED },
	{ "add w0, w1, w2, ror #0", 0x0bc20020, BOUND, GOOD },
	{ "add w0, w1, w2, lsl #32", 0x0b028020, BOUND, GOOD },
	{ "movz w0, #0, lsl #32", 0x52c00000, BOUND, GOOD },
};

static void insn_describe(struct kunit *test, const void *param, char *desc)
{
	const struct insn_case *of = param;

	strscpy(desc, of->name, KUNIT_PARAM_DESC_SIZE);
}

static int insn_register(struct kunit *test)
{
	kunit_register_params_array(test, insn_cases, ARRAY_SIZE(insn_cases), insn_describe);
	return 0;
}

static void insn_test_decode(struct kunit *test)
{
	const struct insn_case *of = test->param_value;
	struct arch_uprobe arch = { .insn = cpu_to_le32(of->insn) };

	KUNIT_EXPECT_EQ(test, uprobe_insn_class(of->insn), of->class);
	KUNIT_EXPECT_EQ(test, arm_uprobe_decode_insn(&arch), of->decoded);
	if (of->class != LITERAL) {
		KUNIT_EXPECT_EQ(test, le32_to_cpu(arch.ixol), of->insn);
		KUNIT_EXPECT_EQ(test, !!arch.api.handler, of->decoded == EMULATED);
	}
}

static void insn_test_every_rule_is_tested(struct kunit *test)
{
	for (size_t i = 0; i < ARRAY_SIZE(uprobe_insn_rules); i++) {
		const struct uprobe_insn_rule *rule = &uprobe_insn_rules[i];
		bool tested = false;

		KUNIT_EXPECT_EQ(test, rule->value & ~rule->mask, 0);
		for (size_t j = 0; j < ARRAY_SIZE(insn_cases); j++)
			tested |= (insn_cases[j].insn & rule->mask) == rule->value &&
				  insn_cases[j].class == rule->class;
		KUNIT_EXPECT_TRUE_MSG(test, tested, "value %08x", rule->value);
	}
}

/* Checks that the load reads its own register, which holds the literal's address. */
static void insn_test_literal(struct kunit *test)
{
	static const struct {
		u32	insn;
		u32	ixol;
		long	offset;
	} cases[] = {
		{ 0x18000041, 0xb9400021, 8 },		/* ldr w1 */
		{ 0x58ffffde, 0xf94003de, -8 },		/* ldr x30 */
		{ 0x98000040, 0xb9800000, 8 },		/* ldrsw x0 */
		{ 0x587fffe2, 0xf9400042, SZ_1M - 4 },	/* ldr x2 */
		{ 0x58800003, 0xf9400063, -SZ_1M },	/* ldr x3 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arch_uprobe arch = { .insn = cpu_to_le32(cases[i].insn) };
		struct pt_regs regs = { .pc = 0x401000, .pstate = PSR_MODE_EL0t };
		struct pt_regs expected = regs;

		KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, &init_mm, regs.pc), 0);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(arch.insn), cases[i].insn);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(arch.ixol), cases[i].ixol);

		KUNIT_EXPECT_FALSE(test, arch_uprobe_skip_sstep(&arch, &regs));
		KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));

		KUNIT_ASSERT_NOT_NULL(test, arch.api.handler);
		arch.api.handler(cases[i].insn, regs.pc, &regs);
		expected.regs[cases[i].insn & 0x1f] = regs.pc + cases[i].offset;
		KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
	}
}

#define N	PSR_N_BIT
#define Z	PSR_Z_BIT
#define C	PSR_C_BIT
#define V	PSR_V_BIT

struct emulate_case {
	const char	*name;
	u32		insn;
	u64		a;		/* x1 */
	u64		b;		/* x2 */
	u64		result;		/* x0 */
	u32		flags;
};

/* Before each instruction, the flags N and V are set. */
static const struct emulate_case emulate_cases[] = {
	{ "add x0, x1, #1", 0x91000420, -1, 0, 0, N | V },
	{ "add x0, x1, #1, lsl #12", 0x91400420, 1, 0, 0x1001, N | V },
	{ "add w0, w1, #1", 0x11000420, -1, 0, 0, N | V },
	{ "sub x0, x1, #1", 0xd1000420, 0, 0, -1, N | V },
	{ "sub w0, w1, #1", 0x51000420, 0, 0, U32_MAX, N | V },
	{ "adds x0, x1, #1", 0xb1000420, -1, 0, 0, Z | C },
	{ "adds x0, x1, #1", 0xb1000420, S64_MAX, 0, 1ULL << 63, N | V },
	{ "adds w0, w1, #1", 0x31000420, U32_MAX, 0, 0, Z | C },
	{ "adds w0, w1, #1", 0x31000420, S32_MAX, 0, 1ULL << 31, N | V },
	{ "subs x0, x1, #1", 0xf1000420, 1, 0, 0, Z | C },
	{ "subs x0, x1, #1", 0xf1000420, 0, 0, -1, N },
	{ "subs x0, x1, #1", 0xf1000420, 1ULL << 63, 0, S64_MAX, C | V },
	{ "subs w0, w1, #1", 0x71000420, 1ULL << 31, 0, S32_MAX, C | V },
	{ "subs w0, w1, #1", 0x71000420, 1ULL << 32, 0, U32_MAX, N },
	{ "add x0, x1, x2, lsl #3", 0x8b020c20, 1, 5, 41, N | V },
	{ "add x0, x1, x2, lsr #63", 0x8b42fc20, 1, -1, 2, N | V },
	{ "sub x0, x1, x2, asr #63", 0xcb82fc20, 1, -1, 2, N | V },
	{ "add w0, w1, w2, lsl #31", 0x0b027c20, 1, -1, 0x80000001, N | V },
	{ "add w0, w1, w2, lsr #31", 0x0b427c20, 1, -1, 2, N | V },
	{ "sub w0, w1, w2, asr #31", 0x4b827c20, 1, 1ULL << 31, 2, N | V },
	{ "adds x0, x1, x2", 0xab020020, 1ULL << 63, 1ULL << 63, 0, Z | C | V },
	{ "subs w0, w1, w2", 0x6b020020, 3, 0xffffffff00000003, 0, Z | C },
	{ "mov x0, x1", 0xaa0103e0, -1, 0, -1, N | V },
	{ "mov w0, w1", 0x2a0103e0, -1, 0, U32_MAX, N | V },
	{ "mov x0, xzr", 0xaa1f03e0, -1, 0, 0, N | V },
	{ "mov x0, #0x12340000", 0xd2a24680, 0, 0, 0x12340000, N | V },
	{ "mov x0, #-1", 0x92800000, 0, 0, -1, N | V },
	{ "mov w0, #-1", 0x12800000, 0, 0, U32_MAX, N | V },
	{ "mov x0, #0x1234000000000000", 0xd2e24680, 0, 0, 0x1234ULL << 48, N | V },
};

static void emulate_describe(struct kunit *test, const void *param, char *desc)
{
	const struct emulate_case *of = param;

	strscpy(desc, of->name, KUNIT_PARAM_DESC_SIZE);
}

static int emulate_register(struct kunit *test)
{
	kunit_register_params_array(test, emulate_cases, ARRAY_SIZE(emulate_cases),
				    emulate_describe);
	return 0;
}

static void emulate(struct kunit *test, u32 insn, struct pt_regs *regs)
{
	struct arch_uprobe arch = { .insn = cpu_to_le32(insn) };

	KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, &init_mm, regs->pc), 0);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_skip_sstep(&arch, regs));
}

static void insn_test_emulate(struct kunit *test)
{
	const struct emulate_case *of = test->param_value;
	/* SPSR.EXLOCK: the upper half must be left alone, too. */
	const u64 others = PSR_MODE_EL0t | PSR_SSBS_BIT | BIT(34);
	struct pt_regs regs = {
		.regs = { 0x5555555555555555, of->a, of->b },
		.sp = 0x7ffffff0,
		.pc = 0x401000,
		.pstate = others | N | V,
	};
	struct pt_regs expected = regs;

	expected.regs[0] = of->result;
	expected.pc += AARCH64_INSN_SIZE;
	expected.pstate = others | of->flags;
	regs.pstate |= PSR_BTYPE_C;
	emulate(test, of->insn, &regs);
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
}

/* Checks which operands with the number 31 are SP, and which are XZR. */
static void insn_test_register_31(struct kunit *test)
{
	static const struct {
		const char	*name;
		u32		insn;
		u64		x0;
		u64		sp;
	} cases[] = {
		{ "sub sp, sp, #48", 0xd100c3ff, 1, 0x7fffffc0 },
		{ "add x0, sp, #16", 0x910043e0, 0x80000000, 0x7ffffff0 },
		{ "mov sp, x0", 0x9100001f, 1, 1 },
		{ "add wsp, wsp, #16", 0x110043ff, 1, 0x80000000 },
		{ "cmp sp, #16", 0xf10043ff, 1, 0x7ffffff0 },
		{ "adds x0, sp, #16", 0xb10043e0, 0x80000000, 0x7ffffff0 },
		{ "neg x0, x0", 0xcb0003e0, -1, 0x7ffffff0 },
		{ "add xzr, x0, x0", 0x8b00001f, 1, 0x7ffffff0 },
		{ "add x0, x0, xzr", 0x8b1f0000, 1, 0x7ffffff0 },
		{ "movz xzr, #1", 0xd280003f, 1, 0x7ffffff0 },
		{ "movk xzr, #1", 0xf280003f, 1, 0x7ffffff0 },
		{ "mov xzr, x0", 0xaa0003ff, 1, 0x7ffffff0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pt_regs regs = {
			.regs = { 1 },
			.sp = 0x7ffffff0,
			.pc = 0x401000,
			.pstate = PSR_MODE_EL0t,
		};

		emulate(test, cases[i].insn, &regs);
		KUNIT_EXPECT_EQ_MSG(test, regs.regs[0], cases[i].x0, "%s", cases[i].name);
		KUNIT_EXPECT_EQ_MSG(test, regs.sp, cases[i].sp, "%s", cases[i].name);
		KUNIT_EXPECT_EQ_MSG(test, regs.pc, 0x401004, "%s", cases[i].name);
	}
}

static void insn_test_movk_keeps_the_rest(struct kunit *test)
{
	struct pt_regs regs = {
		.regs = { 0x1111222233334444 },
		.pstate = PSR_MODE_EL0t,
	};

	emulate(test, 0xf2cbbba0, &regs);	/* movk x0, #0x5ddd, lsl #32 */
	KUNIT_EXPECT_EQ(test, regs.regs[0], 0x11115ddd33334444);
	emulate(test, 0x72afffe0, &regs);	/* movk w0, #0x7fff, lsl #16 */
	KUNIT_EXPECT_EQ(test, regs.regs[0], 0x7fff4444);
}

/* Checks that PSTATE.BTYPE is that of the emulated branch. */
static void insn_test_btype(struct kunit *test)
{
	static const struct {
		const char	*name;
		u32		insn;
		u64		btype;
	} cases[] = {
		{ "nop", 0xd503201f, PSR_BTYPE_NONE },
		{ "bti c", 0xd503245f, PSR_BTYPE_NONE },
		{ "b label", 0x14000002, PSR_BTYPE_NONE },
		{ "adr x0, label", 0x10000040, PSR_BTYPE_NONE },
		{ "br x1", 0xd61f0020, PSR_BTYPE_JC },
		{ "blr x1", 0xd63f0020, PSR_BTYPE_C },
		{ "ret", 0xd65f03c0, PSR_BTYPE_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pt_regs regs = {
			.pc = 0x401000,
			.pstate = PSR_MODE_EL0t | PSR_BTYPE_J,
		};
		u64 btype = PSR_BTYPE_NONE;

		if (system_supports_bti())
			btype = cases[i].btype;
		emulate(test, cases[i].insn, &regs);
		KUNIT_EXPECT_EQ_MSG(test, regs.pstate & PSR_BTYPE_MASK, btype, "%s",
				    cases[i].name);
	}
}

static struct kunit_case insn_test_cases[] = {
	KUNIT_CASE_PARAM_WITH_INIT(insn_test_decode, kunit_array_gen_params,
				   insn_register, NULL),
	KUNIT_CASE(insn_test_every_rule_is_tested),
	KUNIT_CASE(insn_test_literal),
	KUNIT_CASE_PARAM_WITH_INIT(insn_test_emulate, kunit_array_gen_params,
				   emulate_register, NULL),
	KUNIT_CASE(insn_test_register_31),
	KUNIT_CASE(insn_test_movk_keeps_the_rest),
	KUNIT_CASE(insn_test_btype),
	{}
};

static struct kunit_suite insn_test_suite = {
	.name = "uprobes_insn",
	.test_cases = insn_test_cases,
};

kunit_test_suite(insn_test_suite);
