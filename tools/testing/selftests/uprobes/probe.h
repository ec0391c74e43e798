/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Uprobes on the running executable, by perf_event_open() and bpf() alone: no
 * libbpf, no BTF, no tracefs.
 */
#ifndef UPROBES_PROBE_H
#define UPROBES_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kselftest.h"

/* The running executable, as a path for the kernel */
#define EXECUTABLE	"/proc/self/exe"

/*
 * All functions that can fail print the reason and what to do about it as a
 * TAP diagnostic and end the process with status KSFT_FAIL, or KSFT_SKIP when
 * the kernel lacks what is needed: no test can go on without its probe.
 */

__noreturn __printf(2, 3) void give_up(int code, const char *format, ...);

/* @path: for the path of a program that is installed beside this one */
void find_program(const char *name, char *path, size_t size);

/* Counters that BPF programs increment; exact, whatever preempts a program. */
int counters_create(unsigned int number);
uint64_t counters_read(int counters, unsigned int index);
/* Waits until a counter is at least that; returns what it is then. */
uint64_t counters_wait_for(int counters, unsigned int index, uint64_t least);

/* Counters that this process and its children can read at @values, without a system call */
int counters_create_mapped(unsigned int number, const uint64_t **values);

/* BPF programs: file descriptors to attach */
int program_empty(void);
int program_count(int counters, unsigned int index);
/* Changes a register before the probed instruction runs */
int program_corrupt(int counters, unsigned int index);
/* Goes on @distance bytes behind the probed instruction's beginning instead */
int program_jump(int counters, unsigned int index, int distance);

/*
 * Attaches @program to the instruction at @address, for all processes. Closing
 * the returned file descriptor removes the probe.
 */
int probe_attach(const void *address, int program);
/*
 * Attaches a program that counts in @counters[@index] to all of @addresses, by
 * one uprobe_multi link.
 */
int probe_attach_many(const void * const *addresses, unsigned int number,
		      int counters, unsigned int index);
/* Counts in @counters[i] for @addresses[i]. */
int probe_attach_each(const void * const *addresses, unsigned int number,
		      int counters);
/* The same, at @offsets of the file @path */
int probe_attach_each_at(const char *path, const uint64_t *offsets, unsigned int number,
			 int counters);
/* As probe_attach_each(), on the returns from the functions at @addresses */
int probe_attach_each_return(const void * const *addresses, unsigned int number,
			     int counters);
/* As probe_attach(), on the return from the function at @address */
int probe_attach_return(const void *address, int program);

/* Where @address is in the executable's file */
uint64_t probe_file_offset(const void *address);

/**
 * struct probe_at - where to attach, when it is not simply at an address
 * @path: the file
 * @offset: of the instruction in the file
 * @ref_ctr_offset: of a counter of probes in the file, or 0
 * @on_return: on the return from the function
 */
struct probe_at {
	const char *path;
	uint64_t offset;
	uint64_t ref_ctr_offset;
	bool on_return;
};

int probe_attach_at(const struct probe_at *at, int program);
/* The error with which the kernel refuses to attach a program there, or 0 */
int probe_refusal_at(const struct probe_at *at);

/*
 * Whether this process has a mapping [uprobes]: the proof that not everything was
 * emulated.
 */
bool xol_area_mapped(void);
/*
 * The address range of a process's lowest mapping [uprobes]; false when there is none.
 * Kernels that boost have others for boosted slots than for stepped ones.
 */
bool xol_area_range(pid_t pid, uintptr_t *start, uintptr_t *end);

/* More than a process has: 64 for boosted slots, one for stepped ones, parts of these */
#define XOL_MAPPINGS	128

/* All mappings [uprobes] of a process, as they were when they were looked for */
struct xol_mappings {
	unsigned int number;
	struct xol_mapping {
		uintptr_t start, end;
	} of[XOL_MAPPINGS];
};

/* False when there is none. */
bool xol_mappings_find(pid_t pid, struct xol_mappings *mappings);

/* Can be called in signal handlers. */
static inline bool xol_mappings_hold(const struct xol_mappings *mappings, uintptr_t address)
{
	for (unsigned int i = 0; i < mappings->number; i++)
		if (address >= mappings->of[i].start && address < mappings->of[i].end)
			return true;
	return false;
}

/*
 * In a test of kselftest_harness.h: what just went wrong is known to, for the
 * reason given, which excuses nothing that went wrong before. @statement leaves
 * the test.
 */
#define EXPECTED_FAILURE(statement, ...) do {				\
	if (!_metadata->exit_code) {					\
		snprintf(_metadata->results->reason,			\
			 sizeof(_metadata->results->reason), __VA_ARGS__); \
		_metadata->exit_code = KSFT_XFAIL;			\
	}								\
	statement;							\
} while (0)

/*
 * Runs @test(@argument) in a child process, with an mm that has no XOL area
 * yet, and returns its result, KSFT_PASS and so on. A crash and more than
 * @seconds of run time are failures.
 */
int run_isolated(int (*test)(const void *argument), const void *argument,
		 unsigned int seconds);

/* Whether the last of these processes took too long, and died when it was killed. */
bool isolated_took_too_long(void);

/* Waits for the child process @pid; returns whether it exits with the status @code. */
bool exits_with(pid_t pid, int code);

/*
 * Waits for the child process @pid, and kills it when the first @number of @counters
 * have counted @most hits in all: it repeats one without end. Returns whether the
 * process ended by itself.
 */
bool ends_within(pid_t pid, int counters, unsigned int number, uint64_t most, int *status);

#endif /* UPROBES_PROBE_H */
