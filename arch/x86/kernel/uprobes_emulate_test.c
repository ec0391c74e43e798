// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the instructions that uprobes emulate: their effect on registers and
 * memory, and that a failed emulation changes nothing.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>
#include <linux/uprobes.h>

#include <asm/insn.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>

/* Addresses of the instruction, and of the target of branches */
#define EMULATE_IP	0x401000UL
#define EMULATE_TARGET	0x402000UL

/* Indices of words in a page between two unmapped pages */
enum {
	EMULATE_STACK = 8,		/* sp points to it: a return address */
	EMULATE_OPERAND = 16,		/* rax points to it: an address to branch to */
};

/* The effect besides the change of ip */
enum emulate_effect { NOTHING, RETURNS, CALLS, STEPPED };

struct emulate_case {
	const char		*name;
	u8			insn[MAX_INSN_SIZE];
	u8			length;
	enum emulate_effect	effect;
	/* The new ip; 0: the next instruction */
	unsigned long		target;
};

/*
 * rax = r12 = address of the operand, rbx = r15 = target, rcx = r14 = 2, rdi = rax - 16,
 * r13 = rax + 128, memory[9] = memory[7] = target.
 */
static const struct emulate_case emulate_cases[] = {
	{ "endbr64", { 0xf3, 0x0f, 0x1e, 0xfa }, 4, NOTHING },
	{ "endbr32", { 0xf3, 0x0f, 0x1e, 0xfb }, 4, NOTHING },
	{ "rdsspq %rax", { 0xf3, 0x48, 0x0f, 0x1e, 0xc8 }, 5, STEPPED },
	{ "endbr64, 66", { 0x66, 0xf3, 0x0f, 0x1e, 0xfa }, 5, STEPPED },
	{ "endbr64 without f3", { 0x0f, 0x1e, 0xfa }, 3, STEPPED },

	{ "cs nop", { 0x2e, 0x90 }, 2, NOTHING },
	{ "data16 cs nopw 0(%rax,%rax)",
	  { 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 11, NOTHING },
	{ "ds nopl (%rax)", { 0x3e, 0x0f, 0x1f, 0x00 }, 4, NOTHING },
	{ "lock nop", { 0xf0, 0x90 }, 2, STEPPED },
	{ "cs mov (%rax),%eax", { 0x2e, 0x8b, 0x00 }, 3, STEPPED },
	{ "ds ljmp *(%rax)", { 0x3e, 0xff, 0x28 }, 3, STEPPED },
	{ "ds push (%rax)", { 0x3e, 0xff, 0x30 }, 3, STEPPED },
	{ "lock jmp *%rbx", { 0xf0, 0xff, 0xe3 }, 3, STEPPED },

	{ "ret", { 0xc3 }, 1, RETURNS, EMULATE_TARGET },
	{ "rep ret", { 0xf3, 0xc3 }, 2, RETURNS, EMULATE_TARGET },
	{ "bnd ret", { 0xf2, 0xc3 }, 2, RETURNS, EMULATE_TARGET },
	{ "rex.W ret", { 0x48, 0xc3 }, 2, RETURNS, EMULATE_TARGET },
	{ "ret $16", { 0xc2, 0x10, 0x00 }, 3, RETURNS, EMULATE_TARGET },
	{ "ret $65528", { 0xc2, 0xf8, 0xff }, 3, RETURNS, EMULATE_TARGET },
	{ "retw", { 0x66, 0xc3 }, 2, STEPPED },
	{ "addr32 ret", { 0x67, 0xc3 }, 2, STEPPED },
	{ "lret", { 0xcb }, 1, STEPPED },
	{ "lret $16", { 0xca, 0x10, 0x00 }, 3, STEPPED },
	{ "ret, REX2", { 0xd5, 0x00, 0xc3 }, 3, STEPPED },
	{ "vcmpeqps (%rax),%ymm2,%ymm4", { 0xc5, 0xec, 0xc2, 0x20, 0x00 }, 5, STEPPED },

	{ "jmp *%rbx", { 0xff, 0xe3 }, 2, NOTHING, EMULATE_TARGET },
	{ "jmp *%r15", { 0x41, 0xff, 0xe7 }, 3, NOTHING, EMULATE_TARGET },
	{ "notrack jmp *%rbx", { 0x3e, 0xff, 0xe3 }, 3, NOTHING, EMULATE_TARGET },
	{ "bnd jmp *%rbx", { 0xf2, 0xff, 0xe3 }, 3, NOTHING, EMULATE_TARGET },
	{ "jmp *(%rax)", { 0xff, 0x20 }, 2, NOTHING, EMULATE_TARGET },
	{ "jmp *(%r12)", { 0x41, 0xff, 0x24, 0x24 }, 4, NOTHING, EMULATE_TARGET },
	{ "jmp *16(%rdi)", { 0xff, 0x67, 0x10 }, 3, NOTHING, EMULATE_TARGET },
	{ "jmp *-128(%r13)", { 0x41, 0xff, 0x65, 0x80 }, 4, NOTHING, EMULATE_TARGET },
	{ "jmp *(%rdi,%rcx,8)", { 0xff, 0x24, 0xcf }, 3, NOTHING, EMULATE_TARGET },
	{ "jmp *-144(%r13,%r14,8)",
	  { 0x43, 0xff, 0xa4, 0xf5, 0x70, 0xff, 0xff, 0xff }, 8, NOTHING, EMULATE_TARGET },
	{ "jmp *(%rsp)", { 0xff, 0x24, 0x24 }, 3, NOTHING, EMULATE_TARGET },
	{ "jmp *(%rax,%riz,8)", { 0xff, 0x24, 0xe0 }, 3, NOTHING, EMULATE_TARGET },
	{ "data16 jmp *%rbx", { 0x66, 0xff, 0xe3 }, 3, STEPPED },
	{ "addr32 jmp *(%rax)", { 0x67, 0xff, 0x20 }, 3, STEPPED },
	{ "jmp *%fs:(%rax)", { 0x64, 0xff, 0x20 }, 3, STEPPED },
	{ "jmp *%gs:(%rax)", { 0x65, 0xff, 0x20 }, 3, STEPPED },
	{ "ljmp *(%rax)", { 0xff, 0x28 }, 2, STEPPED },
	{ "jmp *0x10", { 0xff, 0x24, 0x25, 0x10, 0, 0, 0 }, 7, STEPPED },
	{ "jmp *0x10(%rip)", { 0xff, 0x25, 0x10, 0, 0, 0 }, 6, STEPPED },
	{ "jmp *0x7ffffffc(%rip)", { 0xff, 0x25, 0xfc, 0xff, 0xff, 0x7f }, 6, STEPPED },

	{ "call *%rbx", { 0xff, 0xd3 }, 2, CALLS, EMULATE_TARGET },
	{ "call *%r15", { 0x41, 0xff, 0xd7 }, 3, CALLS, EMULATE_TARGET },
	{ "notrack call *(%rax)", { 0x3e, 0xff, 0x10 }, 3, CALLS, EMULATE_TARGET },
	{ "call *(%rax)", { 0xff, 0x10 }, 2, CALLS, EMULATE_TARGET },
	{ "call *8(%rsp)", { 0xff, 0x54, 0x24, 0x08 }, 4, CALLS, EMULATE_TARGET },
	{ "call *-8(%rsp)", { 0xff, 0x54, 0x24, 0xf8 }, 4, CALLS, EMULATE_TARGET },
	{ "call *(%rdi,%r14,8)", { 0x42, 0xff, 0x14, 0xf7 }, 4, CALLS, EMULATE_TARGET },
	{ "data16 data16 rex.W call",
	  { 0x66, 0x66, 0x48, 0xe8, 0x00, 0x10, 0x00, 0x00 }, 8, CALLS, EMULATE_IP + 0x1008 },
	{ "lcall *(%rax)", { 0xff, 0x18 }, 2, STEPPED },
	{ "callw *%bx", { 0x66, 0xff, 0xd3 }, 3, STEPPED },

	{ "loop", { 0xe2, 0x10 }, 2, NOTHING, EMULATE_IP + 0x12 },
	{ "addr32 loop", { 0x67, 0xe2, 0x10 }, 3, STEPPED },
	{ "rep loopne", { 0xf3, 0xe0, 0x10 }, 3, STEPPED },
	{ "repne loope", { 0xf2, 0xe1, 0x10 }, 3, STEPPED },

	{ "pcmpeqw %mm0,%mm1, REX2", { 0xd5, 0x80, 0x75, 0xc8 }, 4, STEPPED },
	{ "por %mm0,%mm1, REX2", { 0xd5, 0x80, 0xeb, 0xc8 }, 4, STEPPED },
	{ "call *%r16", { 0xd5, 0x10, 0xff, 0xd0 }, 4, STEPPED },

	{ "lea 8(%rdi),%rdx", { 0x48, 0x8d, 0x57, 0x08 }, 4, STEPPED },
	{ "lea 0x10(%eip),%edx", { 0x67, 0x8d, 0x15, 0x10, 0, 0, 0 }, 7, STEPPED },
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

static u64 __user *emulate_memory(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, 3 * PAGE_SIZE,
					   PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	u64 __user *memory = (u64 __user *)(addr + PAGE_SIZE);
	static const int words[] = {
		EMULATE_STACK - 1, EMULATE_STACK, EMULATE_STACK + 1, EMULATE_OPERAND
	};

	KUNIT_ASSERT_NE_MSG(test, addr, 0, "no memory of user space");
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE_MAX);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		KUNIT_ASSERT_EQ(test, put_user(EMULATE_TARGET, memory + words[i]), 0);
	return memory;
}

static void emulate_fill(struct pt_regs *regs, u64 __user *memory)
{
	unsigned long operand = (unsigned long)(memory + EMULATE_OPERAND);

	*regs = (struct pt_regs) {
		.ip = EMULATE_IP, .cs = __USER_CS, .flags = X86_EFLAGS_CF | X86_EFLAGS_FIXED,
		.sp = (unsigned long)(memory + EMULATE_STACK),
		.ax = operand, .bx = EMULATE_TARGET, .cx = 2, .dx = 0x1122334455667788,
		.di = operand - 16, .r12 = operand, .r13 = operand + 128, .r14 = 2,
		.r15 = EMULATE_TARGET,
	};
}

static int emulate_analyze(struct arch_uprobe *arch, const u8 *insn)
{
	memset(arch, 0, sizeof(*arch));
	memcpy(arch->insn, insn, MAX_INSN_SIZE);
	return arch_uprobe_analyze_insn(arch, &init_mm, EMULATE_IP);
}

/* Checks registers, the stack and ip after each instruction of the table. */
static void emulate_test_insn(struct kunit *test)
{
	const struct emulate_case *of = test->param_value;
	struct pt_regs regs, expected;
	struct arch_uprobe arch;
	u64 __user *memory;
	u64 below;

	KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, of->insn), 0);
	memory = emulate_memory(test);
	emulate_fill(&regs, memory);
	expected = regs;
	KUNIT_EXPECT_EQ(test, arch_uprobe_skip_sstep(&arch, &regs), of->effect != STEPPED);
	KUNIT_ASSERT_EQ(test, get_user(below, memory + EMULATE_STACK - 1), 0);

	if (of->effect != STEPPED)
		expected.ip = of->target ?: EMULATE_IP + of->length;
	if (of->effect == RETURNS)
		expected.sp += 8 + (of->length == 3 ? get_unaligned_le16(of->insn + 1) : 0);
	if (of->effect == CALLS)
		expected.sp -= 8;
	if (of->insn[0] == 0xe2)
		expected.cx--;
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
	KUNIT_EXPECT_EQ(test, below,
			of->effect == CALLS ? EMULATE_IP + of->length : EMULATE_TARGET);
}

