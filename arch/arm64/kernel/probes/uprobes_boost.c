// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted uprobes: the contents of a boosted slot, and the ways out of it.
 *
 * See uprobes_insn.c for the instructions that can be boosted, and
 * Documentation/trace/uprobes-xol-design.rst.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/string.h>
#include <linux/uprobes.h>
#include <linux/uprobes_boost.h>

#include <asm/cacheflush.h>
#include <asm/cpufeature.h>
#include <asm/insn.h>
#include <asm/processor.h>

#include "uprobes_insn.h"

/**
 * arch_uprobe_boost_fill - fills unused memory of slots with breakpoints
 * @kaddr: where the kernel writes the memory, aligned to an instruction
 * @size: bytes, a multiple of an instruction's
 */
void arch_uprobe_boost_fill(void *kaddr, size_t size)
{
	unsigned long start = (unsigned long)kaddr;

	memset32(kaddr, (__force u32)cpu_to_le32(AARCH64_BREAK_MON),
		 size / AARCH64_INSN_SIZE);
	sync_icache_aliases(start, start + size);
}

/**
 * arch_uprobe_boost_vm_flags - returns additional flags of the mapping of slots
 *
 * An indirect branch of the program must not lead to a slot: it would get past the
 * landing pads of a guarded text.
 */
vm_flags_t arch_uprobe_boost_vm_flags(void)
{
	return system_supports_bti() ? VM_ARM64_BTI : VM_NONE;
}

/**
 * arch_uprobe_boost - can this instruction be boosted?
 * @auprobe: the instruction, after arch_uprobe_analyze_insn()
 *
 * Returns the bytes of the instruction, or 0 if it cannot be boosted. The load of a
 * literal is stepped, because the kernel must first put the literal's address into a
 * register.
 */
u8 arch_uprobe_boost(const struct arch_uprobe *auprobe)
{
	if (auprobe->simulate)
		return 0;

	switch (uprobe_insn_class(le32_to_cpu(auprobe->insn))) {
	case UPROBE_INSN_FREE:
	case UPROBE_INSN_RETURN:
		return AARCH64_INSN_SIZE;
	default:
		return 0;
	}
}

/**
 * arch_uprobe_boost_insn - makes the contents of a boosted slot
 * @auprobe: the instruction, which can be boosted
 * @bp_vaddr: the address of the probe
 * @vaddr: the address of the slot
 * @bytes: UPROBE_BOOST_GRANULE bytes
 *
 * Returns false if the next instruction is out of reach, or outside of user space.
 * The slot of a return ends with a breakpoint instead of a branch.
 */
bool arch_uprobe_boost_insn(const struct arch_uprobe *auprobe, unsigned long bp_vaddr,
			    unsigned long vaddr, u8 *bytes)
{
	unsigned long next = bp_vaddr + AARCH64_INSN_SIZE;
	unsigned long branch_vaddr = vaddr + AARCH64_INSN_SIZE;
	long offset = next - branch_vaddr;
	__le32 slot[] = { auprobe->insn, cpu_to_le32(AARCH64_BREAK_MON) };

	BUILD_BUG_ON(sizeof(slot) != UPROBE_BOOST_GRANULE);

	if (offset < -UPROBE_BOOST_REACH || offset >= UPROBE_BOOST_REACH ||
	    next >= TASK_SIZE_64)
		return false;

	if (uprobe_insn_class(le32_to_cpu(auprobe->insn)) != UPROBE_INSN_RETURN)
		slot[1] = cpu_to_le32(aarch64_insn_gen_branch_imm(branch_vaddr, next,
								  AARCH64_INSN_BRANCH_NOLINK));
	memcpy(bytes, slot, sizeof(slot));
	return true;
}

/**
 * arch_uprobe_boosted_leave - takes a task out of its boosted slot
 * @regs: of the current task, which has executed the instruction
 * @next: where the branch leads
 */
void arch_uprobe_boosted_leave(struct pt_regs *regs, unsigned long next)
{
	instruction_pointer_set(regs, next);
}

/**
 * arch_uprobe_boosted_step - begins a step in a boosted slot
 * @copy: the instruction for arch_uprobe_post_xol() and arch_uprobe_abort_xol()
 * @regs: of the current task, which is at the slot's start
 * @boost: the result of arch_uprobe_boost() for the probe
 *
 * @copy says only that no register must be prepared, and restored if the step is aborted:
 * otherwise, a step is the same for all instructions that can be boosted.
 */
void arch_uprobe_boosted_step(struct arch_uprobe *copy, struct pt_regs *regs, u8 boost)
{
	memset(copy, 0, sizeof(*copy));
	arch_uprobe_pre_xol(copy, regs);
}

/* A step ends with a debug exception, never at a breakpoint. */
bool arch_uprobe_boosted_step_ended(struct pt_regs *regs)
{
	return false;
}

#ifdef CONFIG_UPROBES_KUNIT_TEST
#include "uprobes_boost_test.c"
#endif
