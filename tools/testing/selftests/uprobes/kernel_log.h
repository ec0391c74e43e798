/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel tells while faults are injected. */
#ifndef UPROBES_KERNEL_LOG_H
#define UPROBES_KERNEL_LOG_H

/**
 * struct kernel_log - what the kernel told
 * @injections: how many faults were injected, as far as they are told of:
 *	allocations with __GFP_NOWARN fail silently
 * @kind: which kind the last of these was, "failslab" or "fail_page_alloc"
 * @where: the functions that led to it, innermost first, the last few
 * @warnings: how many messages came from uprobes
 * @warning: the last of these
 * @splats: how many messages tell of a fault in the kernel
 * @splat: the first of these
 */
struct kernel_log {
	unsigned int injections;
	char kind[32];
	char where[256];
	unsigned int warnings;
	char warning[128];
	unsigned int splats;
	char splat[128];
};

/* From now on. Failing to ends the process with a diagnostic. */
int kernel_log_open(void);
/* All that was told since the last call */
void kernel_log_read(int log, struct kernel_log *told);

#endif /* UPROBES_KERNEL_LOG_H */
