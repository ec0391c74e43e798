/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions with instructions that fault, and that a handler can skip: the program goes
 * on at the next instruction, which may fault as well.
 */
#ifndef UPROBES_SKIPPED_H
#define UPROBES_SKIPPED_H

/* The result of a function whose load was skipped */
#define SKIPPED		0x5a5a
/* For functions whose instruction faults whatever the argument */
#define ALWAYS_FAULTS	1
/* For functions whose argument is a divisor, and not an address */
#define DIVIDES		2
/* For functions that access 16 bytes by repetition, of which only the last 8 are to fault */
#define REPEATS		4

#ifndef __ASSEMBLER__
#include <stdint.h>

/**
 * struct skipped - a function with instructions to be skipped
 * @text: what is skipped
 * @function: returns @skipped_result if all faults are skipped, or @result
 * @start: the first instruction that faults
 * @end: the first instruction after it that does not fault; it is probed, too
 * @sites: how many instructions there are from @start to @end, except @end
 * @skipped_result: with an argument that makes all of them fault
 * @result: with an argument that makes none of them fault
 * @flags: ALWAYS_FAULTS, DIVIDES, REPEATS
 */
struct skipped {
	const char *text;
	uint64_t (*function)(uint64_t argument);
	const char *start, *end;
	uint64_t sites;
	int64_t skipped_result, result;
	uint64_t flags;
};

/* The linker's names for the ends of the section that holds the table */
extern const struct skipped __start_skipped[], __stop_skipped[];

/* The instructions of all functions in their order, from @start to @end of each */
extern const void * const __start_skipped_sites[], * const __stop_skipped_sites[];

#if defined(__x86_64__)
/* A pointer to this is in memory before the argument. */
extern const char skipped_call_target[];
#elif defined(__aarch64__)
/* A page of any size, which is to be made inaccessible */
extern char skipped_page[], skipped_page_end[];
#endif
#endif /* __ASSEMBLER__ */
#endif /* UPROBES_SKIPPED_H */
