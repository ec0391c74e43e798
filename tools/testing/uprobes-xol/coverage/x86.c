// SPDX-License-Identifier: GPL-2.0
/* The files of the kernel for x86-64, in one unit */
#define CONFIG_X86_64
#define CONFIG_UPROBES

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};

struct thread_struct {
	unsigned int trap_nr;
};

#include "kernel.h"
#include "coverage.h"

#define TASK_SIZE_MAX		0x7ffffffff000
#define TASK_SIZE		TASK_SIZE_MAX
#define is_64bit_mm(mm)		true

enum { CALL_INSN_SIZE = 5, CALL_INSN_OPCODE = 0xe8 };
enum { JMP32_INSN_SIZE = 5, JMP32_INSN_OPCODE = 0xe9 };
enum { INT3_INSN_OPCODE = 0xcc };

#include "arch/x86/lib/inat.c"
#include "arch/x86/lib/insn.c"

/* The rest of linux/mm.h, and segments: for hits only */
struct vm_area_struct {
	struct mm_struct *vm_mm;
	unsigned long vm_start;
};

struct vm_special_mapping {
	const char *name;
	struct page **pages;
	int (*mremap)(const struct vm_special_mapping *, struct vm_area_struct *);
};

struct vm_unmapped_area_info {
	unsigned long flags, length, low_limit, high_limit, align_mask;
};

struct desc_ptr {
	unsigned long address;
	unsigned int size;
};

struct desc_struct {
	unsigned int l, d, g, type;
};

enum { VM_UNMAPPED_AREA_TOPDOWN, VM_READ, VM_EXEC, VM_MAYREAD, VM_MAYEXEC, VM_IO };
enum { FOLL_FORCE, FOLL_SPLIT_PMD };
enum { MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE };
enum { SEGMENT_RPL_MASK, SEGMENT_TI_MASK };
enum { TIF_BLOCKSTEP, UPROBE_NO_TRAMPOLINE_VADDR };
enum {
	X86_EFLAGS_CF, X86_EFLAGS_PF, X86_EFLAGS_ZF, X86_EFLAGS_SF, X86_EFLAGS_OF,
	X86_EFLAGS_TF, X86_EFLAGS_RF, X86_EFLAGS_AC,
};

#define VMA_ITERATOR(name, mm, addr)	int name
#define for_each_vma(vmi, vma)		while (vma)
#define savesegment(segment, value)

#include "arch/x86/lib/insn-eval.c"
#if __has_include("arch/x86/kernel/uprobes_boost.c")
#define CONFIG_UPROBES_XOL_BOOST
#include "arch/x86/kernel/uprobes_boost.c"
#endif
#include "arch/x86/kernel/uprobes.c"

void report_insn(const unsigned char *bytes, unsigned long vaddr, struct insn_report *report)
{
	struct arch_uprobe auprobe = { };
	struct mm_struct mm;
	struct insn insn;

	*report = (struct insn_report){ .treatment = REFUSED };
	if (insn_decode(&insn, bytes, PROBED_BYTES, INSN_MODE_64) < 0)
		return;
	report->length = insn.length;
	report->is_return = !insn.vex_prefix.nbytes &&
			    (insn.opcode.value == 0xc2 || insn.opcode.value == 0xc3);

	memcpy(auprobe.insn, bytes, PROBED_BYTES);
	if (arch_uprobe_analyze_insn(&auprobe, &mm, vaddr))
		return;
	report->treatment = STEPPED;
	if (auprobe.ops->emulate)
		report->treatment = EMULATED;
#ifdef CONFIG_UPROBES_XOL_BOOST
	else if (arch_uprobe_boost(&auprobe))
		report->treatment = BOOSTED;
#endif
}
