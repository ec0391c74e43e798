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
/* Bytes of a granule. A slot is one granule, or two if the instruction is long. */
enum { UPROBE_BOOST_GRANULE = 16 };

/* Bytes that the jump, and an operand relative to ip, reach in both directions */
#define UPROBE_BOOST_REACH	SZ_2G

/* The byte of int3 */
enum { UPROBE_BOOST_FILL = UPROBE_SWBP_INSN };

static inline void arch_uprobe_boost_fill(void *kaddr, size_t size)
{
	memset64(kaddr, REPEAT_BYTE(UPROBE_BOOST_FILL), size / sizeof(u64));
}

/*
 * A debugger that single-steps the program sets TF. Only 64-bit code is boosted.
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
