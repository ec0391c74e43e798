/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that hold a slot for as long as the test wants: they step a load from
 * a page that userfaultfd does not serve before it is told to. Other tests can use such
 * memory for accesses of their own.
 */
#ifndef UPROBES_BLOCKED_H
#define UPROBES_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>

struct blocked;

/*
 * Maps @size bytes that are missing until they are served, behind a page that can be
 * accessed, and returns a file descriptor
 * of userfaultfd() with @flags for them. Ends the process with KSFT_SKIP when the kernel
 * has no userfaultfd.
 */
int missing_memory(void **start, size_t size, int flags);
/* Waits for an access to it, up to @seconds. It needs O_NONBLOCK to be polled. */
bool missing_memory_wait(int uffd, unsigned int seconds);
/* Serves all of it, with zeroes. */
void missing_memory_serve(int uffd, const void *start, size_t size);

/*
 * Attaches a program that counts in @counters[@index] to the first @number
 * loads. Closing the returned file descriptor removes the probes.
 */
int blocked_attach(unsigned int number, int counters, unsigned int index);

/*
 * Starts @number threads and returns when all of them are blocked in the middle
 * of the step, of @loads different instructions. These must be probed. Returns
 * false if not all of them were within @seconds; *@blocked is to be released in
 * any case. Ends the process with KSFT_SKIP when the kernel has no userfaultfd.
 */
bool blocked_start(struct blocked **blocked, unsigned int number,
		   unsigned int loads, unsigned int seconds);

/* The same in a copy of the loads at @copy */
bool blocked_start_in(struct blocked **blocked, const char *copy, unsigned int number,
		      unsigned int loads, unsigned int seconds);

/*
 * Where @blocked's threads load from, for a process that shares the mm to do the
 * same, and behind a page that can be read; and whether one more load blocks, within
 * @seconds.
 */
const void *blocked_page(const struct blocked *blocked);
bool blocked_wait(struct blocked *blocked, unsigned int seconds);

/* Sends @signal to the first thread. */
void blocked_signal(struct blocked *blocked, int signal);

/* Serves the page. Does not wait for the threads. */
void blocked_serve(struct blocked *blocked);

/* Waits for the threads; returns how many of them read something wrong. */
unsigned int blocked_join(struct blocked *blocked);

#endif /* UPROBES_BLOCKED_H */
