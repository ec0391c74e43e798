// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted uprobes: the instructions that can be boosted, and the contents of a
 * boosted slot.
 *
 * The kernel cannot fix up anything after a boosted instruction, because it does not
 * notice when a task leaves the slot. See Documentation/trace/uprobes-xol-design.rst.
 */
#include <linux/bits.h>
#include <linux/linkage.h>
#include <linux/ptrace.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/uprobes_boost.h>

#include <asm/insn.h>
#include <asm/processor.h>
#include <asm/text-patching.h>

/* Prefixes that select an instruction. NONE means that there is no such prefix. */
#define NONE	BIT(0)
#define P66	BIT(1)
#define PF2	BIT(2)
#define PF3	BIT(3)
#define ANY	(NONE | P66 | PF2 | PF3)

/* The bits of the reg field of a ModRM byte, and the bits that select an operand relative to ip */
#define MODRM_REG_BITS	0x38
#define MODRM_RIP	0x05

#define ALL_REGS	0xff
#define REG(n)		BIT(n)

/*
 * The opcodes that can be boosted. Other instructions are emulated or stepped.
 *
 * An instruction in the table has these properties, with each prefix of its row:
 * - It uses ip only for the address of its operand.
 * - The task goes on at the next instruction. With rep, it may also go on at the
 *   instruction itself.
 * - If the task stops before the instruction has ended, ip is at the instruction. A
 *   part of the effect may remain, as it does in the program: a gather is an example.
 * - It neither reads nor changes TF, and does not suppress a trap at the next
 *   instruction.
 *
 * So these are not in the table: branches, calls and returns; instructions that
 * enter the kernel, a hypervisor or an enclave; and transactions, which go back to
 * their start when the slot may hold another instruction.
 *
 * x87 instructions store their address, which is that of the slot. A program sees the
 * difference only if it reads the x87 state, for example by fnstenv.
 *
 * A row is a range of opcodes, the allowed values of the reg field of the ModRM byte, if
 * there is one, and the allowed prefixes. Prefixes without a flag never matter: with
 * lock, an instruction that cannot be locked raises #UD. A range may contain opcodes
 * that are not defined, because the decoder refuses them.
 */
