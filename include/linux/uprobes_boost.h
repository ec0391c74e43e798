/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boosted uprobes: a task leaves the slot of its instruction by a jump. This header is
 * for code that shows the ip of a task, or that decides by the ip. See
 * Documentation/trace/uprobes-xol-design.rst.
 *
 * It is separate from linux/uprobes.h because nearly all files include that one.
 */
#ifndef _LINUX_UPROBES_BOOST_H
#define _LINUX_UPROBES_BOOST_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/uprobes.h>

#ifdef CONFIG_UPROBES_XOL_BOOST
#include <asm/uprobes_boost.h>

/* The result of arch_uprobe_boost() */
enum {
	UPROBE_BOOST_LENGTH	= 0x0f,	/* bytes of the instruction */
	UPROBE_BOOST_PAIR	= 0x10,	/* the slot has two granules */
	UPROBE_BOOST_REP	= 0x20,	/* with PAIR: each granule holds the instruction */
};

unsigned long __uprobe_boosted_ip(struct pt_regs *regs);

/*
 * uprobe_boosted_ip - returns the ip of the program, never one in a boosted slot
 * @regs: registers of the current task
 *
 * The exception is a task that steps in a boosted slot. Any context.
 */
static inline unsigned long uprobe_boosted_ip(const struct pt_regs *regs)
{
	if (likely(!current->mm || !READ_ONCE(current->mm->uprobes_state.boosted)))
		return instruction_pointer((struct pt_regs *)regs);	/* It takes no const. */
	return __uprobe_boosted_ip((struct pt_regs *)regs);
}

void __uprobe_boost_fault(void);

/*
 * Moves the current task from the start of a boosted slot to the probed instruction. For
 * signals that the task's instruction raises. Any context.
 */
static inline void uprobe_boost_fault(void)
{
	if (current->mm && unlikely(READ_ONCE(current->mm->uprobes_state.boosted)))
		__uprobe_boost_fault();
}

/*
 * An architecture provides these functions. Its asm/uprobes_boost.h has the constants
 * UPROBE_BOOST_GRANULE, the bytes of a granule, and UPROBE_BOOST_REACH, the bytes that
 * a jump reaches in each direction. It also has arch_uprobe_boost_fill(), which fills
 * memory with breakpoints, and arch_uprobe_may_boost(), which returns whether the
 * current task, which has hit a probe, may execute its instruction in a boosted slot.
 * A task in a boosted slot is at the slot's start, or directly after the instruction,
 * at the jump to the program's next instruction.
 *
 * arch_uprobe_boost() returns 0 if @auprobe cannot be boosted. Otherwise it returns the
 * length of the instruction and the flags above.
 *
 * arch_uprobe_boost_insn() makes the bytes of the slot at @vaddr for the probe at
 * @bp_vaddr: a granule, or a pair of granules. It returns false if the slot cannot
 * reach the next instruction or the operand. Any context.
 *
 * arch_uprobe_boosted_leave() moves the current task, which has executed the
 * instruction, to @next as the jump would.
 *
 * arch_uprobe_boosted_step() begins a step of the current task, which is at the start
 * of the slot utask->xol_vaddr for the probe at utask->vaddr. @boost is the result of
 * arch_uprobe_boost(). The function makes @copy for the functions that end a step.
 *
 * arch_uprobe_boosted_step_ended() returns whether such a step has come to the breakpoint
 * that ends it, and then sets ip to the end of the instruction.
 *
 * The last two functions are optional. arch_uprobe_boost_vm_flags() returns flags that
 * the mapping of an area has besides those of all architectures.
 * arch_uprobe_boosted_enter() moves the current task to the start of the slot at @vaddr.
 */
u8 arch_uprobe_boost(const struct arch_uprobe *auprobe);
bool arch_uprobe_boost_insn(const struct arch_uprobe *auprobe, unsigned long bp_vaddr,
			    unsigned long vaddr, u8 *bytes);
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next);
void arch_uprobe_boosted_step(struct arch_uprobe *copy, struct pt_regs *regs, u8 boost);
bool arch_uprobe_boosted_step_ended(struct pt_regs *regs);

#ifndef arch_uprobe_boost_vm_flags
#define arch_uprobe_boost_vm_flags()			VM_NONE
#endif

#ifndef arch_uprobe_boosted_enter
#define arch_uprobe_boosted_enter(regs, vaddr)		instruction_pointer_set(regs, vaddr)
#endif
#else
static inline unsigned long uprobe_boosted_ip(const struct pt_regs *regs)
{
	return instruction_pointer((struct pt_regs *)regs);
}

static inline void uprobe_boost_fault(void)
{
}

static inline bool arch_uprobe_boosted_step_ended(struct pt_regs *regs)
{
	return false;
}
#endif

#endif /* _LINUX_UPROBES_BOOST_H */
