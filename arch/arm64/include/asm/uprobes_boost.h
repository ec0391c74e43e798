/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_ARM64_UPROBES_BOOST_H
#define _ASM_ARM64_UPROBES_BOOST_H

#include <linux/sizes.h>
#include <linux/thread_info.h>
#include <linux/types.h>

struct pt_regs;

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
#endif

#endif /* _ASM_ARM64_UPROBES_BOOST_H */
