// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted uprobes: the instructions that can be boosted, and the contents of a
 * boosted slot.
 *
 * The kernel does nothing after a boosted instruction, and does not know when a
 * task leaves the slot. See Documentation/trace/uprobes-xol-design.rst.
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

/* The prefix of an instruction among 66, f2 and f3. NONE: it has none of them. */
#define NONE	BIT(0)
#define P66	BIT(1)
#define PF2	BIT(2)
#define PF3	BIT(3)

/* The fields of a ModRM byte; the operand that is relative to ip */
#define MODRM_REG_BITS	0x38
#define MODRM_RIP		0x05

#define ALL_REGS	0xff
#define REG(n)		BIT(n)

/*
 * The opcodes that can be boosted. Other instructions are emulated or stepped.
 *
 * An instruction must have these properties to be in the table:
 * - It neither reads nor changes ip, so that it does the same at every address.
 * - The next instruction is always the one behind it.
 * - It neither reads nor changes TF, and does not suppress a trap at the next
 *   instruction.
 * - If it faults, it has changed nothing.
 * - With each prefix of its row, the opcode is still the instruction of the row.
 *
 * So these are not in the table: branches, calls and returns; instructions that
 * enter the kernel; x87 instructions, which store their address; and string
 * instructions.
 *
 * A row is a range of opcodes, the values of the reg field of their ModRM byte, if
 * they have one, and the prefixes that they may have.
 */
static const struct boost_rule {
	u8	map;		/* 0: one byte, 1: after 0f */
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
	{ 0, 0x58, 0x5f, ALL_REGS, NONE | P66 },		/* pop reg */
	{ 0, 0x63, 0x63, ALL_REGS, NONE },			/* movslq */
	{ 0, 0x68, 0x6b, ALL_REGS, NONE | P66 },		/* push imm, imul */
	{ 0, 0x80, 0x81, ALL_REGS, NONE | P66 },		/* add .. cmp imm */
	{ 0, 0x83, 0x83, ALL_REGS, NONE | P66 },		/* add .. cmp imm8 */
	{ 0, 0x84, 0x8b, ALL_REGS, NONE | P66 },		/* test, xchg, mov */
	{ 0, 0x8d, 0x8d, ALL_REGS, NONE | P66 },		/* lea */
	{ 0, 0x91, 0x99, ALL_REGS, NONE | P66 },		/* xchg ax, cbw, cwd */
	{ 0, 0x9e, 0x9f, ALL_REGS, NONE },			/* sahf, lahf */
	{ 0, 0xa0, 0xa3, ALL_REGS, NONE | P66 },		/* mov moffs */
	{ 0, 0xa8, 0xa9, ALL_REGS, NONE | P66 },		/* test ax, imm */
	{ 0, 0xb0, 0xbf, ALL_REGS, NONE | P66 },		/* mov reg, imm */
	{ 0, 0xc0, 0xc1, ALL_REGS, NONE | P66 },		/* rol .. sar imm */
	{ 0, 0xc6, 0xc7, REG(0), NONE | P66 },			/* mov imm, not xbegin */
	{ 0, 0xc9, 0xc9, ALL_REGS, NONE },			/* leave */
	{ 0, 0xd0, 0xd3, ALL_REGS, NONE | P66 },		/* rol .. sar */
	{ 0, 0xf5, 0xf5, ALL_REGS, NONE },			/* cmc */
	{ 0, 0xf6, 0xf7, ALL_REGS & ~REG(1), NONE | P66 },	/* test .. idiv */
	{ 0, 0xf8, 0xf9, ALL_REGS, NONE },			/* clc, stc */
	{ 0, 0xfc, 0xfd, ALL_REGS, NONE },			/* cld, std */
	{ 0, 0xfe, 0xfe, REG(0) | REG(1), NONE },		/* inc, dec */
	{ 0, 0xff, 0xff, REG(0) | REG(1) | REG(6), NONE | P66 }, /* and push */
	{ 1, 0x10, 0x11, ALL_REGS, NONE | P66 | PF2 | PF3 },	/* movups .. movss */
	{ 1, 0x28, 0x29, ALL_REGS, NONE | P66 },		/* movaps, movapd */
	{ 1, 0x2a, 0x2a, ALL_REGS, PF2 | PF3 },			/* cvtsi2sd */
	{ 1, 0x2c, 0x2d, ALL_REGS, PF2 | PF3 },			/* cvttsd2si */
	{ 1, 0x2e, 0x2f, ALL_REGS, NONE | P66 },		/* ucomiss, comiss */
	{ 1, 0x40, 0x4f, ALL_REGS, NONE | P66 },		/* cmovcc */
	{ 1, 0x51, 0x51, ALL_REGS, NONE | P66 | PF2 | PF3 },	/* sqrtps .. */
	{ 1, 0x54, 0x57, ALL_REGS, NONE | P66 },		/* andps .. xorps */
	{ 1, 0x58, 0x59, ALL_REGS, NONE | P66 | PF2 | PF3 },	/* addps, mulps .. */
	{ 1, 0x5a, 0x5a, ALL_REGS, NONE | P66 | PF2 | PF3 },	/* cvtps2pd .. */
	{ 1, 0x5c, 0x5f, ALL_REGS, NONE | P66 | PF2 | PF3 },	/* subps .. maxps */
	{ 1, 0x6e, 0x6e, ALL_REGS, P66 },			/* movd to xmm */
	{ 1, 0x6f, 0x6f, ALL_REGS, P66 | PF3 },			/* movdqa, movdqu */
	{ 1, 0x7e, 0x7e, ALL_REGS, P66 | PF3 },			/* movd, movq */
	{ 1, 0x7f, 0x7f, ALL_REGS, P66 | PF3 },			/* movdqa, movdqu */
	{ 1, 0x90, 0x9f, ALL_REGS, NONE },			/* setcc */
	{ 1, 0xa3, 0xa5, ALL_REGS, NONE | P66 },		/* bt, shld */
	{ 1, 0xab, 0xad, ALL_REGS, NONE | P66 },		/* bts, shrd */
	{ 1, 0xaf, 0xaf, ALL_REGS, NONE | P66 },		/* imul */
	{ 1, 0xb3, 0xb3, ALL_REGS, NONE | P66 },		/* btr */
	{ 1, 0xb6, 0xb7, ALL_REGS, NONE | P66 },		/* movzx */
	{ 1, 0xb8, 0xb8, ALL_REGS, PF3 },			/* popcnt */
	{ 1, 0xba, 0xba, REG(4) | REG(5) | REG(6) | REG(7), NONE | P66 }, /* bt .. btc imm */
	{ 1, 0xbb, 0xbb, ALL_REGS, NONE | P66 },		/* btc */
	{ 1, 0xbc, 0xbd, ALL_REGS, NONE | P66 | PF3 },		/* bsf .. lzcnt */
	{ 1, 0xbe, 0xbf, ALL_REGS, NONE | P66 },		/* movsx */
	{ 1, 0xc8, 0xcf, ALL_REGS, NONE },			/* bswap */
	{ 1, 0xd6, 0xd6, ALL_REGS, P66 },			/* movq */
	{ 1, 0xef, 0xef, ALL_REGS, P66 },			/* pxor */
};