/* Checks all three sizes of the destination, and that ip is then at the next instruction. */
static void emulate_test_lea(struct kunit *test)
{
	static const struct {
		u8		insn[MAX_INSN_SIZE];
		unsigned long	dx;
	} cases[] = {
		{ { 0x48, 0x8d, 0x15, 0x78, 0x56, 0x34, 0x12 }, 0x12746678 + 7 },
		{ { 0x48, 0x8d, 0x15, 0xf0, 0xff, 0xff, 0xff }, 0x400ff0 + 7 },
		{ { 0x8d, 0x15, 0x78, 0x56, 0x34, 0x12 }, 0x12746678 + 6 },
		{ { 0x8d, 0x15, 0x00, 0x00, 0x00, 0x80 }, 0x80401000 + 6 },
		{ { 0x66, 0x8d, 0x15, 0x78, 0x56, 0x34, 0x12 }, 0x1122334455666678 + 7 },
		{ { 0x66, 0x48, 0x8d, 0x15, 0x78, 0x56, 0x34, 0x12 }, 0x12746678 + 8 },
		/* REX.B has no meaning for this operand */
		{ { 0x49, 0x8d, 0x15, 0x78, 0x56, 0x34, 0x12 }, 0x12746678 + 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pt_regs regs, expected;
		struct arch_uprobe arch;

		KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, cases[i].insn), 0);
		emulate_fill(&regs, NULL);
		expected = regs;
		expected.ip += arch.lea.ilen;
		expected.dx = cases[i].dx;
		KUNIT_EXPECT_TRUE(test, arch_uprobe_skip_sstep(&arch, &regs));
		KUNIT_EXPECT_MEMEQ_MSG(test, &regs, &expected, sizeof(regs), "case %zu", i);
	}
}

