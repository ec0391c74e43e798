/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_UPROBES_H
#define _HOST_LINUX_UPROBES_H

#include <linux/compiler.h>

struct page;
struct pt_regs;

/* as in ../bindings/src/mm.rs */
struct arch_uprobe {
	unsigned char	ixol[UPROBE_INSN_BYTES];
	unsigned long	rest[3];
};

/* as in src/lib.rs */
struct uprobe_task {
	unsigned long	xol_vaddr;
};

/* in Rust */
void *arch_uretprobe_trampoline(unsigned long *psize);
void arch_uprobe_copy_ixol(struct page *page, unsigned long vaddr, void *src,
			   unsigned long len);

#endif
