/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slots for instructions that uprobes execute out of line (XOL): the interface
 * between the uprobe core and the implementations of slot management.
 *
 * There are two implementations, chosen by CONFIG_UPROBES_XOL_RUST: one in C,
 * uprobes_xol/single_page.c, and one in Rust, uprobes_xol/uprobes_xol.rs. This file
 * does not depend on the option, except in an assertion and in the inline functions for
 * boosting.
 */
#ifndef _KERNEL_EVENTS_UPROBES_XOL_H
#define _KERNEL_EVENTS_UPROBES_XOL_H

#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <linux/uprobes.h>
#include <linux/uprobes_boost.h>

struct page;

/* The head of every area. The implementation has its own data after it. */
struct xol_area {
	unsigned long	vaddr;	/* of slot 0, which holds the uretprobe trampoline */
	unsigned long	pages;	/* to be mapped; after uprobe_xol_add_vma(): mapped */
};

#ifdef CONFIG_UPROBES_XOL_RUST
/* Rust copies the beginning of the structure into a slot. */
static_assert(offsetof(struct arch_uprobe, ixol) == 0);
#endif

/* The state of a task, and a copy of the instruction that the task stepped last. */
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
 * uprobe_xol_make_area() creates the area of the current process, unless another
 * task has created it first. It returns the area, or NULL if there is none.
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
 * These functions are implemented in C and in Rust. None may be called in atomic
 * context.
 *
 * uprobe_xol_create_area() creates an area for the current process, mapped at
 * @vaddr, or anywhere if that is 0. uprobe_xol_page() returns a page of the area, or
 * NULL if the area has no such page; mmap_lock may be held.
 *
 * uprobe_xol_get_slot() copies @arch to the task and returns the address at which
 * the current task executes the instruction. It may sleep, but does not wait for
 * other tasks: it returns 0 if there is no slot at once. uprobe_xol_wait_slot()
 * then waits for a slot; it returns 0 if the task got a fatal signal.
 * uprobe_xol_put_slot() leaves the slot.
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

/* The geometry of boosted areas, and of keys. */
enum {
	UPROBE_BOOST_AREA_SHIFT	= 18,	/* log2 of an area's size and alignment in bytes */
	UPROBE_BOOST_AREAS	= 64,	/* the most areas of a process */
	UPROBE_BOOST_KEY_SHIFT	= 8,	/* of the number in a key; below: arch_uprobe_boost() */
	UPROBE_BOOST_FIRST_KEY	= 16,	/* smaller numbers are for slots without a probe */
	UPROBE_BOOST_STEPPED	= 1,	/* in place of an address: the slot is out of reach */
};

/* The head of a process's boosted slots. Rust has its own data after it. */
struct uprobe_boosted {
	u64		filter;	/* bit n: an area at n << UPROBE_BOOST_AREA_SHIFT, modulo 64 bits */
	struct pid	*tgid;	/* of the process; other processes may share its memory */
};

/* The meaning of an ip in a boosted slot. */
struct uprobe_boost_place {
	unsigned long	vaddr;		/* of the slot */
	unsigned long	bp_vaddr;	/* of the probed instruction */
	u8		boost;		/* arch_uprobe_boost() */
};

/*
 * Implemented in Rust if CONFIG_UPROBES_XOL_BOOST=y.
 *
 * uprobe_boosted_create() creates the boosted slots of the current process.
 * uprobe_boosted_free() gives them up.
 *
 * uprobe_boosted_find() returns the address of the slot of a probe, or 0.
 * uprobe_boosted_make() also makes a slot; it may sleep and take mmap_lock, but waits
 * for no hit. If the slot would be out of reach, it records this and returns
 * UPROBE_BOOST_STEPPED. The task that calls one of the two is an RCU Tasks Trace reader
 * until the slot is its ip.
 *
 * uprobe_boosted_remove() retires the slot of a probe, if there is one. It may sleep.
 * mmap_lock may be held.
 *
 * uprobe_boosted_at() finds the boosted slot that @ip is in. Any context.
 *
 * uprobe_boosted_page() returns the page number @index of the area at @vaddr, or NULL
 * if there is no memory. It may sleep. mmap_lock is held, so that the page is not freed.
 */