static void emulate_test_loops(struct kunit *test)
{
	static const struct {
		u8		opcode;
		unsigned long	cx, flags;
		bool		taken;
	} cases[] = {
		{ 0xe0, 2, 0, true }, { 0xe0, 2, X86_EFLAGS_ZF, false },
		{ 0xe0, 1, 0, false }, { 0xe0, 1, X86_EFLAGS_ZF, false },
		{ 0xe1, 2, 0, false }, { 0xe1, 2, X86_EFLAGS_ZF, true },
		{ 0xe1, 1, 0, false }, { 0xe1, 1, X86_EFLAGS_ZF, false },
		{ 0xe2, 2, 0, true }, { 0xe2, 1, 0, false }, { 0xe2, 0, 0, true },
		{ 0xe2, 0x100000000, 0, true }, { 0xe2, 0x100000001, 0, true },
		{ 0xe3, 0, 0, true }, { 0xe3, 1, 0, false }, { 0xe3, 0x100000000, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const u8 insn[MAX_INSN_SIZE] = { cases[i].opcode, 0x80 };
		struct pt_regs regs, expected;
		struct arch_uprobe arch;

		KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, insn), 0);
		emulate_fill(&regs, NULL);
		regs.cx = cases[i].cx;
		regs.flags = cases[i].flags;
		expected = regs;
		expected.cx -= cases[i].opcode != 0xe3;
		expected.ip += 2;
		if (cases[i].taken)
			expected.ip -= 128;
		KUNIT_EXPECT_TRUE(test, arch_uprobe_skip_sstep(&arch, &regs));
		KUNIT_EXPECT_MEMEQ_MSG(test, &regs, &expected, sizeof(regs), "case %zu", i);
	}
}

