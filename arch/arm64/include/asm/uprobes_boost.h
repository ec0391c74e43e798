/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_ARM64_UPROBES_BOOST_H
#define _ASM_ARM64_UPROBES_BOOST_H

#include <linux/mm_types.h>
#include <linux/sizes.h>
#include <linux/thread_info.h>
#include <linux/types.h>

#include <asm/ptrace.h>

#ifdef CONFIG_UPROBES_XOL_BOOST
/* Bytes of a granule: an instruction, and a branch to the next one */
enum { UPROBE_BOOST_GRANULE = 8 };

/* Bytes that a branch reaches in both directions */
#define UPROBE_BOOST_REACH	SZ_128M

void arch_uprobe_boost_fill(void *kaddr, size_t size);

/* A thread that is single-stepped must not execute two instructions. */
static inline bool arch_uprobe_may_boost(struct pt_regs *regs)
{
	return !test_thread_flag(TIF_SINGLESTEP);
}

vm_flags_t arch_uprobe_boost_vm_flags(void);
#define arch_uprobe_boost_vm_flags arch_uprobe_boost_vm_flags

/* The indirect branch that led to the breakpoint must not be checked in the slot. */
static inline void arch_uprobe_boosted_enter(struct pt_regs *regs, unsigned long vaddr)
{
	instruction_pointer_set(regs, vaddr);
	regs->pstate &= ~PSR_BTYPE_MASK;
}
#define arch_uprobe_boosted_enter arch_uprobe_boosted_enter
#endif

#endif /* _ASM_ARM64_UPROBES_BOOST_H */
