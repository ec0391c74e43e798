/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions with instructions that are boosted, that are stepped also by kernels that
 * boost, and that are emulated. Neither a register nor the stack holds an address in the
 * stack, so a function can go on with a copy of its stack at another address.
 */
#ifndef UPROBES_MIXED_H
#define UPROBES_MIXED_H

/* The program mixed_program calls mixed_function() with these; its status is the result. */
#define MIXED_ARGUMENT	3
#define MIXED_ROUNDS	2

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "probe.h"

/*
 * Executes each of mixed_sites once per round, of which there must be at least one, and
 * adds 1 to *@progress after each round. Returns mixed_result() if each of them had its
 * effect, and if all other registers were kept.
 */
uint64_t mixed_function(uint64_t argument, uint64_t rounds, uint64_t *progress);
extern const char mixed_function_end[];

static inline uint64_t mixed_result(uint64_t argument, uint64_t rounds)
{
	uint64_t result = argument;

	for (uint64_t i = 0; i < rounds; i++)
		result ^= result * 5 + 7;
	return result + rounds;
}

/*
 * For a debugger: executes each of called_sites once, changes all registers, and returns
 * @argument + 1. A breakpoint instruction is at called_trap.
 */
uint64_t called_function(uint64_t argument);
extern const char called_trap[];

/* Where mixed_program begins. The file has the same code as this program. */
extern const char mixed_start[];

/* The linker's names for the ends of the sections that hold the addresses */
extern const void * const __start_mixed_sites[], * const __stop_mixed_sites[];
extern const void * const __start_called_sites[], * const __stop_called_sites[];

#define MOST_MIXED_SITES	16

struct mixed_sites {
	unsigned int number;
	const void *of[MOST_MIXED_SITES];
};

/* Does the kernel accept a probe there? Upstream's refuses to load literals on arm64. */
static inline bool mixed_site_accepted(const void *site)
{
#if defined(__aarch64__)
	struct probe_at at = { .path = EXECUTABLE, .offset = probe_file_offset(site) };

	if ((*(const uint32_t *)site & 0xbf000000) == 0x18000000)
		return !probe_refusal_at(&at);
#endif
	return true;
}

static inline struct mixed_sites mixed_sites_accepted(const void * const *start,
						      const void * const *stop)
{
	struct mixed_sites sites = {};

	for (const void * const *site = start; site < stop; site++)
		if (mixed_site_accepted(*site))
			sites.of[sites.number++] = *site;
	return sites;
}

/* In a test of kselftest_harness.h: each of these was hit that often. */
#define EXPECT_SITES_COUNTED(sites, counters, hits) do {		\
	for (unsigned int site = 0; site < (sites)->number; site++) {	\
		EXPECT_EQ(counters_read(counters, site), hits)		\
			TH_LOG("instruction %u of " #sites, site);	\
	}								\
} while (0)
#endif /* __ASSEMBLER__ */
#endif /* UPROBES_MIXED_H */