static const struct boost_rule {
	u8	map;		/* 0: one byte, 1: after 0f, 2: 0f 38, 3: 0f 3a */
	u8	first;
	u8	last;
	u8	regs;
	u8	prefixes;
} boost_rules[] = {
	{ 0, 0x00, 0x05, ALL_REGS, NONE | P66 },		/* add */
	{ 0, 0x08, 0x0d, ALL_REGS, NONE | P66 },		/* or */
	{ 0, 0x10, 0x15, ALL_REGS, NONE | P66 },		/* adc */
	{ 0, 0x18, 0x1d, ALL_REGS, NONE | P66 },		/* sbb */
	{ 0, 0x20, 0x25, ALL_REGS, NONE | P66 },		/* and */
	{ 0, 0x28, 0x2d, ALL_REGS, NONE | P66 },		/* sub */
	{ 0, 0x30, 0x35, ALL_REGS, NONE | P66 },		/* xor */
	{ 0, 0x38, 0x3d, ALL_REGS, NONE | P66 },		/* cmp */
	{ 0, 0x50, 0x5f, ALL_REGS, NONE | P66 },		/* push, pop reg */
	{ 0, 0x63, 0x63, ALL_REGS, NONE | P66 },		/* movslq */
	{ 0, 0x68, 0x6b, ALL_REGS, NONE | P66 },		/* push imm, imul */
	{ 0, 0x80, 0x81, ALL_REGS, NONE | P66 },		/* add .. cmp imm */
	{ 0, 0x83, 0x8b, ALL_REGS, NONE | P66 },		/* imm8, test, xchg, mov */
	{ 0, 0x8c, 0x8c, ALL_REGS, NONE | P66 },		/* mov from segment */
	{ 0, 0x8d, 0x8d, ALL_REGS, NONE | P66 },		/* lea */
	{ 0, 0x8f, 0x8f, REG(0), NONE | P66 },			/* pop mem */
	{ 0, 0x90, 0x90, ALL_REGS, NONE | P66 | PF3 },		/* xchg, pause */
	{ 0, 0x91, 0x99, ALL_REGS, NONE | P66 },		/* xchg ax, cbw, cwd */
	{ 0, 0x9b, 0x9b, ALL_REGS, NONE },			/* fwait */
	{ 0, 0x9e, 0x9f, ALL_REGS, NONE },			/* sahf, lahf */
	{ 0, 0xa0, 0xa3, ALL_REGS, NONE | P66 },		/* mov moffs */
	{ 0, 0xa4, 0xa7, ALL_REGS, ANY },			/* movs, cmps */
	{ 0, 0xa8, 0xa9, ALL_REGS, NONE | P66 },		/* test ax, imm */
	{ 0, 0xaa, 0xaf, ALL_REGS, ANY },			/* stos, lods, scas */
	{ 0, 0xb0, 0xbf, ALL_REGS, NONE | P66 },		/* mov reg, imm */
	{ 0, 0xc0, 0xc1, ALL_REGS, NONE | P66 },		/* rol .. sar imm */
	{ 0, 0xc6, 0xc7, REG(0), NONE | P66 },			/* mov imm, not xbegin */
	{ 0, 0xc8, 0xc9, ALL_REGS, NONE | P66 },		/* enter, leave */
	{ 0, 0xd0, 0xd3, ALL_REGS, NONE | P66 },		/* rol .. sar */
	{ 0, 0xd7, 0xd7, ALL_REGS, NONE },			/* xlat */
	{ 0, 0xd8, 0xdf, ALL_REGS, NONE | P66 },		/* x87 */
	{ 0, 0xf5, 0xf5, ALL_REGS, NONE },			/* cmc */
	{ 0, 0xf6, 0xf7, ALL_REGS & ~REG(1), NONE | P66 },	/* test .. idiv */
	{ 0, 0xf8, 0xf9, ALL_REGS, NONE },			/* clc, stc */
	{ 0, 0xfc, 0xfd, ALL_REGS, NONE },			/* cld, std */
	{ 0, 0xfe, 0xfe, REG(0) | REG(1), NONE | P66 },		/* inc, dec */
	{ 0, 0xff, 0xff, REG(0) | REG(1) | REG(6), NONE | P66 }, /* and push */
	{ 1, 0x02, 0x03, ALL_REGS, NONE | P66 },		/* lar, lsl */
	{ 1, 0x0d, 0x0d, ALL_REGS, NONE },			/* prefetchw */
	{ 1, 0x10, 0x1f, ALL_REGS, ANY },			/* movups .. prefetch, nop */
	{ 1, 0x28, 0x2f, ALL_REGS, ANY },			/* movaps .. comiss */
	{ 1, 0x31, 0x31, ALL_REGS, NONE },			/* rdtsc */
	{ 1, 0x33, 0x33, ALL_REGS, NONE },			/* rdpmc */
	{ 1, 0x40, 0x4f, ALL_REGS, NONE | P66 },		/* cmovcc */
	{ 1, 0x50, 0x77, ALL_REGS, ANY },			/* movmskps .. emms */
	{ 1, 0x7c, 0x7f, ALL_REGS, ANY },			/* haddps .. movq */
	{ 1, 0x90, 0x9f, ALL_REGS, NONE },			/* setcc */
	{ 1, 0xa0, 0xa1, ALL_REGS, NONE },			/* push, pop fs */
	{ 1, 0xa2, 0xa2, ALL_REGS, NONE },			/* cpuid */
	{ 1, 0xa3, 0xa5, ALL_REGS, NONE | P66 },		/* bt, shld */
	{ 1, 0xa8, 0xa9, ALL_REGS, NONE },			/* push, pop gs */
	{ 1, 0xab, 0xad, ALL_REGS, NONE | P66 },		/* bts, shrd */
	{ 1, 0xae, 0xae, ALL_REGS, ANY },			/* fxsave .. sfence */
	{ 1, 0xaf, 0xaf, ALL_REGS, NONE | P66 },		/* imul */
	{ 1, 0xb0, 0xb1, ALL_REGS, NONE | P66 },		/* cmpxchg */
	{ 1, 0xb3, 0xb3, ALL_REGS, NONE | P66 },		/* btr */
	{ 1, 0xb6, 0xb7, ALL_REGS, NONE | P66 },		/* movzx */
	{ 1, 0xb8, 0xb8, ALL_REGS, PF3 },			/* popcnt */
	{ 1, 0xba, 0xba, REG(4) | REG(5) | REG(6) | REG(7), NONE | P66 }, /* bt .. btc imm */
	{ 1, 0xbb, 0xbb, ALL_REGS, NONE | P66 },		/* btc */
	{ 1, 0xbc, 0xbd, ALL_REGS, NONE | P66 | PF3 },		/* bsf .. lzcnt */
	{ 1, 0xbe, 0xbf, ALL_REGS, NONE | P66 },		/* movsx */
	{ 1, 0xc0, 0xc1, ALL_REGS, NONE | P66 },		/* xadd */
	{ 1, 0xc2, 0xc2, ALL_REGS, ANY },			/* cmpps */
	{ 1, 0xc3, 0xc6, ALL_REGS, NONE | P66 },		/* movnti .. shufps */
	{ 1, 0xc7, 0xc7, REG(1) | REG(4), NONE },		/* cmpxchg8b, xsavec */
	{ 1, 0xc7, 0xc7, REG(6) | REG(7), NONE | P66 },		/* rdrand, rdseed */
	{ 1, 0xc7, 0xc7, REG(7), PF3 },				/* rdpid */
	{ 1, 0xc8, 0xcf, ALL_REGS, NONE },			/* bswap */
	{ 1, 0xd0, 0xfe, ALL_REGS, ANY },			/* addsubps .. paddd */
	{ 2, 0x00, 0xff, ALL_REGS, ANY },			/* pshufb .. movdiri */
	{ 3, 0x00, 0xff, ALL_REGS, ANY },			/* roundps .. aeskeygenassist */
};

