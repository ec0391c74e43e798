/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of insn_fuzz: insn_fuzz.c generates batches and compares results, fuzz_run.c
 * executes a batch, and fuzz_<architecture>*.c know instructions and registers.
 */
#ifndef UPROBES_FUZZ_H
#define UPROBES_FUZZ_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "kselftest.h"

/* The linker's names for the ends of this program's code */
extern const char __executable_start[], etext[];

/**
 * struct random - random numbers, the same for the same seed on all machines
 * @state: of the generator
 * @many_far_pointers: random_value() often makes one
 * @many_lines: random_pointer() often leads to memory made by random_value()
 */
struct random {
	uint64_t state;
	bool many_far_pointers, many_lines;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t value = random->state += 0x9e3779b97f4a7c15ULL;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return value ^ (value >> 31);
}

static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return random_next(random) % limit;
}

/* True once in @number times */
static inline bool one_in(struct random *random, unsigned int number)
{
	return !random_below(random, number);
}

/* Stores the lower @size bytes of @value. */
static inline void put(uint8_t *bytes, uint64_t value, unsigned int size)
{
	memcpy(bytes, &value, size);
}

/*
 * Each thread has a mapping of the code, which has places for instructions, each with
 * traps around it. The mapping is followed by landing room, which has only traps, and by
 * the thread's arena: two writable pages, a read-only one, and one without access. All
 * other addresses within CODE_MARGIN are reserved, so that the kernel maps nothing there.
 *
 * The mappings of two threads are so far apart that no store leads to the other thread's
 * arena, except one with a random number that has just this distance.
 */
#define PLACE_BYTES	64
#define PLACES		256
#define CODE_BYTES	(PLACE_BYTES * PLACES)
#define CODE_BASE	0x2060000000UL
/* Also the lower 32 bits of the addresses differ. */
#define THREAD_DISTANCE	0x4020000000UL
#define LANDING_OFFSET	0x10000
#define ARENA_OFFSET	0x20000
#define CODE_MARGIN	0x1000000UL
/* Far from all that is mapped, and from where the kernel may map slots */
#define UNMAPPED_BASE	0x1000000000UL

#define FUZZ_THREADS	2
#define ARENA_PAGES	4
#define ARENA_MAPPED	3
#define ARENA_WRITABLE	2

struct arena {
	uintptr_t base;
	size_t page;
};

/* The landing room of the thread with @arena */
static inline uintptr_t landing_room(const struct arena *arena)
{
	return arena->base - ARENA_OFFSET + LANDING_OFFSET;
}

/* An address: mostly in @arena, sometimes where an access faults */
uint64_t random_pointer(struct random *random, const struct arena *arena);
/* What a register or a word of memory may hold: such an address, or a number */
uint64_t random_value(struct random *random, const struct arena *arena);

/* The selectors of code on x86-64; behind a short address, one makes a far pointer. */
#define CODE_SELECTOR	0x33UL
#define CODE_SELECTOR_32 0x23UL

/* Part of a vector: bits, or numbers of both precisions */
uint64_t random_lanes(struct random *random);

#define INSN_MOST_BYTES	15

struct fuzz_insn {
	uint8_t bytes[INSN_MOST_BYTES + 1];
	unsigned int length;
};

/* Machine code to take instructions from */
struct text {
	const uint8_t *start;
	size_t size;
};

/* Kinds of instructions, each with a test of its own */
enum insn_class {
	CLASS_GENERAL,
	CLASS_VECTOR,
	CLASS_BRANCHES,
	CLASS_RELATIVE,
#if defined(__x86_64__)
	CLASS_AVX,
	CLASS_FAR_BRANCHES,
	CLASS_REP,
	CLASS_PUSHED_FLAGS,
	CLASS_PREFIXES,
	CLASS_UMIP,
#elif defined(__aarch64__)
	CLASS_MEMORY,
	CLASS_INDIRECT_BRANCHES,
	CLASS_SYSTEM,
	CLASS_VECTOR_RELATIVE,
	CLASS_UNDEFINED,
#endif
};

/* Sets of classes */
#define IN(class)	(1UL << (class))

/* What a run of a case leaves; RESULT_CPU and more are the architecture's. */
enum {
	RESULT_SIGNAL,
	RESULT_CODE,
	RESULT_ADDRESS,
	RESULT_HITS,
	RESULT_MEMORY,
	RESULT_VECTOR,
	RESULT_CPU,
	RESULT_WORDS = 48,
};

#define VECTOR_BYTES	4096

/*
 * Architectures
 */

/* Names of the results from RESULT_CPU on; NULL ends them */
extern const char * const cpu_result_names[];

/* Are there instructions with 32-bit addresses? */
#if defined(__x86_64__)
#define HAS_SHORT_ADDRESSES	true
#else
#define HAS_SHORT_ADDRESSES	false
#endif

void cpu_prepare(void);
/* Where in a place an instruction begins */
unsigned int cpu_site(unsigned int place);
/* Fills code with instructions that raise a signal, also from the middle on. */
void cpu_fill_traps(uint8_t *code, size_t size);
/*
 * Makes an instruction of @class for @site, from the opcode map or from @text. False:
 * another attempt is needed.
 */