struct uprobe_boosted *uprobe_boosted_create(void);
void uprobe_boosted_free(struct uprobe_boosted *boosted);
unsigned long uprobe_boosted_find(struct uprobe_boosted *boosted, u64 key,
				  unsigned long bp_vaddr);
unsigned long uprobe_boosted_make(struct uprobe_boosted *boosted, u64 key,
				  const struct arch_uprobe *arch, unsigned long bp_vaddr);
void uprobe_boosted_remove(struct uprobe_boosted *boosted, u64 key,
			   unsigned long bp_vaddr);
bool uprobe_boosted_at(struct uprobe_boosted *boosted, unsigned long ip,
		       struct uprobe_boost_place *place);
struct page *uprobe_boosted_page(struct uprobe_boosted *boosted, unsigned long vaddr,
				 unsigned long index);

/*
 * Implemented in C if CONFIG_UPROBES_XOL_BOOST=y, called from Rust.
 *
 * uprobe_boost_fill_page() fills a page of boosted slots with breakpoints.
 *
 * uprobe_boost_map_area() maps an area within reach of the text at @bp_vaddr. It calls
 * @mapped with the area's address before any task can use the area. It takes mmap_lock;
 * it returns an error if there is no room, or after a fatal signal.
 *
 * uprobe_boost_lock_area() calls @locked while no task can map a page of the area at
 * @vaddr. @locked may unmap pages by uprobe_boost_unmap_page(). It takes mmap_lock.
 *
 * uprobe_boost_visit_ips() calls @visit with the ip that each task of @mm has at some
 * moment during the call. It sleeps, and waits for other CPUs. It returns false if it
 * could not look at all tasks.
 *
 * uprobe_boost_key_at() returns the key of the probe at @bp_vaddr, or 0. mmap_lock is
 * held.
 */
void uprobe_boost_fill_page(struct page *page);
int uprobe_boost_map_area(unsigned long bp_vaddr,
			  void (*mapped)(void *data, unsigned long vaddr), void *data);
void uprobe_boost_lock_area(struct mm_struct *mm, unsigned long vaddr,
			    void (*locked)(void *data, struct vm_area_struct *vma),
			    void *data);
void uprobe_boost_unmap_page(struct vm_area_struct *vma, unsigned long index);
bool uprobe_boost_visit_ips(struct mm_struct *mm,
			    void (*visit)(void *data, unsigned long ip), void *data);
u64 uprobe_boost_key_at(struct mm_struct *mm, unsigned long bp_vaddr);

/*
 * Boosting (uprobes_xol/boost.c): a task executes the instruction in a slot near the
 * program's text. A jump to the program's next instruction follows in the slot, so that
 * nothing is stepped.
 *
 * uprobe_boost_key() returns the key of a new probe, by which its boosted slots are
 * found, or 0 if the instruction cannot be boosted.
 *
 * uprobe_boost() makes the current task, which hit the probe, go on in a boosted slot.
 * It returns false if the instruction must be stepped. If the probe has no slot yet,
 * uprobe_boost_make() makes it.
 *
 * uprobe_boost_removed() retires the slot of a probe whose breakpoint was removed from
 * @mm. uprobe_free_boosted() frees all slots of a process that is gone.
 *
 * uprobe_leave_boosted() takes the current task out of a boosted slot before it handles
 * a signal, or begins a step in the slot.
 *
 * uprobe_boosted_step_is_lost() returns whether the current task, which steps, has gone
 * elsewhere. This happens if its process maps other code over the slot.
 *
 * uprobe_is_wanted() and vma_uprobe_key() are in uprobes.c. The first returns whether a
 * consumer wants @uprobe in the current process, the second the key of the probe at
 * @vaddr in @vma, or 0. The caller of the second holds mmap_lock.
 */
