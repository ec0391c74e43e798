/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail on purpose, by failslab and fail_page_alloc
 * (Documentation/fault-injection/fault-injection.rst).
 */
#ifndef UPROBES_FAULT_INJECTION_H
#define UPROBES_FAULT_INJECTION_H

/* More than a task can make; what is left of it tells how many it made. */
#define FAIL_NTH_NEVER	(1U << 30)

/* What is needed for injecting faults, but not there; NULL when all is. */
const char *faults_lack(void);

/*
 * Sets up the whole system so that any allocation can fail, but none does
 * unless its task asks for it, and each that does is told of in the kernel log.
 */
void faults_prepare(void);
/* Puts back what faults_prepare() found. */
void faults_restore(void);

/*
 * Writes @value to @path, which is below debugfs for the knobs of fault
 * injection ("failslab/probability"), or absolute. Failing to ends the process
 * with a diagnostic.
 */
void faults_set(const char *path, const char *value);

/*
 * The allocation that is to fail in one task: the nth from now. @tid is 0 for
 * the calling thread.
 */
int fail_nth_open(int tid);
void fail_nth_arm(int fail_nth, unsigned int nth);
/* What is left of @nth, 0 when one failed. */
unsigned int fail_nth_left(int fail_nth);
/* The same, and no allocation is to fail any more. */
unsigned int fail_nth_disarm(int fail_nth);

#endif /* UPROBES_FAULT_INJECTION_H */