/* Checks that an emulation that fails changes nothing: the CPU executes the instruction. */
static void emulate_test_left_to_the_cpu(struct kunit *test)
{
	static const u8 ret[MAX_INSN_SIZE] = { 0xc3 };
	static const u8 call[MAX_INSN_SIZE] = { 0xe8, 0x00, 0x10 };
	static const u8 call_reg[MAX_INSN_SIZE] = { 0xff, 0xd3 };
	static const u8 call_mem[MAX_INSN_SIZE] = { 0xff, 0x10 };
	static const u8 call_below[MAX_INSN_SIZE] = { 0xff, 0x54, 0x24, 0xf8 };
	static const u8 jmp_mem[MAX_INSN_SIZE] = { 0xff, 0x20 };
	static const u8 lea[MAX_INSN_SIZE] = { 0x48, 0x8d, 0x15, 0x10 };
	static const u8 loop[MAX_INSN_SIZE] = { 0xe2, 0x10 };
	const u64 targets[] = { TASK_SIZE_MAX, 1UL << 62, -4096UL, -1UL };
	u64 __user *memory = emulate_memory(test);
	unsigned long start = (unsigned long)memory, end = start + PAGE_SIZE;
	struct pt_regs regs, before;
	struct arch_uprobe arch;
	u64 word;

#define EXPECT_LEFT(insn, ...) do {						\
	KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, insn), 0);			\
	emulate_fill(&regs, memory);						\
	__VA_ARGS__;								\
	before = regs;								\
	KUNIT_EXPECT_FALSE_MSG(test, arch_uprobe_skip_sstep(&arch, &regs),	\
			       #insn ": " #__VA_ARGS__);			\
	KUNIT_EXPECT_MEMEQ_MSG(test, &regs, &before, sizeof(regs),		\
			       #insn ": " #__VA_ARGS__);			\
} while (0)

	EXPECT_LEFT(ret, regs.sp = end);
	EXPECT_LEFT(ret, regs.sp = end - 4);
	EXPECT_LEFT(ret, regs.sp = 1UL << 62);
	EXPECT_LEFT(ret, regs.sp = -8UL);
	EXPECT_LEFT(call, regs.sp = start);
	EXPECT_LEFT(call_reg, regs.sp = start);
	EXPECT_LEFT(call_reg, regs.sp = start + 4);
	EXPECT_LEFT(call_reg, regs.sp = 1UL << 62);
	EXPECT_LEFT(call_reg, regs.sp = 0);
	EXPECT_LEFT(call_mem, regs.ax = end - 4);
	EXPECT_LEFT(call_mem, regs.sp = start);
	EXPECT_LEFT(jmp_mem, regs.ax = end);
	EXPECT_LEFT(jmp_mem, regs.ax = -8UL);
	EXPECT_LEFT(ret, regs.flags |= X86_EFLAGS_AC);
	EXPECT_LEFT(jmp_mem, regs.flags |= X86_EFLAGS_AC);

	EXPECT_LEFT(ret, regs.cs = __USER32_CS);
	EXPECT_LEFT(call_reg, regs.cs = __USER32_CS);
	EXPECT_LEFT(jmp_mem, regs.cs = __USER32_CS);
	EXPECT_LEFT(lea, regs.cs = __USER32_CS);
	EXPECT_LEFT(loop, regs.cs = __USER32_CS);

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		EXPECT_LEFT(call_reg, regs.bx = targets[i]);
		KUNIT_ASSERT_EQ(test, get_user(word, memory + EMULATE_STACK - 1), 0);
		KUNIT_EXPECT_EQ(test, word, EMULATE_TARGET);
		KUNIT_ASSERT_EQ(test, put_user(targets[i], memory + EMULATE_STACK), 0);
		EXPECT_LEFT(ret);
		KUNIT_ASSERT_EQ(test, put_user(targets[i], memory + EMULATE_OPERAND), 0);
		EXPECT_LEFT(jmp_mem);
		EXPECT_LEFT(call_mem);
		KUNIT_ASSERT_EQ(test, put_user(targets[i], memory + EMULATE_STACK - 1), 0);
		EXPECT_LEFT(call_below);
		KUNIT_ASSERT_EQ(test, get_user(word, memory + EMULATE_STACK - 1), 0);
		KUNIT_EXPECT_EQ(test, word, targets[i]);
		KUNIT_ASSERT_EQ(test, put_user(EMULATE_TARGET, memory + EMULATE_STACK - 1), 0);
	}
