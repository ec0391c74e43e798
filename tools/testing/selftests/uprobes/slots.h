/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_SLOTS_H
#define UPROBES_SLOTS_H

#include <stdbool.h>

/*
 * Kernels that boost let some instructions run on from their slot, by a jump
 * behind them, instead of stepping them. Whether they do now; never where the
 * kernel has no such switch.
 */
bool boost_is_on(void);
/* Switches that. False if it cannot be switched on. */
bool boost_switch(bool on);
/* Has everything stepped until this program exits. */
void boost_leave_off(void);
/*
 * Boosted slots of all processes, and hits that were stepped for want of such a slot.
 * False if the kernel does not tell.
 */
bool boost_counts(unsigned long *boosted, unsigned long *unboosted);

/* Where kernels with CONFIG_UPROBES_XOL_RUST, and no others, tell of slots */
#define TRACEFS		"/sys/kernel/tracing"
#define XOL_EVENTS	"events/uprobes_xol"
#define XOL_COUNTS	"/sys/kernel/debug/uprobes_xol"

/* Whether anything is told. If tracefs and debugfs are not there, nothing is. */
bool xol_tells(void);

/*
 * Returns a text about the reason for which debuggers cannot be tested with single steps,
 * or NULL. On arm64, upstream's kernel may warn of each single step of a process that has
 * hit a probe. The test cannot distinguish it from a fixed kernel with slots in C.
 */
static inline const char *steps_lack(void)
{
#if defined(__aarch64__)
	return xol_tells() ? NULL : "a kernel that does not warn of them";
#elif defined(__riscv)
	return "another architecture";
#else
	return NULL;
#endif
}

/* Reads one of the counts. False if the kernel does not tell it. */
bool xol_count(const char *count, unsigned long *value);
/*
 * Waits until that count is @value, or until too long has passed, and returns what it
 * is then. Slots whose probes are gone are reclaimed later, and slots of a process that
 * is gone are freed when nothing in the kernel uses its mm any more.
 */
unsigned long xol_count_wait(const char *count, unsigned long value);
/* Waits until nothing is left to be given back of processes and probes that are gone. */
void xol_counts_settle(void);

/*
 * Slots that the area of stepped slots has for instructions when it has grown as far as
 * it can, one being the trampoline's. A process of its own finds that out, so that this
 * one gets no area. Boosting is off meanwhile.
 */
unsigned int xol_slots(void);

/* Those of its first page */
unsigned int xol_slots_of_page(void);

#endif /* UPROBES_SLOTS_H */