/* Returns NONE, P66, PF2 or PF3; 0 if @insn has several of them, or another prefix. */
static u8 boost_prefix(struct insn *insn)
{
	u8 seen = 0;
	insn_byte_t p;

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
		case 0x64:	/* fs */
		case 0x65:	/* gs */
		case 0x67:	/* a short address */
			break;
		default:
			return 0;
		}
	}
	if (!seen)
		return NONE;
	return is_power_of_2(seen) ? seen : 0;
}

static bool boost_has_rule(struct insn *insn)
{
	u8 map = insn->opcode.nbytes - 1, opcode, reg = 0, prefix;

	if (!insn->x86_64 || insn_is_avx_or_xop(insn) || insn_is_rex2(insn))
		return false;
	if (map > 1 || (map == 1 && insn->opcode.bytes[0] != 0x0f))
		return false;
	opcode = insn->opcode.bytes[map];
	if (insn->modrm.nbytes)
		reg = X86_MODRM_REG(insn->modrm.value);
	prefix = boost_prefix(insn);

	for (size_t i = 0; i < ARRAY_SIZE(boost_rules); i++) {
		const struct boost_rule *rule = &boost_rules[i];

		if (map == rule->map && opcode >= rule->first && opcode <= rule->last)
			return rule->regs & REG(reg) && rule->prefixes & prefix;
	}
	return false;
}

/**
 * arch_uprobe_boost_decode - may a slot of this instruction end with a jump?
 * @insn: decoded for any mode; its length is known for sure
 *
 * Returns what arch_uprobe_boost() returns.
 */
u8 arch_uprobe_boost_decode(struct insn *insn)
{
	u8 boost = insn->length;

	if (!boost_has_rule(insn))
		return 0;
	if (boost + JMP32_INSN_SIZE > UPROBE_BOOST_GRANULE)
		boost |= UPROBE_BOOST_PAIR;
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

/* Makes the ModRM byte at @modrm relative to ip, with an operand that is @diff further. */
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

	/* A jump to another address would fault in the slot, not at its target. */
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
 * If the jump has faulted, RF is set: clear it, or a hardware breakpoint at @next would
 * be skipped.
 */
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next)
{
	regs->ip = next;
	regs->flags &= ~X86_EFLAGS_RF;
}

#ifdef CONFIG_UPROBES_XOL_RUST_KUNIT_TEST
#include "uprobes_boost_test.c"
#include "uprobes_emulate_test.c"
#endif