/* Does the instruction 0f 01 with this ModRM byte have the properties, without prefixes? */
static bool boost_has_group7(u8 modrm)
{
	switch (modrm) {
	case 0xd0:	/* xgetbv */
	case 0xd6:	/* xtest */
	case 0xe8:	/* serialize */
	case 0xee:	/* rdpkru */
	case 0xef:	/* wrpkru */
	case 0xf9:	/* rdtscp */
		return true;
	}
	return false;
}

static u8 boost_prefixes(struct insn *insn)
{
	insn_byte_t p;
	u8 seen = 0;

	for_each_insn_prefix(insn, p) {
		switch (p) {
		case 0x66:
			seen |= P66;
			break;
		case 0xf2:
			seen |= PF2;
			break;
		case 0xf3:
			seen |= PF3;
			break;
		}
	}
	return seen ?: NONE;
}

static bool boost_rule_applies(const struct boost_rule *rule, struct insn *insn,
			       u8 prefixes)
{
	u8 map = insn->opcode.nbytes - 1, opcode = insn->opcode.bytes[map];

	if (map == 2 && insn->opcode.bytes[1] == 0x3a)
		map = 3;
	return map == rule->map && opcode >= rule->first && opcode <= rule->last &&
	       rule->regs & REG(X86_MODRM_REG(insn->modrm.value)) &&
	       !(prefixes & ~rule->prefixes);
}

static bool boost_has_rule(struct insn *insn, u8 prefixes)
{
	/* All VEX, EVEX and XOP instructions that the decoder knows have the properties. */
	if (insn_is_avx_or_xop(insn))
		return prefixes == NONE;

	if (insn->opcode.bytes[0] == 0x0f && insn->opcode.bytes[1] == 0x01)
		return prefixes == NONE && boost_has_group7(insn->modrm.value);

	for (size_t i = 0; i < ARRAY_SIZE(boost_rules); i++) {
		if (boost_rule_applies(&boost_rules[i], insn, prefixes))
			return true;
	}
	return false;
}

