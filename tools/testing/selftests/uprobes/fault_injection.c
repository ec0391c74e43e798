// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "fault_injection.h"
#include "probe.h"
#include "slots.h"

#define DEBUGFS		"/sys/kernel/debug"

/*
 * By default, allocations that may sleep, those in high memory, and single
 * pages are spared: all that a hit needs. A probability of 0 spares the rest of
 * the system; fail-nth does not look at it.
 */
static struct knob {
	const char *path, *value;
	char before[32];
} knobs[] = {
	{ "failslab/probability", "0" },
	{ "failslab/interval", "1" },
	{ "failslab/space", "0" },
	{ "failslab/times", "-1" },
	{ "failslab/task-filter", "Y" },
	{ "failslab/verbose", "2" },
	{ "failslab/verbose_ratelimit_interval_ms", "0" },
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/cache-filter", "N" },
	{ "fail_page_alloc/probability", "0" },
	{ "fail_page_alloc/interval", "1" },
	{ "fail_page_alloc/space", "0" },
	{ "fail_page_alloc/times", "-1" },
	{ "fail_page_alloc/task-filter", "Y" },
	{ "fail_page_alloc/verbose", "2" },
	{ "fail_page_alloc/verbose_ratelimit_interval_ms", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
};

const char *faults_lack(void)
{
	if (geteuid())
		return "root";
	if (access("/proc/self/fail-nth", F_OK))
		return "CONFIG_FAULT_INJECTION";
	if (access(DEBUGFS "/failslab", F_OK))
		return "CONFIG_FAILSLAB, CONFIG_FAULT_INJECTION_DEBUG_FS and " DEBUGFS;
	if (access(DEBUGFS "/fail_page_alloc", F_OK))
		return "CONFIG_FAIL_PAGE_ALLOC";
#ifdef __riscv
	/* Upstream's warns if a fault of its own comes between a hit and its step. */
	if (!xol_tells())
		return "a kernel that does not take its own faults for those of a step";
#endif
	return NULL;
}

static int knob_open(const char *path, int flags)
{
	char below[128];
	int fd;

	if (path[0] != '/') {
		snprintf(below, sizeof(below), DEBUGFS "/%s", path);
		path = below;
	}
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		give_up(KSFT_FAIL, "%s: %s: needs root and a kernel that has it", path,
			strerror(errno));
	return fd;
}

void faults_set(const char *path, const char *value)
{
	int fd = knob_open(path, O_WRONLY);

	if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		give_up(KSFT_FAIL, "%s: cannot be set to %s: %s", path, value, strerror(errno));
	close(fd);
}

void faults_prepare(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(knobs); i++) {
		struct knob *knob = &knobs[i];
		int fd = knob_open(knob->path, O_RDONLY);
		ssize_t size = read(fd, knob->before, sizeof(knob->before) - 1);

		if (size <= 0)
			give_up(KSFT_FAIL, "%s: cannot be read: %s", knob->path,
				size ? strerror(errno) : "empty");
		knob->before[strcspn(knob->before, "\n")] = 0;
		close(fd);
		faults_set(knob->path, knob->value);
	}
}

void faults_restore(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(knobs); i++)
		faults_set(knobs[i].path, knobs[i].before);
}

int fail_nth_open(int tid)
{
	char path[64] = "/proc/thread-self/fail-nth";
	int fail_nth;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", tid);
	fail_nth = open(path, O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		give_up(KSFT_FAIL, "%s: %s: needs CONFIG_FAULT_INJECTION", path, strerror(errno));
	return fail_nth;
}

void fail_nth_arm(int fail_nth, unsigned int nth)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%u", nth);

	/* the last thing before what is to fail: nothing else may allocate */
	if (pwrite(fail_nth, text, size, 0) != size)
		give_up(KSFT_FAIL, "fail-nth cannot be set to %s: %s", text, strerror(errno));
}

unsigned int fail_nth_left(int fail_nth)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		give_up(KSFT_FAIL, "fail-nth cannot be read: %s", strerror(errno));
	return strtoul(text, NULL, 10);
}

unsigned int fail_nth_disarm(int fail_nth)
{
	unsigned int left = fail_nth_left(fail_nth);

	fail_nth_arm(fail_nth, 0);
	return left;
}
