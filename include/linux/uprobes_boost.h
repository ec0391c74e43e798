/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boosted uprobes: instructions that go on from their slot by a jump. For code that
 * shows the ip of a task, or decides by it. See Documentation/trace/uprobes-xol-design.rst.
 *
 * Not a part of linux/uprobes.h, which the whole kernel depends on.
 */
#ifndef _LINUX_UPROBES_BOOST_H
#define _LINUX_UPROBES_BOOST_H

#include <linux/uprobes.h>

#ifdef CONFIG_UPROBES_XOL_BOOST
#include <asm/uprobes_boost.h>

/*
 * uprobe_boosted_ip - the ip of the program
 * @regs: of the current task, which may be in a boosted slot. Any context.
 */
unsigned long uprobe_boosted_ip(struct pt_regs *regs);

/*
 * Makes the UPROBE_BOOSTED_SIZE bytes of a slot that executes @arch and goes on at
 * @next. Any context.
 */
void arch_uprobe_boosted_insn(const struct arch_uprobe *arch, unsigned long next,
			      u8 *insn);
#else
#define uprobe_boosted_ip(regs)		instruction_pointer(regs)
#endif

#endif /* _LINUX_UPROBES_BOOST_H */
