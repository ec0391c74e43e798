/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ARM64_KERNEL_PROBES_UPROBES_INSN_H
#define _ARM64_KERNEL_PROBES_UPROBES_INSN_H

#include <linux/types.h>

#include "decode-insn.h"

struct arch_uprobe;

/* Classes of a program's instructions, by their behaviour out of line */
enum uprobe_insn_class {
	/* The instruction may depend on its own address or on its neighbours. */
	UPROBE_INSN_BOUND,
	/* It does the same at any address, and the program goes on at the next instruction. */
	UPROBE_INSN_FREE,
	/* It does the same at any address, and the program goes on at an address in a register. */
	UPROBE_INSN_RETURN,
	/* It loads a general register from an address relative to pc, or prefetches from there. */
	UPROBE_INSN_LITERAL,
};

enum uprobe_insn_class uprobe_insn_class(u32 insn);
enum probe_insn arm_uprobe_decode_insn(struct arch_uprobe *auprobe);

#endif /* _ARM64_KERNEL_PROBES_UPROBES_INSN_H */
