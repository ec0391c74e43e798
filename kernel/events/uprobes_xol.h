/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slots for instructions that uprobes execute out of line (XOL): what the uprobe
 * core needs of an implementation, and what an implementation needs of the core.
 *
 * There are two implementations, chosen by CONFIG_UPROBES_XOL_RUST: one in C,
 * uprobes_xol/single_page.c, and one in Rust, uprobes_xol/uprobes_xol.rs. This file
 * does not depend on the option, except in the inline functions for boosting. So
 * the option changes Rust's bindings only by the constants that depend on it.
 */
#ifndef _KERNEL_EVENTS_UPROBES_XOL_H
#define _KERNEL_EVENTS_UPROBES_XOL_H

#include <linux/container_of.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <linux/uprobes.h>
#include <linux/uprobes_boost.h>

struct page;

/* The head of every area; the rest belongs to the implementation. */
struct xol_area {
	unsigned long	vaddr;	/* of slot 0, which holds the uretprobe trampoline */
	unsigned long	pages;	/* to be mapped; then: that are mapped */
};

/* A task's state, with a copy of the instruction that it steps or stepped last. */
struct uprobe_xol_task {
	struct uprobe_task	utask;
	struct arch_uprobe	arch;
};

static inline struct arch_uprobe *uprobe_xol_arch(struct uprobe_task *utask)
{
	return &container_of(utask, struct uprobe_xol_task, utask)->arch;
}

/*
 * The mapping [uprobes], the same for both implementations (uprobes_xol/mapping.c).
 * Both functions may sleep and take mmap_lock.
 *
 * uprobe_xol_make_area() creates the area of the current process, or finds the one
 * that another task has created meanwhile. It returns NULL if there is none.
 *
 * uprobe_xol_add_vma() maps an area for the current process, at area->vaddr, or
 * anywhere if that is 0. If there is no hole for area->pages, it maps fewer pages
 * and updates area->pages.
 */
struct xol_area *uprobe_xol_make_area(void);
int uprobe_xol_add_vma(struct xol_area *area);

static inline struct xol_area *uprobe_xol_get_area(void)
{
	/* Pairs with the release in uprobe_xol_add_vma() */
	struct xol_area *area = READ_ONCE(current->mm->uprobes_state.xol_area);

	return likely(area) ? area : uprobe_xol_make_area();
}

/*
 * Implemented in C and in Rust. None may be called in atomic context.
 *
 * uprobe_xol_create_area() creates an area for the current process, mapped at
 * @vaddr, or anywhere if that is 0. uprobe_xol_page() returns NULL for a page that
 * the area does not have yet.
 *
 * uprobe_xol_get_slot() copies @arch to the task and returns the address at which
 * the current task executes the instruction. It may sleep, but does not wait for
 * other tasks: it returns 0 if there is no slot at once. uprobe_xol_wait_slot()
 * waits for a slot; it returns 0 if the task got a fatal signal.
 * uprobe_xol_put_slot() gives the slot back.
 */
struct xol_area *uprobe_xol_create_area(unsigned long vaddr);
void uprobe_xol_free_area(struct xol_area *area);
struct page *uprobe_xol_page(struct xol_area *area, unsigned long index);
struct uprobe_task *uprobe_xol_alloc_utask(void);
void uprobe_xol_free_utask(struct xol_area *area, struct uprobe_task *utask);
unsigned long uprobe_xol_get_slot(struct xol_area *area, struct uprobe_task *utask,
				  const struct arch_uprobe *arch);
unsigned long uprobe_xol_wait_slot(struct xol_area *area, struct uprobe_task *utask);
void uprobe_xol_put_slot(struct xol_area *area, struct uprobe_task *utask);

/*
 * Implemented in uprobes.c: begins a step of @arch by the current task, whose
 * breakpoint is at @bp_vaddr. The caller is an RCU Tasks Trace reader. The
 * read-side section is ended while the task waits for a slot, and begun again.
 */
int uprobe_begin_step(const struct arch_uprobe *arch, struct pt_regs *regs,
		      unsigned long bp_vaddr);

/*
 * Boosting (uprobes_xol/boost.c): the slot ends with a jump, so that nothing is
 * stepped.
 *
 * uprobe_boost() makes the current task, which hit @arch, go on in a boosted slot.
 * It returns false if the instruction must be stepped. uprobe_leave_boosted() takes
 * the current task out of a boosted slot before it handles a signal.
 */
