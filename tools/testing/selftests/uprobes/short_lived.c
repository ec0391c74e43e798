// SPDX-License-Identifier: GPL-2.0
/*
 * Thousands of processes that hit probes and end, several of them at the same time: they
 * are forked, or execute a small program, also from a child of vfork() that has hit
 * probes. The number of hits is exact, and nothing is left of these processes.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mixed.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define PROGRAM		"mixed_program"
#define THREADS		8
/*
 * Processes of each kind that a thread starts. There are fewer where most runs are in QEMU,
 * which then executes one CPU at a time.
 */
#if defined(__x86_64__)
#define PROCESSES	84
#else
#define PROCESSES	28
#endif
#define KINDS		3
/* Seconds for all of them: QEMU takes minutes if it executes one CPU at a time. */
#define PATIENCE	1200
#define TIME_LIMIT	1300

static char program[PATH_MAX];

/* Where the program begins, in its file */
static uint64_t program_start(void)
{
	int file = open(program, O_RDONLY | O_CLOEXEC);
	const Elf64_Phdr *segment;
	const Elf64_Ehdr *elf;
	uint64_t offset = 0;
	struct stat stat;

	if (file < 0 || fstat(file, &stat))
		ksft_exit_fail_perror(program);
	elf = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (elf == MAP_FAILED)
		ksft_exit_fail_perror(program);
	segment = (const void *)elf + elf->e_phoff;
	for (unsigned int i = 0; i < elf->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD && segment->p_vaddr <= elf->e_entry &&
		    elf->e_entry < segment->p_vaddr + segment->p_filesz)
			offset = segment->p_offset + elf->e_entry - segment->p_vaddr;
	munmap((void *)elf, stat.st_size);
	close(file);
	if (!offset)
		ksft_exit_fail_msg("%s: where does it begin?\n", program);
	return offset;
}

/* The program has the same code as this one, at other addresses. */
static int attach_to_program(const struct mixed_sites *sites, int counters)
{
	uint64_t offsets[MOST_MIXED_SITES], start = program_start();

	for (unsigned int i = 0; i < sites->number; i++)
		offsets[i] = start + ((const char *)sites->of[i] - mixed_start);
	return probe_attach_each_at(program, offsets, sites->number, counters);
}

static unsigned int wrong;

static bool call(void)
{
	uint64_t progress;

	return mixed_function(MIXED_ARGUMENT, MIXED_ROUNDS, &progress) ==
	       mixed_result(MIXED_ARGUMENT, MIXED_ROUNDS);
}

/* The status of the program */
static int program_code(void)
{
	return mixed_result(MIXED_ARGUMENT, MIXED_ROUNDS) & 0xff;
}

static bool process_forked(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(call() ? KSFT_PASS : KSFT_FAIL);
	return exits_with(pid, KSFT_PASS);
}

static bool process_spawned(void)
{
	char *const arguments[] = { program, NULL };
	pid_t pid;

	return !posix_spawn(&pid, program, NULL, NULL, arguments, NULL) &&
	       exits_with(pid, program_code());
}

static bool process_vforked(void)
{
	pid_t pid = vfork();

	if (!pid) {
		/* in the slots of its parent */
		if (call())
			execl(program, program, NULL);
		_exit(KSFT_FAIL);
	}
	return exits_with(pid, program_code());
}

static void start_processes(unsigned int index)
{
	bool well = true;

	for (unsigned int i = 0; i < PROCESSES; i++) {
		well &= process_forked();
		well &= process_spawned();
		well &= process_vforked();
	}
	if (!well)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static int start_all(const void *unused)
{
	threads_run(THREADS, start_processes);
	return wrong ? KSFT_FAIL : KSFT_PASS;
}

static const char * const counts[] = {
	"slots", "pages", "tasks", "boosted", "boost_pages", "boost_areas",
};

FIXTURE(short_lived) {
	struct mixed_sites sites;
	int own_counters, program_counters;
	int own_probes, program_probes;
	unsigned long before[ARRAY_SIZE(counts)];
};

FIXTURE_SETUP(short_lived)
{
	self->sites = mixed_sites_accepted(__start_mixed_sites, __stop_mixed_sites);
	self->own_counters = counters_create(self->sites.number);
	self->program_counters = counters_create(self->sites.number);
	find_program(PROGRAM, program, sizeof(program));
	xol_counts_settle();
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
		xol_count(counts[i], &self->before[i]);
	self->own_probes = probe_attach_each(self->sites.of, self->sites.number,
					     self->own_counters);
	self->program_probes = attach_to_program(&self->sites, self->program_counters);
}

FIXTURE_TEARDOWN(short_lived)
{
	close(self->own_probes);
	close(self->program_probes);
}

/* Checks the number of hits, and that the processes have left nothing. */
TEST_F_TIMEOUT(short_lived, processes, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(start_all, NULL, PATIENCE), KSFT_PASS);
	ksft_print_msg("%u processes\n", THREADS * PROCESSES * KINDS);
	/* In children of fork() and of vfork(), and in the program after spawn and vfork() */
	EXPECT_SITES_COUNTED(&self->sites, self->own_counters,
			     THREADS * PROCESSES * 2 * MIXED_ROUNDS);
	EXPECT_SITES_COUNTED(&self->sites, self->program_counters,
			     THREADS * PROCESSES * 2 * MIXED_ROUNDS);

	/* The probes are still there: nothing but the end of the processes gives it back. */
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned long now;

		if (!xol_count(counts[i], &now))
			continue;
		EXPECT_EQ(xol_count_wait(counts[i], self->before[i]), self->before[i])
			TH_LOG("%s", counts[i]);
	}
}

TEST_HARNESS_MAIN
