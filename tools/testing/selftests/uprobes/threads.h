/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_THREADS_H
#define UPROBES_THREADS_H

#include <sched.h>
#include <stdbool.h>

/*
 * Threads by number, with small stacks, as a process may need more than a
 * thousand. Failing to make one ends the process with a diagnostic.
 */
struct threads;

/* Starts @number threads; all of them enter @function(index) together. */
struct threads *threads_start(unsigned int number,
			      void (*function)(unsigned int index));
/* Waits for all of them to end. */
void threads_join(struct threads *threads);

/* Both in one */
void threads_run(unsigned int number, void (*function)(unsigned int index));

/*
 * For loops that wait: lets others come in, on this CPU and, where an emulator runs CPUs
 * in turns, on the next one.
 */
static inline void give_way(void)
{
#ifdef __aarch64__
	asm volatile("yield");
#elif defined(__riscv)
	/* pause */
	asm volatile(".4byte 0x0100000f");
#else
	asm volatile("pause");
#endif
	sched_yield();
}

/*
 * For loops that run until they are stopped: as many threads as these, and fewer CPUs,
 * leave little time to the one who changes under them what they do.
 */
static inline void give_way_at_times(unsigned long round)
{
	if (round % 10 == 9)
		give_way();
}

#endif /* UPROBES_THREADS_H */
