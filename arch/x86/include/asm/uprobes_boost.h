/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_UPROBES_BOOST_H
#define _ASM_X86_UPROBES_BOOST_H

#include <linux/bitops.h>
#include <linux/types.h>
#include <linux/uprobes.h>

struct insn;
struct pt_regs;

#ifdef CONFIG_UPROBES_XOL_BOOST
/* Bytes of a boosted slot: the instruction, a jump, and the address it leads to */
enum { UPROBE_BOOSTED_SIZE = 32 };

bool arch_uprobe_can_boost(struct insn *insn);
unsigned long arch_uprobe_boost_next(const struct arch_uprobe *auprobe,
				     struct pt_regs *regs);
unsigned int arch_uprobe_boosted_jump(const struct arch_uprobe *auprobe);
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next);

/* The answer of arch_uprobe_can_boost(), kept for all hits */
static inline bool arch_uprobe_may_boost(const struct arch_uprobe *auprobe)
{
	return test_bit(ARCH_UPROBE_FLAG_BOOST, &auprobe->flags);
}
#else
static inline bool arch_uprobe_can_boost(struct insn *insn)
{
	return false;
}
#endif

#endif /* _ASM_X86_UPROBES_BOOST_H */
