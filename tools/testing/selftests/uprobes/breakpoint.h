/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_BREAKPOINT_H
#define UPROBES_BREAKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

/*
 * Opens a hardware breakpoint of perf for this thread. @type is a HW_BREAKPOINT_ value.
 * Each access raises SIGTRAP if @signals, and is only counted otherwise. Returns the
 * event, or -1 with errno.
 */
static inline int breakpoint_open(unsigned int type, const volatile void *address, size_t size,
				  bool signals)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = type,
		.bp_addr = (uintptr_t)address,
		.bp_len = size,
		.sample_period = signals,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.sigtrap = signals,
		.remove_on_exec = signals,
	};

	return syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif /* UPROBES_BREAKPOINT_H */
