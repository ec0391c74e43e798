/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam between the uprobe core in C and XOL slots managed in Rust.
 *
 * What was made for either side to know of the other is declared here. It does
 * not depend on CONFIG_UPROBES_XOL_RUST, so that switching the option changes
 * nothing in the bindings but constants.
 */
#ifndef _LINUX_UPROBES_XOL_H
#define _LINUX_UPROBES_XOL_H

#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/uprobes.h>

struct mm_struct;
struct page;

/*
 * An area grows to that many slots: the trampoline's, and others for as many
 * different instructions at the same time. Up to half of them may be boosted.
 */
#define UPROBE_XOL_SLOTS	2048

/* The geometry, as constants that bindgen can evaluate. */
enum {
	/* Pages that an area can have. All of them are mapped, memory comes later. */
	UPROBE_XOL_PAGES = UPROBE_XOL_SLOTS * UPROBE_XOL_SLOT_BYTES > PAGE_SIZE ?
			   UPROBE_XOL_SLOTS * UPROBE_XOL_SLOT_BYTES / PAGE_SIZE : 1,
	/* Slots of a page. There may be room for more, but each has a price. */
	UPROBE_XOL_SLOTS_PER_PAGE = UPROBE_XOL_SLOTS / UPROBE_XOL_PAGES,
	/* Bytes from one slot to the next. */
	UPROBE_XOL_SLOT_SIZE = UPROBE_XOL_SLOT_BYTES,
	/* Bytes of an instruction as it is copied into a slot. */
	UPROBE_XOL_INSN_SIZE = sizeof_field(struct arch_uprobe, ixol),
	/* Bytes of a boosted slot: the instruction, a jump, and where that leads. */
	UPROBE_XOL_BOOSTED_SIZE = 32,
};

/*
 * What the C core needs of an area. It is the beginning of the Rust side's
 * XolArea; mm->uprobes_state.xol_area points to it.
 */
struct xol_area {
	unsigned long	vaddr;	/* of the mapping, set by uprobe_xol_add_vma() */
};

/*
 * What uprobe_xol_alloc_utask() allocates, as far as the C core knows it: with a
 * copy of what is being stepped, so that the probe may go meanwhile.
 */
struct uprobe_xol_task {
	struct uprobe_task	utask;
	struct arch_uprobe	arch;
};

/*
 * Implemented in Rust, called by the C core. None may be called in atomic
 * context.
 */
struct xol_area *uprobe_xol_create_area(unsigned long vaddr);
void uprobe_xol_free_area(struct xol_area *area);
struct uprobe_task *uprobe_xol_alloc_utask(void);
void uprobe_xol_free_utask(struct xol_area *area, struct uprobe_task *utask);
unsigned long uprobe_xol_get_slot(struct xol_area *area,
				  struct uprobe_task *utask,
				  const struct arch_uprobe *arch);
unsigned long uprobe_xol_wait_slot(struct xol_area *area,
				   struct uprobe_task *utask);
void uprobe_xol_put_slot(struct xol_area *area, struct uprobe_task *utask);
struct page *uprobe_xol_page(struct xol_area *area, unsigned long index);

/* What a boosted slot is for: it ends with a jump, so that nothing is stepped. */
struct uprobe_xol_boosted {
	unsigned long		vaddr;	/* of the slot */
	unsigned long		next;	/* where its jump leads */
	struct arch_uprobe	arch;
};

/*
 * Implemented in Rust if CONFIG_UPROBES_XOL_BOOST=y, called by the C core.
 *
 * The first one is called like uprobe_xol_get_slot(), but the task does not put
 * what it gets, and never waits: 0 means that the instruction is to be stepped. The
 * task is an RCU Tasks Trace reader until what it got is its ip.
 *
 * The second one tells what the boosted slot is for that @ip is in, if it is in
 * one. It may be called in any context.
 */
unsigned long uprobe_xol_boost(struct xol_area *area,
			       const struct arch_uprobe *arch,
			       unsigned long next);
bool uprobe_xol_boosted_at(struct xol_area *area, unsigned long ip,
			   struct uprobe_xol_boosted *boosted);

/* What is counted, over all areas. */
enum uprobe_xol_counter {
	UPROBE_XOL_COUNT_SLOTS,		/* slots that have an instruction */
	UPROBE_XOL_COUNT_PAGES,
	UPROBE_XOL_COUNT_TASKS,		/* tasks that have a slot */
	UPROBE_XOL_COUNT_RECYCLES,	/* slots that were made unused */
	UPROBE_XOL_COUNT_WAITS,		/* times that a task queued for a slot */
	UPROBE_XOL_COUNT_BOOSTED,	/* slots that end with a jump */
	UPROBE_XOL_COUNT_UNBOOSTED,	/* hits for which there was none */
	UPROBE_XOL_COUNT_RECLAIMS,	/* boosted slots that were made unused */
	UPROBE_XOL_COUNTS,
};

/*
 * Implemented in C, called from Rust; the second one only if CONFIG_DEBUG_FS=y,
 * and in any context.
 */
int uprobe_xol_add_vma(struct xol_area *area);
void uprobe_xol_count(enum uprobe_xol_counter counter, long change);

/*
 * Implemented in C if CONFIG_UPROBES_XOL_BOOST=y, called from Rust to find boosted
 * slots that nobody needs and nobody is in. None sleeps; uprobe_xol_start_grace()
 * takes locks, and the last one waits for other CPUs.
 *
 * The first one tells the time in jiffies. The next two tell when all hits are over
 * that were not when uprobe_xol_start_grace() was called, as far as they look for a
 * slot; the fourth one, whether the current process has a breakpoint at the
 * instruction @arch, which @next follows. The last one calls @visit with the ip of
 * each task of the process, as it is at some moment during the call, and returns
 * false if it could not look at all tasks.
 */
unsigned long uprobe_xol_now(void);
unsigned long uprobe_xol_start_grace(void);
bool uprobe_xol_grace_is_over(unsigned long grace);
bool uprobe_xol_is_probed(const struct arch_uprobe *arch, unsigned long next);
bool uprobe_xol_visit_ips(void (*visit)(void *data, unsigned long ip), void *data);

/*
 * Implemented by the architecture if CONFIG_UPROBES_XOL_BOOST=y, called from Rust
 * in any context: makes the UPROBE_XOL_BOOSTED_SIZE bytes of a slot that executes
 * @arch and goes on at @next.
 */
void arch_uprobe_boosted_insn(const struct arch_uprobe *arch,
			      unsigned long next, u8 *insn);

#endif /* _LINUX_UPROBES_XOL_H */
