/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_CLOCK_H
#define UPROBES_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds since some time before the program began */
static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Sleeps that long, and on after a signal. */
static inline void sleep_milliseconds(unsigned int milliseconds)
{
	struct timespec time = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = milliseconds % 1000 * 1000000L,
	};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

#endif /* UPROBES_CLOCK_H */