#undef EXPECT_LEFT
}

/* Checks that an operand relative to ip is read relative to the next instruction. */
static void emulate_test_relative_to_ip(struct kunit *test)
{
	u64 __user *memory = emulate_memory(test);
	u8 call[MAX_INSN_SIZE] = { 0xff, 0x15 };
	struct pt_regs regs, expected;
	struct arch_uprobe arch;

	put_unaligned_le32(-0x100, call + 2);
	KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, call), 0);
	emulate_fill(&regs, memory);
	regs.ip = regs.ax + 0x100 - 6;
	expected = regs;
	expected.ip = EMULATE_TARGET;
	expected.sp -= 8;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_skip_sstep(&arch, &regs));
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
}

/* Checks that pushf stores TF only if the program has set it. */
static void emulate_test_pushf(struct kunit *test)
{
	static const u8 pushf[MAX_INSN_SIZE] = { 0x9c };
	u64 __user *memory = emulate_memory(test);

	for (unsigned long tf = 0; tf <= X86_EFLAGS_TF; tf += X86_EFLAGS_TF) {
		struct uprobe_task utask = { .vaddr = EMULATE_IP, .xol_vaddr = 0x1000 };
		u64 flags = X86_EFLAGS_FIXED | X86_EFLAGS_CF | X86_EFLAGS_TF;
		struct arch_uprobe arch;
		struct pt_regs regs;
		u64 stored;

		KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, pushf), 0);
		emulate_fill(&regs, memory);
		regs.flags |= tf;
		KUNIT_ASSERT_NULL(test, current->utask);
		current->utask = &utask;
		KUNIT_EXPECT_EQ(test, arch_uprobe_pre_xol(&arch, &regs), 0);
		/* The CPU pushes the flags. */
		regs.ip++;
		regs.sp -= sizeof(flags);
		KUNIT_EXPECT_EQ(test, put_user(flags, memory + EMULATE_STACK - 1), 0);
		KUNIT_EXPECT_EQ(test, arch_uprobe_post_xol(&arch, &regs), 0);
		current->utask = NULL;

		KUNIT_EXPECT_EQ(test, get_user(stored, memory + EMULATE_STACK - 1), 0);
		KUNIT_EXPECT_EQ(test, stored, X86_EFLAGS_FIXED | X86_EFLAGS_CF | tf);
		KUNIT_EXPECT_EQ(test, regs.ip, EMULATE_IP + 1);
	}
}

