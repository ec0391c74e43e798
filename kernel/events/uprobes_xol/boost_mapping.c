// SPDX-License-Identifier: GPL-2.0
/*
 * The mappings of boosted areas. A process may have several, each within reach of the
 * text whose probes it serves: a direct jump leads from each slot back to the text.
 *
 * User space may unmap such a mapping or map something else there. This harms only the
 * process itself: the kernel accesses slots through their pages, not through the mapping.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/security.h>
#include <linux/sizes.h>
#include <linux/uprobes_boost.h>

#include "../../../mm/internal.h"
#include "../uprobes_xol.h"

#define BOOST_AREA_SIZE		(1UL << UPROBE_BOOST_AREA_SHIFT)

/* The lowest address of an area: below it, an access through a null pointer must fault. */
#define BOOST_LOWEST		((unsigned long)SZ_1M)

/* Bytes above the heap that stay free for it */
#define BOOST_HEAP_GAP		SZ_1G

static vm_fault_t boost_mapping_fault(const struct vm_special_mapping *mapping,
				      struct vm_area_struct *vma, struct vm_fault *vmf)
{
	struct uprobe_boosted *boosted = vma->vm_mm->uprobes_state.boosted;
	struct page *page = uprobe_boosted_page(boosted, vma->vm_start, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static int boost_mapping_mremap(const struct vm_special_mapping *mapping,
				struct vm_area_struct *new_vma)
{
	return -EPERM;
}

static const struct vm_special_mapping boost_mapping = {
	.name	= "[uprobes]",
	.fault	= boost_mapping_fault,
	.mremap	= boost_mapping_mremap,
};

void uprobe_boost_fill_page(struct page *page)
{
	void *kaddr = kmap_local_page(page);

	arch_uprobe_boost_fill(kaddr, PAGE_SIZE);
	kunmap_local(kaddr);
}

/* The lowest address from which an area can reach a text that ends at @end. */
static unsigned long boost_lowest(unsigned long end)
{
	unsigned long reach = UPROBE_BOOST_REACH - BOOST_AREA_SIZE;

	return max3(end > reach ? end - reach : 0, mmap_min_addr, BOOST_LOWEST);
}

/*
 * Returns the nearest hole below the text, or else above it. A hole directly above a
 * program is left to the heap.
 */
static unsigned long boost_find_hole(struct mm_struct *mm, struct vm_area_struct *vma,
				     unsigned long bp_vaddr)
{
	unsigned long start = vma->vm_start, end = vma->vm_end, vaddr = -ENOMEM;
	struct vm_unmapped_area_info info = {
		.flags		= VM_UNMAPPED_AREA_TOPDOWN,
		.length		= BOOST_AREA_SIZE,
		.align_mask	= BOOST_AREA_SIZE - 1,
	};

	/* No area could reach the whole of a large text: use the part around the probe. */
	if (end - start > UPROBE_BOOST_REACH / 2) {
		start = PAGE_ALIGN_DOWN(bp_vaddr);
		end = start + PAGE_SIZE;
	}

	info.low_limit = boost_lowest(end);
	info.high_limit = start;
	if (info.low_limit < info.high_limit)
		vaddr = vm_unmapped_area(&info);
	if (!IS_ERR_VALUE(vaddr))
		return vaddr;

	info.flags = 0;
	info.low_limit = end;
	if (mm->brk >= end)
		info.low_limit = max(end, mm->brk + BOOST_HEAP_GAP);
	info.high_limit = min3(start + UPROBE_BOOST_REACH - BOOST_AREA_SIZE, DEFAULT_MAP_WINDOW,
			       mm->task_size);
	if (info.low_limit < info.high_limit)
		vaddr = vm_unmapped_area(&info);
	return vaddr;
}

int uprobe_boost_map_area(unsigned long bp_vaddr,
			  void (*mapped)(void *data, unsigned long vaddr), void *data)
{
	const vm_flags_t flags = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYEXEC | VM_DONTCOPY |
				 VM_DONTDUMP | VM_IO | VM_SEALED_SYSMAP |
				 arch_uprobe_boost_vm_flags();
	const vma_flags_t vma_flags = legacy_to_vma_flags(flags);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long vaddr;
	int err;

	if (mmap_write_lock_killable(mm))
		return -EINTR;

	/* The program's own mappings must not fail for the lack of what this takes. */
	err = -ENOMEM;
	vma = vma_lookup(mm, bp_vaddr);
	if (!vma || mm->map_count >= get_sysctl_max_map_count() ||
	    !may_expand_vm(mm, &vma_flags, BOOST_AREA_SIZE >> PAGE_SHIFT))
		goto unlock;

	vaddr = boost_find_hole(mm, vma, bp_vaddr);
	/* An error is greater, too. */
	if (vaddr > mm->task_size - BOOST_AREA_SIZE)
		goto unlock;

	vma = _install_special_mapping(mm, vaddr, BOOST_AREA_SIZE, flags, &boost_mapping);
	err = PTR_ERR_OR_ZERO(vma);
	if (!err)
		mapped(data, vaddr);
unlock:
	mmap_write_unlock(mm);
	return err;
}

void uprobe_boost_lock_area(struct mm_struct *mm, unsigned long vaddr,
			    void (*locked)(void *data, struct vm_area_struct *vma),
			    void *data)
{
	struct vm_area_struct *vma;

	mmap_write_lock(mm);
	vma = vma_lookup(mm, vaddr);
	if (vma && !vma_is_special_mapping(vma, &boost_mapping))
		vma = NULL;
	locked(data, vma);
	mmap_write_unlock(mm);
}

void uprobe_boost_unmap_page(struct vm_area_struct *vma, unsigned long index)
{
	zap_vma_range(vma, vma->vm_start + index * PAGE_SIZE, PAGE_SIZE);
}
