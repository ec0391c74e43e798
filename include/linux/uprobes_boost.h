/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boosted uprobes: instructions that go on from their slot by a jump. For code that
 * shows the ip of a task, or decides by it. See Documentation/trace/uprobes-xol-design.rst.
 *
 * Not a part of linux/uprobes.h, which the whole kernel depends on.
 */
#ifndef _LINUX_UPROBES_BOOST_H
#define _LINUX_UPROBES_BOOST_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/uprobes.h>

#ifdef CONFIG_UPROBES_XOL_BOOST
#include <asm/uprobes_boost.h>

/* What arch_uprobe_boost() returns */
enum {
	UPROBE_BOOST_LENGTH	= 0x0f,	/* bytes of the instruction */
	UPROBE_BOOST_PAIR	= 0x10,	/* the slot has two granules */
	UPROBE_BOOST_REP	= 0x20,	/* each granule has the instruction; with PAIR */
};

/*
 * uprobe_boosted_ip - the ip of the program
 * @regs: of the current task, which may be in a boosted slot. Any context.
 */
unsigned long uprobe_boosted_ip(struct pt_regs *regs);

void __uprobe_boost_fault(void);

/*
 * The current task gets a signal for what it executes. If it is at the start of a
 * boosted slot, it is taken back to the probed instruction. Any context.
 */
static inline void uprobe_boost_fault(void)
{
	if (current->mm && unlikely(READ_ONCE(current->mm->uprobes_state.boosted)))
		__uprobe_boost_fault();
}

/*
 * What an architecture provides, besides the constants and inline functions of its
 * asm/uprobes_boost.h. A task in a boosted slot is at the slot's start, or directly
 * behind the instruction, at the jump to the program's next instruction.
 *
 * arch_uprobe_boost() returns 0 if @auprobe cannot be boosted, and otherwise its
 * length and the flags above.
 *
 * arch_uprobe_boost_insn() makes the bytes of the slot at @vaddr for the probe at
 * @bp_vaddr: a granule, or a pair of granules. It returns false if the slot cannot
 * reach the next instruction or the operand. Any context.
 *
 * arch_uprobe_boosted_leave() moves the current task, which has executed the
 * instruction, to @next as the jump would.
 *
 * arch_uprobe_boosted_step() begins a step of the current task, which is at the start
 * of the slot utask->xol_vaddr for the probe at utask->vaddr. @boost is what
 * arch_uprobe_boost() returned. It makes @copy, for the functions that end a step.
 * arch_uprobe_boosted_step_ended() returns whether such a step has come to a breakpoint
 * that ends it. Then it sets ip to the end of the instruction.
 */
u8 arch_uprobe_boost(const struct arch_uprobe *auprobe);
bool arch_uprobe_boost_insn(const struct arch_uprobe *auprobe, unsigned long bp_vaddr,
			    unsigned long vaddr, u8 *bytes);
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next);
void arch_uprobe_boosted_step(struct arch_uprobe *copy, struct pt_regs *regs, u8 boost);
bool arch_uprobe_boosted_step_ended(struct pt_regs *regs);
#else
#define uprobe_boosted_ip(regs)		instruction_pointer(regs)

static inline void uprobe_boost_fault(void)
{
}

static inline bool arch_uprobe_boosted_step_ended(struct pt_regs *regs)
{
	return false;
}
#endif

#endif /* _LINUX_UPROBES_BOOST_H */
