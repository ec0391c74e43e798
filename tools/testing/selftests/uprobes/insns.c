// SPDX-License-Identifier: GPL-2.0
/* What depends on the kernel, of instructions in the table. */
#include <string.h>

#include "insns.h"
#include "probe.h"

#define TIME_LIMIT	120

/* A key of an instruction that has INSN_STEPS_UPSTREAM */
#if defined(__x86_64__)
#define EMULATED_KEY	"ret"
#elif defined(__aarch64__)
#define EMULATED_KEY	"add"
#else
/* No instruction has INSN_STEPS_UPSTREAM. */
#define EMULATED_KEY	""
#endif

static int hit_once(const void *argument)
{
	const struct insn *insn = argument;

	probe_attach(insn->function_site, program_empty());
	insn->function();
	return xol_area_mapped() ? KSFT_FAIL : KSFT_PASS;
}

/*
 * Kernels with this series emulate all instructions that have INSN_STEPS_UPSTREAM, and
 * refuse none that has INSN_REFUSED_UPSTREAM. A process of its own finds out which kind
 * of kernel runs.
 */
static bool kernel_emulates_more(void)
{
	static int result = -1;
	const struct insn *insn;

	if (result >= 0)
		return result == KSFT_PASS;
	for_each_insn(insn)
		if (insn->flags & INSN_STEPS_UPSTREAM && insn->key &&
		    !strcmp(insn->key, EMULATED_KEY))
			result = run_isolated(hit_once, insn, TIME_LIMIT);
	return result == KSFT_PASS;
}

bool insn_steps(const struct insn *insn)
{
	if (insn->flags & INSN_STEPS_UPSTREAM)
		return !kernel_emulates_more();
	return insn->flags & INSN_STEPS;
}

bool insn_refused(const struct insn *insn)
{
	return insn->flags & INSN_REFUSED_UPSTREAM && !kernel_emulates_more();
}
