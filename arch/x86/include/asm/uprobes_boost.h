/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_UPROBES_BOOST_H
#define _ASM_X86_UPROBES_BOOST_H

#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/wordpart.h>
#include <linux/uprobes.h>

#include <asm/ptrace.h>

struct insn;

#ifdef CONFIG_UPROBES_XOL_BOOST
/* Most instructions and the jump behind them take one granule, the longest ones two. */
enum { UPROBE_BOOST_GRANULE = 16 };

/* Of the jump, and of an operand that is relative to ip */
#define UPROBE_BOOST_REACH	SZ_2G

/* int3 */
enum { UPROBE_BOOST_FILL = UPROBE_SWBP_INSN };

static inline void arch_uprobe_boost_fill(void *kaddr, size_t size)
{
	memset64(kaddr, REPEAT_BYTE(UPROBE_BOOST_FILL), size / sizeof(u64));
}

/*
 * A debugger that steps the program sets TF. Boosted instructions are those of 64-bit
 * mode.
 */
static inline bool arch_uprobe_may_boost(struct pt_regs *regs)
{
	return !(regs->flags & X86_EFLAGS_TF) && user_64bit_mode(regs);
}

u8 arch_uprobe_boost_decode(struct insn *insn);
#else
static inline u8 arch_uprobe_boost_decode(struct insn *insn)
{
	return 0;
}
#endif

#endif /* _ASM_X86_UPROBES_BOOST_H */