/* Is this a string instruction with rep? */
static bool boost_has_rep(struct insn *insn, u8 prefixes)
{
	return prefixes & (PF2 | PF3) && insn->opcode.bytes[0] >= 0xa4 &&
	       insn->opcode.bytes[0] <= 0xaf;
}

/**
 * arch_uprobe_boost_decode - may a slot of this instruction end with a jump?
 * @insn: the instruction, decoded for any mode; its length is certain
 *
 * Returns the result of arch_uprobe_boost(). A string instruction with rep has two
 * granules, and is in both: a jump follows it in the first, int3 in the second.
 */
u8 arch_uprobe_boost_decode(struct insn *insn)
{
	u8 prefixes = boost_prefixes(insn), boost = insn->length;

	if (!insn->x86_64 || insn_is_rex2(insn) || !boost_has_rule(insn, prefixes))
		return 0;
	/* With a short address, only the lower half of ip counts. */
	if (insn->addr_bytes != 8 && insn_rip_relative(insn))
		return 0;
	if (boost + JMP32_INSN_SIZE > UPROBE_BOOST_GRANULE)
		boost |= UPROBE_BOOST_PAIR;
	if (boost_has_rep(insn, prefixes)) {
		if (boost & UPROBE_BOOST_PAIR)
			return 0;
		boost |= UPROBE_BOOST_PAIR | UPROBE_BOOST_REP;
	}
	return boost;
}

/* Puts a jump to @next at @jump, which is executed at @vaddr. */
static bool boost_jump(u8 *jump, unsigned long vaddr, unsigned long next)
{
	long rel = next - (vaddr + JMP32_INSN_SIZE);

	jump[0] = JMP32_INSN_OPCODE;
	put_unaligned_le32(rel, jump + 1);
	return rel == (s32)rel;
}

/* Makes the operand at @modrm relative to ip again, and adds @diff to its displacement. */
static bool boost_operand(u8 *modrm, long diff)
{
	long disp = (s32)get_unaligned_le32(modrm + 1) + diff;

	*modrm = (*modrm & MODRM_REG_BITS) | MODRM_RIP;
	put_unaligned_le32(disp, modrm + 1);
	return disp == (s32)disp;
}

bool arch_uprobe_boost_insn(const struct arch_uprobe *auprobe, unsigned long bp_vaddr,
			    unsigned long vaddr, u8 *bytes)
{
	unsigned int length = auprobe->defparam.ilen;
	unsigned long next = bp_vaddr + length;
	u8 boost = auprobe->defparam.boost;
	unsigned int modrm = auprobe->defparam.modrm;

	/* A jump out of user space would fault in the slot, not at its target. */
	if (next >= TASK_SIZE_MAX)
		return false;

	arch_uprobe_boost_fill(bytes, boost & UPROBE_BOOST_PAIR ? 2 * UPROBE_BOOST_GRANULE :
								  UPROBE_BOOST_GRANULE);
	memcpy(bytes, auprobe->ixol, length);
	if (modrm && !boost_operand(bytes + modrm, bp_vaddr - vaddr))
		return false;
	if (!boost_jump(bytes + length, vaddr + length, next))
		return false;
	if (boost & UPROBE_BOOST_REP)
		memcpy(bytes + UPROBE_BOOST_GRANULE, auprobe->ixol, length);
	return true;
}

/*
 * If the jump has faulted, RF is set. Clear RF, because it would suppress a hardware
 * breakpoint at @next.
 */
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next)
{
	regs->ip = next;
	regs->flags &= ~X86_EFLAGS_RF;
}

#ifdef CONFIG_UPROBES_KUNIT_TEST
#include "uprobes_boost_test.c"
#endif