struct uprobe;

bool uprobe_is_wanted(struct uprobe *uprobe);
u64 vma_uprobe_key(struct vm_area_struct *vma, unsigned long vaddr);

#ifdef CONFIG_UPROBES_XOL_BOOST
extern bool uprobe_boost_enabled;

u64 uprobe_boost_key(const struct arch_uprobe *arch);
unsigned long uprobe_boost_make(struct uprobe *uprobe, u64 key, const struct arch_uprobe *arch,
				unsigned long bp_vaddr);
void uprobe_boost_removed(struct mm_struct *mm, u64 key, unsigned long bp_vaddr);
void uprobe_free_boosted(struct mm_struct *mm);
void uprobe_leave_boosted(void);

static inline bool uprobe_boost(struct uprobe *uprobe, u64 key,
				const struct arch_uprobe *arch, struct pt_regs *regs)
{
	unsigned long bp_vaddr = instruction_pointer(regs), vaddr = 0;
	struct uprobe_boosted *boosted;

	if (!key || unlikely(!READ_ONCE(uprobe_boost_enabled) || !arch_uprobe_may_boost(regs)))
		return false;

	/* Pairs with the release in boost_create() */
	boosted = READ_ONCE(current->mm->uprobes_state.boosted);
	if (likely(boosted))
		vaddr = uprobe_boosted_find(boosted, key, bp_vaddr);
	if (unlikely(!vaddr)) {
		vaddr = uprobe_boost_make(uprobe, key, arch, bp_vaddr);
		if (!vaddr)
			return false;
	}
	/* The core treats the task as one that executes nothing out of line. */
	arch_uprobe_boosted_enter(regs, vaddr);
	return true;
}

static inline bool uprobe_boosted_step_is_lost(const struct uprobe_task *utask,
					       struct pt_regs *regs)
{
	return utask->boosted &&
	       instruction_pointer(regs) - utask->xol_vaddr > UPROBE_BOOST_LENGTH;
}
#else
static inline u64 uprobe_boost_key(const struct arch_uprobe *arch)
{
	return 0;
}

static inline bool uprobe_boost(struct uprobe *uprobe, u64 key,
				const struct arch_uprobe *arch, struct pt_regs *regs)
{
	return false;
}

static inline void uprobe_boost_removed(struct mm_struct *mm, u64 key,
					unsigned long bp_vaddr)
{
}

static inline void uprobe_free_boosted(struct mm_struct *mm)
{
}

static inline void uprobe_leave_boosted(void)
{
}

static inline bool uprobe_boosted_step_is_lost(const struct uprobe_task *utask,
					       struct pt_regs *regs)
{
	return false;
}
#endif

/* Counts over all areas. */
enum uprobe_xol_counter {
	UPROBE_XOL_COUNT_SLOTS,		/* slots that hold an instruction */
	UPROBE_XOL_COUNT_PAGES,
	UPROBE_XOL_COUNT_TASKS,		/* tasks that have a slot cached */
	UPROBE_XOL_COUNT_RECYCLES,	/* slots that were recycled */
	UPROBE_XOL_COUNT_WAITS,		/* times that a task waited for a slot */
	UPROBE_XOL_COUNT_BOOSTED,	/* boosted slots */
	UPROBE_XOL_COUNT_UNBOOSTED,	/* hits stepped for lack of a boosted slot */
	UPROBE_XOL_COUNT_RECLAIMS,	/* boosted slots that were reclaimed */
	UPROBE_XOL_COUNT_BOOST_PAGES,	/* of boosted slots */
	UPROBE_XOL_COUNT_BOOST_AREAS,
	UPROBE_XOL_COUNTS,
};

/* Implemented in C if CONFIG_DEBUG_FS=y, called from Rust. Any context. */
void uprobe_xol_count(enum uprobe_xol_counter counter, long change);

/*
 * The most slots of an area in Rust. One holds the uretprobe trampoline.
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
