/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells a plugin of QEMU what is being measured: instructions without an effect,
 * each with a number in the register of the first argument. Anywhere else they do
 * nothing.
 */
#ifndef UPROBES_MARKS_H
#define UPROBES_MARKS_H

#include <stdint.h>

/* A measurement with that many probes is about to come; from here on QEMU is slow. */
#define MARK_PREPARE	1
/* This CPU executes that many hits until MARK_END. */
#define MARK_BEGIN	2
#define MARK_END	3
/* The page frame with that number holds slots. */
#define MARK_SLOTS	4
/* All CPUs are done; the number is that of those that took part. */
#define MARK_FINISH	5

#if defined(__x86_64__)
/* "XOL" */
#define MARK_MAGIC	0x584f4c00

#define mark(operation, value) do {					\
	uint64_t number = (value);					\
									\
	asm volatile("nopl %c0(%%rax)"					\
		     :: "i" (MARK_MAGIC | (operation)), "D" (number)	\
		     : "memory");					\
} while (0)
#elif defined(__aarch64__)
/* "X" */
#define MARK_MAGIC	0x5800

#define mark(operation, value) do {					\
	register uint64_t number asm("x0") = (value);			\
									\
	asm volatile("movz xzr, %0"					\
		     :: "i" (MARK_MAGIC | (operation)), "r" (number)	\
		     : "memory");					\
} while (0)
#endif

#endif /* UPROBES_MARKS_H */
