// SPDX-License-Identifier: GPL-2.0
/* The files of the kernel for arm64, in one unit */
#define CONFIG_UPROBES

struct pt_regs {
	unsigned long regs[31], sp, pc, pstate;
};

struct debug_info {
	int bps_disabled, wps_disabled, suspended_step;
};

struct thread_struct {
	unsigned long fault_code;
	struct debug_info debug;
};

#include "kernel.h"
#include "coverage.h"

enum { MMCF_AARCH32 = 1 };

/* For hits only */
enum { DBG_HOOK_HANDLED, DBG_HOOK_ERROR };
enum { TIF_SINGLESTEP, DBG_SPSR_SS, SYS_GCSPR_EL0, TASK_SIZE_64 };
enum { ARM64_WORKAROUND_1542419, aside1is };
enum { VM_NONE, VM_ARM64_BTI };
enum {
	PSR_N_BIT, PSR_Z_BIT, PSR_C_BIT, PSR_V_BIT,
	PSR_BTYPE_MASK, PSR_BTYPE_C, PSR_BTYPE_JC,
};

#if __has_include("arch/arm64/kernel/probes/uprobes_boost.c")
#define CONFIG_UPROBES_XOL_BOOST
#endif

#include "arch/arm64/lib/insn.c"
#include "arch/arm64/kernel/probes/decode-insn.c"
#include "arch/arm64/kernel/probes/simulate-insn.c"
#ifdef CONFIG_UPROBES_XOL_BOOST
#include "arch/arm64/kernel/probes/uprobes_insn.c"
#include "arch/arm64/kernel/probes/uprobes_boost.c"
#endif
#include "arch/arm64/kernel/probes/uprobes.c"

void report_insn(const unsigned char *bytes, unsigned long vaddr, struct insn_report *report)
{
	struct arch_uprobe auprobe = { };
	struct mm_struct mm = { };
	u32 insn;

	memcpy(&insn, bytes, sizeof(insn));
	report->length = sizeof(insn);
	report->is_return = aarch64_insn_is_ret(insn) || aarch64_insn_is_ret_auth(insn);

	auprobe.insn = insn;
	if (arch_uprobe_analyze_insn(&auprobe, &mm, vaddr)) {
		report->treatment = REFUSED;
		return;
	}
	report->treatment = STEPPED;
	if (auprobe.simulate)
		report->treatment = EMULATED;
#ifdef CONFIG_UPROBES_XOL_BOOST
	else if (arch_uprobe_boost(&auprobe))
		report->treatment = BOOSTED;
#endif
}
