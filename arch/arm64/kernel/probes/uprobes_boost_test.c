// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of boosted uprobes: which instructions are boosted, and the contents of
 * their slots.
 *
 * Included by uprobes_boost.c. See uprobes_insn_test.c for the table of instructions.
 */
#include <kunit/test.h>

#define BOOST_TEST_BP	0x0000aaaaaaaa1000UL

static struct arch_uprobe boost_analyze(struct kunit *test, u32 insn)
{
	struct arch_uprobe arch = { .insn = cpu_to_le32(insn) };

	KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, &init_mm, BOOST_TEST_BP), 0);
	return arch;
}

static void boost_test_which(struct kunit *test)
{
	static const struct {
		const char	*name;
		u32		insn;
		u8		boost;
	} cases[] = {
		{ "stp x29, x30, [sp, #-32]!", 0xa9be7bfd, AARCH64_INSN_SIZE },
		{ "paciasp", 0xd503233f, AARCH64_INSN_SIZE },
		{ "autiasp", 0xd50323bf, AARCH64_INSN_SIZE },
		{ "ldr x0, [sp]", 0xf94003e0, AARCH64_INSN_SIZE },
		{ "ldr q1, [x3, #16]", 0x3dc00461, AARCH64_INSN_SIZE },
		{ "retaa", 0xd65f0bff, AARCH64_INSN_SIZE },

		/* Emulated */
		{ "nop", 0xd503201f, 0 },
		{ "sub sp, sp, #48", 0xd100c3ff, 0 },
		{ "mov x0, x1", 0xaa0103e0, 0 },
		{ "ret", 0xd65f03c0, 0 },
		{ "prfm pldl1keep, label", 0xd8000040, 0 },

		/* Stepped */
		{ "ldr x1, label", 0x58ffffc1, 0 },
		{ "wfet x1", 0xd5031001, 0 },
		{ "udf #3", 0x00000003, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arch_uprobe arch = boost_analyze(test, cases[i].insn);

		KUNIT_EXPECT_EQ_MSG(test, arch_uprobe_boost(&arch), cases[i].boost, "%s",
				    cases[i].name);
	}
}

static void boost_test_slot(struct kunit *test)
{
	static const long distances[] = {
		-UPROBE_BOOST_REACH, -SZ_64K, -4, 0, 8, SZ_1M, UPROBE_BOOST_REACH - 4,
	};
	const u32 stp = 0xa9be7bfd;	/* stp x29, x30, [sp, #-32]! */
	struct arch_uprobe arch = boost_analyze(test, stp);

	/* The distance of a probe from its slot is that of the branch's target. */
	for (size_t i = 0; i < ARRAY_SIZE(distances); i++) {
		unsigned long vaddr = BOOST_TEST_BP - distances[i];
		__le32 slot[2] = { };
		u32 branch;

		KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, BOOST_TEST_BP, vaddr,
							       (u8 *)slot));
		KUNIT_EXPECT_EQ(test, le32_to_cpu(slot[0]), stp);
		branch = le32_to_cpu(slot[1]);
		KUNIT_EXPECT_TRUE(test, aarch64_insn_is_b(branch));
		KUNIT_EXPECT_EQ(test, aarch64_get_branch_offset(branch), distances[i]);
	}
}

static void boost_test_out_of_reach(struct kunit *test)
{
	struct arch_uprobe arch = boost_analyze(test, 0xd503233f);	/* paciasp */
	u8 slot[UPROBE_BOOST_GRANULE];

	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, BOOST_TEST_BP,
							BOOST_TEST_BP - UPROBE_BOOST_REACH,
							slot));
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, BOOST_TEST_BP,
							BOOST_TEST_BP + UPROBE_BOOST_REACH + 4,
							slot));
	/* The last instruction of user space has no next one. */
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, TASK_SIZE_64 - 4,
							TASK_SIZE_64 - SZ_4K, slot));
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, TASK_SIZE_64 - 8,
						       TASK_SIZE_64 - SZ_4K, slot));
}

static void boost_test_return(struct kunit *test)
{
	struct arch_uprobe arch = boost_analyze(test, 0xd65f0bff);	/* retaa */
	__le32 slot[2];

	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, BOOST_TEST_BP,
						       BOOST_TEST_BP - SZ_64K, (u8 *)slot));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(slot[0]), 0xd65f0bff);
	KUNIT_EXPECT_TRUE(test, aarch64_insn_is_brk(le32_to_cpu(slot[1])));
}

static void boost_test_fill(struct kunit *test)
{
	__le32 memory[4] = { };

	arch_uprobe_boost_fill(memory + 1, 2 * sizeof(*memory));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(memory[0]), 0);
	KUNIT_EXPECT_TRUE(test, aarch64_insn_is_brk(le32_to_cpu(memory[1])));
	KUNIT_EXPECT_TRUE(test, aarch64_insn_is_brk(le32_to_cpu(memory[2])));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(memory[3]), 0);
}

static void boost_test_not_if_stepped(struct kunit *test)
{
	struct pt_regs regs = { .pc = BOOST_TEST_BP, .pstate = PSR_MODE_EL0t };

	KUNIT_EXPECT_TRUE(test, arch_uprobe_may_boost(&regs));
	set_thread_flag(TIF_SINGLESTEP);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_may_boost(&regs));
	clear_thread_flag(TIF_SINGLESTEP);
}

/* Checks that a hit clears PSTATE.BTYPE. */
static void boost_test_enter(struct kunit *test)
{
	struct pt_regs regs = { .pc = 4, .pstate = PSR_MODE_EL0t | PSR_C_BIT | PSR_BTYPE_C };
	struct pt_regs expected = { .pc = 8, .pstate = PSR_MODE_EL0t | PSR_C_BIT };

	arch_uprobe_boosted_enter(&regs, 8);
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
}

static void boost_test_leave(struct kunit *test)
{
	struct pt_regs regs = { .pc = 4, .pstate = PSR_MODE_EL0t | PSR_C_BIT };
	struct pt_regs expected = { .pc = 8, .pstate = PSR_MODE_EL0t | PSR_C_BIT };

	arch_uprobe_boosted_leave(&regs, 8);
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
}

static struct kunit_case boost_test_cases[] = {
	KUNIT_CASE(boost_test_which),
	KUNIT_CASE(boost_test_slot),
	KUNIT_CASE(boost_test_out_of_reach),
	KUNIT_CASE(boost_test_return),
	KUNIT_CASE(boost_test_fill),
	KUNIT_CASE(boost_test_not_if_stepped),
	KUNIT_CASE(boost_test_enter),
	KUNIT_CASE(boost_test_leave),
	{}
};

static struct kunit_suite boost_test_suite = {
	.name = "uprobes_boost",
	.test_cases = boost_test_cases,
};

kunit_test_suite(boost_test_suite);
