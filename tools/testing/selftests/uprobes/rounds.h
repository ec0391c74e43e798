/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions of the kinds that most code consists of, the usual ones for a
 * probe. None of them needs to be stepped: kernels that boost step none of these.
 */
#ifndef UPROBES_ROUNDS_H
#define UPROBES_ROUNDS_H

#define MANY_FUNCTIONS		10000
#define MANY_FUNCTION_SIZE	16
#if defined(__riscv)
#define MANY_WORDS_IN_REACH	512
#else
#define MANY_WORDS_IN_REACH	4096
#endif

/* Bytes between the counters that increment_restartably() has for CPUs */
#define RESTARTABLE_SHIFT	6

/* What the round adds from memory, where it reaches that relative to ip */
#define ROUND_BELOW		0x111
#define ROUND_ABOVE		0x222

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/*
 * Executes all instructions to be probed, each of them once, the first of them
 * being its own first one. The result is round_result() if each had its effect.
 */
uint64_t round_function(uint64_t argument);
extern const char round_function_end[];

static inline uint64_t round_result(uint64_t argument)
{
	uint64_t more = argument + 8, result = (argument + more) ^ more;

	result += !!argument;
	return result + (uint8_t)result + 0x1234 + ROUND_BELOW + ROUND_ABOVE;
}

/* The linker's names for the ends of the section that holds their addresses */
extern const void * const __start_round_sites[], * const __stop_round_sites[];

static inline unsigned int round_sites(void)
{
	return __stop_round_sites - __start_round_sites;
}

/* Kernels that boost emulate endbr64, additions and moves. */
static inline unsigned int round_sites_boosted(void)
{
#if defined(__x86_64__)
	return round_sites() - 1;
#elif defined(__aarch64__)
	return round_sites() - 10;
#else
	return 0;
#endif
}

/*
 * Function number n returns n, by an instruction of another kind than its neighbour.
 */
extern const char many_functions[];
#if defined(__aarch64__) || defined(__riscv)
/* What the instructions load, each from its part of the array */
extern const uint32_t many_words[];
#endif

static inline const void *many_function(unsigned int number)
{
	return many_functions + number * MANY_FUNCTION_SIZE;
}

/* @function: function @number, or a copy of it */
static inline unsigned int call_many_at(const void *function, unsigned int number)
{
#if defined(__aarch64__) || defined(__riscv)
	const uint32_t *words = many_words + number - number % MANY_WORDS_IN_REACH;

	return ((unsigned int (*)(const uint32_t *))function)(words);
#else
	return ((unsigned int (*)(void))function)();
#endif
}

static inline unsigned int call_many_function(unsigned int number)
{
	return call_many_at(many_function(number), number);
}

struct rseq;

/*
 * Adds 1 to the counter of the CPU that this runs on, in a restartable sequence,
 * unless it is aborted; returns whether it was not. The instructions to be probed
 * are inside, the last of them being the one that commits.
 */
bool increment_restartably(struct rseq *rseq, uint64_t *counters);
/* From the first instruction inside to the one behind the last */
extern const char restartable_start[], restartable_end[];
extern const void * const __start_restartable_sites[];
extern const void * const __stop_restartable_sites[];

static inline unsigned int restartable_sites(void)
{
	return __stop_restartable_sites - __start_restartable_sites;
}
#endif /* __ASSEMBLER__ */
#endif /* UPROBES_ROUNDS_H */