bool cpu_make_insn(struct random *random, enum insn_class class, const struct text *text,
		   uintptr_t site, const struct arena *arena, struct fuzz_insn *insn);
/* Instructions with known faults, to begin with; false behind the last one */
bool cpu_known_insn(enum insn_class class, unsigned int index, struct fuzz_insn *insn);
/* Is @insn one to execute at all? */
bool cpu_allows(const struct fuzz_insn *insn);
/* Has the instruction at @site itself raised the signal? */
bool cpu_faulted(const uint64_t *results, uintptr_t site);
/*
 * Differences of many instructions that are tolerated where other ones are looked for:
 * in what a signal frame tells about faults and steps, and in si_addr.
 */
#define DIFFERS_IN_FRAME	1
#define DIFFERS_IN_ADDRESS	2
/* Which of these a difference in @word is, or 0 */
unsigned int cpu_difference(unsigned int word, const uint64_t *unprobed,
			    const uint64_t *probed);
/* Is @error how the kernel refuses an instruction? */
bool cpu_refuses_with(int error);

/* Between these, a thread executes cases. The first one returns what the other needs. */
uintptr_t cpu_begin(const struct arena *arena);
void cpu_end(uintptr_t thread_pointer);
/* Puts the registers of a case into a signal frame. */
void cpu_fill(ucontext_t *context, struct random *random, const struct arena *arena,
	      uintptr_t site, bool is_aligned);
/* Stores the results of a case; @vectors gets the vector state. */
void cpu_record(const ucontext_t *context, const struct arena *arena, uint64_t *results,
		uint8_t *vectors);
/* Continues at the end of cpu_trap(), with the registers of its beginning, @before. */
void cpu_return(ucontext_t *context, const ucontext_t *before);
/* Raises a signal, whose handler returns to the instruction of a case. */
void cpu_trap(void);
/* The handler of signals; it calls fuzz_signal(). */
void cpu_signal_entry(int signal, siginfo_t *info, void *context);

/* A system call that needs no thread-local storage */
long cpu_syscall(long number, long a, long b, long c, long d);

/*
 * Execution
 */

enum run {
	RUN_UNPROBED,
	RUN_UNPROBED_AGAIN,
	RUN_PROBED,
	RUNS
};

enum status {
	CASE_WANTED,
	CASE_STARTED,
	CASE_DONE,
	/* the process ended, or made no progress */
	CASE_LOST,
	CASE_LEFT_OUT,
};

enum disturbance {
	UNDISTURBED,
	BY_TIMERS,
	BY_TRACER,
};

#define STATES		8
/* Kinds of states: a seed's remainder of STATE_KINDS */
#define STATE_KINDS	64
enum {
	/* accesses must be aligned */
	STATE_ALIGNED,
	STATE_USUAL,
	STATE_FAR_POINTERS,
};

struct result {
	enum status status;
	uint64_t words[RESULT_WORDS];
};

/**
 * struct batch - cases that are executed together, shared with child processes
 * @first: the first place with an instruction
 * @number: how many places have one
 * @insns: one for each of these places
 * @states: seeds of the states in which each instruction is executed
 * @results: of each run, instruction and state
 * @vectors: the vector state that the last case of a thread left
 * @disturbance: what interrupts threads that execute probed instructions
 * @interrupted: interruptions between the beginning and the end of a case
 * @seen_in_area: interruptions whose ip was in [uprobes]
 * @done: executed cases, to see progress
 * @time: nanoseconds for RUN_UNPROBED, whose cases RUN_UNPROBED_AGAIN executes, too, and
 *        RUN_PROBED if it is not much slower; 0 if there is no limit
 * @go: the tracer is ready
 */
struct batch {
	unsigned int first, number;
	struct fuzz_insn insns[PLACES];
	uint64_t states[PLACES][STATES];
	struct result results[RUNS][PLACES][STATES];
	uint8_t vectors[RUNS][FUZZ_THREADS][VECTOR_BYTES];
	enum disturbance disturbance;
	unsigned long interrupted, seen_in_area, done;
	uint64_t time;
	bool go;
};

/* Maps arenas and landing rooms, which are in the same places in all children. */
void fuzz_prepare(void);
/* An empty batch */
struct batch *fuzz_batch(void);
/* The thread that executes the instruction at @place has this arena. */
struct arena fuzz_arena(unsigned int place);
/* Where the thread has this instruction, and the instruction's offset in the code */
uintptr_t fuzz_site(unsigned int place);
size_t fuzz_offset(unsigned int place);
/* The code of the whole mapping */
void fuzz_write_code(const struct batch *batch, uint8_t *code);
/*
 * Executes the wanted cases of @run. @file has the code, or is -1 without probes;
 * @hits has a counter for each instruction.
 */
void fuzz_execute(struct batch *batch, enum run run, int file, const uint64_t *hits);
/* Called by cpu_signal_entry() */
void fuzz_signal(int signal, siginfo_t *info, void *context);

#endif /* UPROBES_FUZZ_H */
