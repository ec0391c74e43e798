// SPDX-License-Identifier: GPL-2.0
/*
 * The mapping [uprobes] of an area, and the functions for it that architectures may
 * replace.
 *
 * An area belongs to an mm. It is created by the first task that needs a slot or a
 * uretprobe, and freed with the mm. User space may unmap [uprobes] or map something
 * else there. This harms only the process itself: the kernel accesses slots through
 * their pages, not through the mapping.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/uprobes.h>

#include "../../../mm/internal.h"
#include "../uprobes_xol.h"

static vm_fault_t mapping_fault(const struct vm_special_mapping *mapping,
				struct vm_area_struct *vma, struct vm_fault *vmf)
{
	struct xol_area *area = vma->vm_mm->uprobes_state.xol_area;
	struct page *page = uprobe_xol_page(area, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static int mapping_mremap(const struct vm_special_mapping *mapping,
			  struct vm_area_struct *new_vma)
{
	return -EPERM;
}

static const struct vm_special_mapping mapping_xol = {
	.name	= "[uprobes]",
	.fault	= mapping_fault,
	.mremap	= mapping_mremap,
};

unsigned long __weak arch_uprobe_get_xol_area(unsigned long size)
{
	/* The address is only a hint: as high as possible. */
	return get_unmapped_area(NULL, TASK_SIZE - size, size, 0, 0);
}

static int mapping_map(struct mm_struct *mm, struct xol_area *area)
{
	const vm_flags_t flags = VM_EXEC | VM_MAYEXEC | VM_DONTCOPY | VM_DONTDUMP | VM_IO |
				 VM_SEALED_SYSMAP;
	const vma_flags_t vma_flags = legacy_to_vma_flags(flags);
	unsigned long size = area->pages * PAGE_SIZE, vaddr = area->vaddr;
	struct vm_area_struct *vma;

	if (!vaddr)
		vaddr = arch_uprobe_get_xol_area(size);
	if (IS_ERR_VALUE(vaddr))
		return vaddr;

	/* Leave at least as many pages of the limit to the program. */
	if (area->pages > 1 && !may_expand_vm(mm, &vma_flags, 2 * area->pages))
		return -ENOMEM;

	vma = _install_special_mapping(mm, vaddr, size, flags, &mapping_xol);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	area->vaddr = vaddr;
	return 0;
}

int uprobe_xol_add_vma(struct xol_area *area)
{
	struct mm_struct *mm = current->mm;
	int err;

	if (mmap_write_lock_killable(mm))
		return -EINTR;

	err = -EALREADY;
	if (mm->uprobes_state.xol_area)
		goto unlock;

	/* One page is enough for a probe to work. */
	while ((err = mapping_map(mm, area)) && area->pages > 1)
		area->pages /= 2;
	if (!err) {
		/* Pairs with uprobe_xol_get_area() */
		smp_store_release(&mm->uprobes_state.xol_area, area);
	}
unlock:
	mmap_write_unlock(mm);
	return err;
}

struct xol_area *uprobe_xol_make_area(void)
{
	uprobe_xol_create_area(0);
	return READ_ONCE(current->mm->uprobes_state.xol_area);
}

void * __weak arch_uretprobe_trampoline(unsigned long *psize)
{
	static uprobe_opcode_t insn = UPROBE_SWBP_INSN;

	*psize = UPROBE_SWBP_INSN_SIZE;
	return &insn;
}

/*
 * The function that flushes the instruction cache for a user page needs the vma, which
 * is not known here. Most architectures need no flush. The others have their own version
 * of this function.
 */
void __weak arch_uprobe_copy_ixol(struct page *page, unsigned long vaddr,
				  void *src, unsigned long len)
{
	memcpy_to_page(page, offset_in_page(vaddr), src, len);
}