#ifdef CONFIG_UPROBES_XOL_BOOST
bool __uprobe_boost(const struct arch_uprobe *arch, struct pt_regs *regs);
void uprobe_leave_boosted(void);

static inline bool uprobe_boost(const struct arch_uprobe *arch, struct pt_regs *regs)
{
	return arch_uprobe_may_boost(arch) && __uprobe_boost(arch, regs);
}
#else
static inline bool uprobe_boost(const struct arch_uprobe *arch, struct pt_regs *regs)
{
	return false;
}

static inline void uprobe_leave_boosted(void)
{
}
#endif

/* A boosted slot, and the instruction and address that it is boosted for. */
struct uprobe_xol_boosted {
	unsigned long		vaddr;	/* of the slot */
	unsigned long		next;	/* where its jump leads */
	struct arch_uprobe	arch;
};

/*
 * Implemented in Rust if CONFIG_UPROBES_XOL_BOOST=y.
 *
 * uprobe_xol_boost() is like uprobe_xol_get_slot(), but the task does not give
 * back the slot, and never waits: 0 means that the instruction must be stepped. The
 * task is an RCU Tasks Trace reader until the slot is its ip.
 *
 * uprobe_xol_boosted_at() finds the boosted slot that @ip is in. Any context.
 */
unsigned long uprobe_xol_boost(struct xol_area *area, const struct arch_uprobe *arch,
			       unsigned long next);
bool uprobe_xol_boosted_at(struct xol_area *area, unsigned long ip,
			   struct uprobe_xol_boosted *boosted);

/*
 * Implemented in C if CONFIG_UPROBES_XOL_BOOST=y (uprobes_xol/boost.c), called
 * from Rust to find boosted slots that no probe needs and no task is in. Neither
 * sleeps.
 *
 * uprobe_xol_is_probed() returns whether the current process has a breakpoint at
 * the instruction @arch, which lies directly before @next. uprobe_xol_visit_ips()
 * calls @visit with the ip of each task of the current process, as it is at some
 * moment during the call; it waits for other CPUs, and returns false if it could
 * not look at all tasks.
 */
bool uprobe_xol_is_probed(const struct arch_uprobe *arch, unsigned long next);
bool uprobe_xol_visit_ips(void (*visit)(void *data, unsigned long ip), void *data);

/* Counts over all areas. */
enum uprobe_xol_counter {
	UPROBE_XOL_COUNT_SLOTS,		/* slots that hold an instruction */
	UPROBE_XOL_COUNT_PAGES,
	UPROBE_XOL_COUNT_TASKS,		/* tasks that have a slot cached */
	UPROBE_XOL_COUNT_RECYCLES,	/* slots that were recycled */
	UPROBE_XOL_COUNT_WAITS,		/* times that a task waited for a slot */
	UPROBE_XOL_COUNT_BOOSTED,	/* slots that end with a jump */
	UPROBE_XOL_COUNT_UNBOOSTED,	/* hits that found no slot to boost */
	UPROBE_XOL_COUNT_RECLAIMS,	/* boosted slots that were reclaimed */
	UPROBE_XOL_COUNTS,
};

/* Implemented in C if CONFIG_DEBUG_FS=y, called from Rust. Any context. */
void uprobe_xol_count(enum uprobe_xol_counter counter, long change);

/*
 * The most slots of an area in Rust. One holds the uretprobe trampoline. At most
 * half of the others may be boosted.
 */
#define UPROBE_XOL_SLOTS	2048

/* The geometry, as constants that bindgen can evaluate. */
enum {
	/* Pages that an area maps. Memory is allocated when slots run out. */
	UPROBE_XOL_PAGES = UPROBE_XOL_SLOTS * UPROBE_XOL_SLOT_BYTES > PAGE_SIZE ?
			   UPROBE_XOL_SLOTS * UPROBE_XOL_SLOT_BYTES / PAGE_SIZE : 1,
	/* Slots per page. A large page has room for more, but each slot needs a record. */
	UPROBE_XOL_SLOTS_PER_PAGE = UPROBE_XOL_SLOTS / UPROBE_XOL_PAGES,
	/* Bytes from one slot to the next. */
	UPROBE_XOL_SLOT_SIZE = UPROBE_XOL_SLOT_BYTES,
	/* Bytes of an instruction as it is copied into a slot. */
	UPROBE_XOL_INSN_SIZE = sizeof_field(struct arch_uprobe, ixol),
};

#endif /* _KERNEL_EVENTS_UPROBES_XOL_H */
