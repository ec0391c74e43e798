/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that are interrupted by a timer of their own: as often as they get on at
 * all, and at any moment of what they do.
 */
#ifndef UPROBES_TIMERS_H
#define UPROBES_TIMERS_H

#include <ucontext.h>

/* Has @seen called at each interruption, with what was interrupted. */
void timers_prepare(void (*seen)(ucontext_t *context));

/* Interrupts this thread, which increments *@progress from time to time. */
void timer_start(const unsigned long *progress);
/* Returns how often that was. */
unsigned long timer_stop(void);

#endif /* UPROBES_TIMERS_H */