/* Checks that the operand of a step is relative to a register, and no jump is stepped. */
static void emulate_test_rex2(struct kunit *test)
{
	/* mov %r16d,0x10(%rip) with a base that is ignored, and its copy with the base rsi */
	static const u8 mov[MAX_INSN_SIZE] = { 0xd5, 0x51, 0x89, 0x05, 0x10 };
	static const u8 step[] = { 0xd5, 0x40, 0x89, 0x86, 0x10, 0, 0, 0 };
	static const u8 jmpabs[MAX_INSN_SIZE] = { 0xd5, 0x00, 0xa1, 0x10 };
	struct arch_uprobe arch;

	KUNIT_ASSERT_EQ(test, emulate_analyze(&arch, mov), 0);
	KUNIT_EXPECT_MEMEQ(test, arch.insn, step, sizeof(step));
	KUNIT_EXPECT_EQ(test, emulate_analyze(&arch, jmpabs), -ENOTSUPP);
}

static struct kunit_case emulate_test_cases[] = {
	KUNIT_CASE_PARAM_WITH_INIT(emulate_test_insn, kunit_array_gen_params,
				   emulate_register, NULL),
	KUNIT_CASE(emulate_test_lea),
	KUNIT_CASE(emulate_test_loops),
	KUNIT_CASE(emulate_test_left_to_the_cpu),
	KUNIT_CASE(emulate_test_relative_to_ip),
	KUNIT_CASE(emulate_test_pushf),
	KUNIT_CASE(emulate_test_rex2),
	{}
};

static struct kunit_suite emulate_test_suite = {
	.name = "uprobes_emulate",
	.test_cases = emulate_test_cases,
};

kunit_test_suite(emulate_test_suite);
