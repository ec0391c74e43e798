// SPDX-License-Identifier: GPL-2.0
/*
 * Slots managed in C: each process has a page of slots, and a bitmap of the slots that
 * are taken. A task takes a slot for each step, and waits if all are taken.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uprobes.h>
#include <linux/wait.h>

#include "../uprobes_xol.h"

#define SINGLE_PAGE_SLOTS	(PAGE_SIZE / UPROBE_XOL_SLOT_BYTES)

struct single_page {
	struct xol_area		xol;
	struct page		*page;
	wait_queue_head_t	wq;	/* of tasks that found all slots taken */
	DECLARE_BITMAP(taken, SINGLE_PAGE_SLOTS);
};

static struct single_page *single_page_of(struct xol_area *area)
{
	return container_of(area, struct single_page, xol);
}

struct xol_area *uprobe_xol_create_area(unsigned long vaddr)
{
	struct single_page *slots = kzalloc_obj(*slots);
	unsigned long size;
	void *trampoline;

	if (!slots)
		return NULL;
	slots->page = alloc_page(GFP_HIGHUSER | __GFP_ZERO);
	if (!slots->page)
		goto free_slots;

	slots->xol.vaddr = vaddr;
	slots->xol.pages = 1;
	init_waitqueue_head(&slots->wq);
	/* The first slot holds the uretprobe trampoline. */
	__set_bit(0, slots->taken);
	trampoline = arch_uretprobe_trampoline(&size);
	arch_uprobe_copy_ixol(slots->page, 0, trampoline, size);

	if (!uprobe_xol_add_vma(&slots->xol))
		return &slots->xol;

	__free_page(slots->page);
free_slots:
	kfree(slots);
	return NULL;
}

void uprobe_xol_free_area(struct xol_area *area)
{
	struct single_page *slots = single_page_of(area);

	put_page(slots->page);
	kfree(slots);
}

struct page *uprobe_xol_page(struct xol_area *area, unsigned long index)
{
	return index ? NULL : single_page_of(area)->page;
}

struct uprobe_task *uprobe_xol_alloc_utask(void)
{
	struct uprobe_xol_task *task = kzalloc_obj(*task);

	return task ? &task->utask : NULL;
}

void uprobe_xol_free_utask(struct xol_area *area, struct uprobe_task *utask)
{
	kfree(container_of(utask, struct uprobe_xol_task, utask));
}

/* Takes a slot and fills it; returns its address, or 0 if there is none. */
static unsigned long single_page_take(struct single_page *slots, struct uprobe_task *utask)
{
	struct arch_uprobe *arch = uprobe_xol_arch(utask);
	unsigned long slot, vaddr;

	do {
		slot = find_first_zero_bit(slots->taken, SINGLE_PAGE_SLOTS);
		if (slot >= SINGLE_PAGE_SLOTS)
			return 0;
	} while (test_and_set_bit(slot, slots->taken));

	vaddr = slots->xol.vaddr + slot * UPROBE_XOL_SLOT_BYTES;
	arch_uprobe_copy_ixol(slots->page, vaddr, &arch->ixol, sizeof(arch->ixol));
	return vaddr;
}

unsigned long uprobe_xol_get_slot(struct xol_area *area, struct uprobe_task *utask,
				  const struct arch_uprobe *arch)
{
	*uprobe_xol_arch(utask) = *arch;
	return single_page_take(single_page_of(area), utask);
}

unsigned long uprobe_xol_wait_slot(struct xol_area *area, struct uprobe_task *utask)
{
	struct single_page *slots = single_page_of(area);
	unsigned long vaddr = 0;

	wait_event_killable(slots->wq, (vaddr = single_page_take(slots, utask)));
	return vaddr;
}

void uprobe_xol_put_slot(struct xol_area *area, struct uprobe_task *utask)
{
	struct single_page *slots = single_page_of(area);
	unsigned long offset = utask->xol_vaddr - area->vaddr;

	if (WARN_ON_ONCE(offset >= PAGE_SIZE))
		return;
	clear_bit(offset / UPROBE_XOL_SLOT_BYTES, slots->taken);
	/*
	 * Pairs with the barrier in wait_event_killable(): either this task sees the
	 * waiting task in the queue, or the waiting task sees the slot.
	 */
	smp_mb__after_atomic();
	/* After the barrier: see above. */
	if (waitqueue_active(&slots->wq))
		wake_up(&slots->wq);
}
