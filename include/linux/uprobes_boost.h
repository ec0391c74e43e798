/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boosted uprobes: instructions that go on from their slot by a jump. For those who
 * show the ip of a task, or decide by it. See Documentation/trace/uprobes-xol.rst.
 *
 * Not a part of linux/uprobes.h, which the whole kernel depends on.
 */
#ifndef _LINUX_UPROBES_BOOST_H
#define _LINUX_UPROBES_BOOST_H

#include <linux/uprobes.h>

#ifdef CONFIG_UPROBES_XOL_BOOST
#include <asm/uprobes_boost.h>

unsigned long uprobe_boosted_ip(struct pt_regs *regs);
#else
#define uprobe_boosted_ip(regs)		instruction_pointer(regs)
#endif

#endif /* _LINUX_UPROBES_BOOST_H */
