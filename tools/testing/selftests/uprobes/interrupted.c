// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are interrupted at any moment of a tight loop over probed
 * instructions: by timers, by other threads, by a tracer, and by a core dump.
 * Every execution is counted once and has its effect, and nobody ever sees a
 * thread inside [uprobes].
 *
 * Usage: interrupted [HITS] [options of the harness]
 * HITS is the number of executions in each test but the tracer's and the dumps.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "options.h"
#include "probe.h"
#include "registers.h"
#include "rounds.h"
#include "threads.h"
#include "timers.h"

#define THREADS		4
/* That many stops by the tracer */
#define STOPS		500
/* Between two stops, turns of a loop: a number below this, in strides prime to it */
#define DELAYS		4096
#define STRIDE		37
#define DUMPS		3
#define DUMPED_THREADS	40
#define BLOCKED		8
#define PATIENCE	60
#define TIME_LIMIT	600

static unsigned long hits = 100000;

static unsigned long rounds_per_thread;
static unsigned long rounds_done, interruptions;
static unsigned int wrong_results, seen_in_area, seen_stepping;
static struct xol_mappings areas;

static bool in_area(uintptr_t ip)
{
	return xol_mappings_hold(&areas, ip);
}

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void do_round(unsigned long argument)
{
	if (round_function(argument) != round_result(argument))
		add(&wrong_results);
}

static void note_interruption(ucontext_t *context)
{
	if (in_area(*context_ip(context)))
		add(&seen_in_area);
	if (context_steps(context))
		add(&seen_stepping);
}

FIXTURE(interrupted) {
	int counters;
	int probes;
	unsigned int sites;
};

FIXTURE_SETUP(interrupted)
{
	self->sites = round_sites();
	self->counters = counters_create(self->sites);
	self->probes = probe_attach_each(__start_round_sites, self->sites,
					 self->counters);
}

FIXTURE_TEARDOWN(interrupted)
{
	EXPECT_EQ(wrong_results, 0);
	EXPECT_EQ(seen_in_area, 0);
	EXPECT_EQ(seen_stepping, 0);
	close(self->probes);
}

/* To know where the area is before the first interruption */
static bool make_area(void)
{
	do_round(0);
	rounds_done++;
	return xol_mappings_find(getpid(), &areas);
}

#define EXPECT_COUNTED(rounds) do {					\
	for (unsigned int site = 0; site < self->sites; site++) {	\
		EXPECT_EQ(counters_read(self->counters, site), rounds)	\
			TH_LOG("instruction %u of round_function", site); \
	}								\
} while (0)

static void do_rounds_with_timer(unsigned int index)
{
	unsigned long done = 0, seen;

	timer_start(&done);
	while (done < rounds_per_thread) {
		do_round(done + index);
		__atomic_store_n(&done, done + 1, __ATOMIC_RELAXED);
	}
	seen = timer_stop();
	__atomic_add_fetch(&rounds_done, done, __ATOMIC_RELAXED);
	__atomic_add_fetch(&interruptions, seen, __ATOMIC_RELAXED);
}

TEST_F_TIMEOUT(interrupted, by_timers, TIME_LIMIT)
{
	ASSERT_TRUE(make_area());
	timers_prepare(note_interruption);
	rounds_per_thread = hits / self->sites / THREADS + 1;
	threads_run(THREADS, do_rounds_with_timer);
	ksft_print_msg("%lu rounds, %lu interruptions\n", rounds_done, interruptions);
	EXPECT_GE(interruptions, THREADS);
	EXPECT_COUNTED(rounds_done);
}

/* Signals from one thread to all others, each sent when the last was seen */
static pthread_t targets[THREADS];
static unsigned int targets_ready, targets_done;
static bool signals_over;
static unsigned long sent[THREADS], seen[THREADS];
static __thread unsigned int own_index;

static void handle_signal(int signal, siginfo_t *info, void *context)
{
	note_interruption(context);
	__atomic_add_fetch(&seen[own_index], 1, __ATOMIC_RELEASE);
}

static void do_rounds_as_target(unsigned int index)
{
	unsigned long done;

	own_index = index;
	targets[index] = pthread_self();
	__atomic_add_fetch(&targets_ready, 1, __ATOMIC_RELEASE);
	for (done = 0; done < rounds_per_thread; done++)
		do_round(done + index);
	__atomic_add_fetch(&rounds_done, done, __ATOMIC_RELAXED);
	__atomic_add_fetch(&targets_done, 1, __ATOMIC_RELEASE);
	/* a thread that is gone cannot be signalled */
	while (!__atomic_load_n(&signals_over, __ATOMIC_ACQUIRE))
		give_way();
}

TEST_F_TIMEOUT(interrupted, by_threads, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = handle_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};
	unsigned long signals = 0;
	struct threads *threads;

	ASSERT_TRUE(make_area());
	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	rounds_per_thread = hits / self->sites / THREADS + 1;
	threads = threads_start(THREADS, do_rounds_as_target);
	while (__atomic_load_n(&targets_ready, __ATOMIC_ACQUIRE) < THREADS)
		give_way();
	while (__atomic_load_n(&targets_done, __ATOMIC_ACQUIRE) < THREADS) {
		for (unsigned int i = 0; i < THREADS; i++) {
			if (__atomic_load_n(&seen[i], __ATOMIC_ACQUIRE) < sent[i])
				continue;
			sent[i]++;
			signals++;
			ASSERT_EQ(pthread_kill(targets[i], SIGUSR1), 0);
		}
	}
	/* A signal that is lost keeps the test from its end. */
	for (unsigned int i = 0; i < THREADS; i++)
		while (__atomic_load_n(&seen[i], __ATOMIC_ACQUIRE) < sent[i])
			give_way();
	__atomic_store_n(&signals_over, true, __ATOMIC_RELEASE);
	threads_join(threads);
	ksft_print_msg("%lu rounds, %lu signals\n", rounds_done, signals);
	EXPECT_GE(signals, THREADS);
	EXPECT_COUNTED(rounds_done);
}

/* Shared with the process that is traced */
struct traced {
	unsigned long rounds;
	bool over;
};

/* In that process; its status tells whether results were right. */
static __noreturn void do_rounds_and_exit(struct traced *traced)
{
	while (!__atomic_load_n(&traced->over, __ATOMIC_RELAXED))
		do_round(traced->rounds++);
	_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
}

/* Whether a child has stopped or ended, which one can still wait for then */
static bool has_changed(pid_t pid)
{
	siginfo_t info = {};

	return waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) ||
	       info.si_pid;
}

TEST_F_TIMEOUT(interrupted, by_tracer, TIME_LIMIT)
{
	struct traced *traced = mmap(NULL, sizeof(*traced), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int in_round = 0, delay = 0;
	int status;
	pid_t pid;

	ASSERT_NE(traced, MAP_FAILED);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		do_rounds_and_exit(traced);
	ASSERT_EQ(ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_EXITKILL), 0);
	for (unsigned int i = 0; i < STOPS; i++) {
		unsigned int site = i % self->sites;
		uint64_t before = counters_read(self->counters, site);
		uintptr_t ip;

		/* or it would be stopped again and again before it goes on */
		while (counters_read(self->counters, site) == before) {
			ASSERT_FALSE(has_changed(pid));
			give_way();
		}
		for (unsigned int turn = 0; turn < delay; turn++)
			asm volatile("");
		delay = (delay + STRIDE) % DELAYS;
		ASSERT_EQ(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT_TRUE(WIFSTOPPED(status));
		ip = traced_ip(pid);
		xol_mappings_find(pid, &areas);
		EXPECT_NE(ip, 0);
		EXPECT_FALSE(in_area(ip));
		in_round += ip >= (uintptr_t)round_function &&
			    ip < (uintptr_t)round_function_end;
		ASSERT_EQ(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	}
	__atomic_store_n(&traced->over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ksft_print_msg("%u stops, %u of them in round_function\n", STOPS, in_round);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_GE(in_round, 1);
	EXPECT_COUNTED(traced->rounds);
	munmap(traced, sizeof(*traced));
}

static void do_rounds_for_ever(unsigned int index)
{
	for (unsigned long argument = index;; argument++)
		do_round(argument);
}

static void dump_in(const char *folder)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (chdir(folder) || setrlimit(RLIMIT_CORE, &limit))
		_exit(KSFT_FAIL);
}

/* The only file in @folder, whatever the kernel calls a core dump; or -1 */
static int open_core(const char *folder)
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *entries = opendir(folder);
	int file = -1;

	if (!entries)
		return -1;
	while (file < 0 && (entry = readdir(entries))) {
		if (entry->d_type == DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		file = open(path, O_RDONLY | O_CLOEXEC);
		unlink(path);
	}
	closedir(entries);
	return file;
}

/* Bytes of slots in core dumps, at most in one of them */
static size_t slots_dumped;

/*
 * The first program header for notes in @core, or NULL. Notes how much of [uprobes] is
 * in the dump.
 */
static const Elf64_Phdr *core_notes(const char *core, size_t size)
{
	const Elf64_Ehdr *header = (const void *)core;
	const Elf64_Phdr *segment = (const void *)(core + header->e_phoff), *notes = NULL;
	size_t dumped = 0;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_type != ET_CORE)
		return NULL;
	for (unsigned int i = 0; i < header->e_phnum; i++, segment++) {
		if (segment->p_type == PT_LOAD && in_area(segment->p_vaddr))
			dumped += segment->p_filesz;
		if (!notes && segment->p_type == PT_NOTE &&
		    segment->p_offset + segment->p_filesz <= size)
			notes = segment;
	}
	if (dumped > slots_dumped)
		slots_dumped = dumped;
	return notes;
}

static unsigned int seen_in_round, seen_at_load[BLOCKED];

static void note_dumped(uintptr_t ip)
{
	if (in_area(ip))
		add(&seen_in_area);
	if (ip >= (uintptr_t)round_function && ip < (uintptr_t)round_function_end)
		add(&seen_in_round);
	for (unsigned int i = 0; i < BLOCKED; i++)
		if (ip == (uintptr_t)numbered_load(i))
			add(&seen_at_load[i]);
}

/* Notes where each thread of @core was; returns how many there were. */
static unsigned int read_core(const char *core, size_t size)
{
	const Elf64_Phdr *notes = core_notes(core, size);
	const char *at, *end;
	unsigned int threads = 0;

	if (!notes)
		return 0;
	at = core + notes->p_offset;
	end = at + notes->p_filesz;
	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *note = (const void *)at;
		const char *what = at + sizeof(*note) + ((note->n_namesz + 3) & ~3U);
		struct elf_prstatus status;

		at = what + ((note->n_descsz + 3) & ~3U);
		if (note->n_type != NT_PRSTATUS || note->n_descsz != sizeof(status))
			continue;
		memcpy(&status, what, sizeof(status));
		note_dumped(regs_ip((const struct user_regs_struct *)&status.pr_reg));
		threads++;
	}
	return threads;
}

/*
 * Has @pid, which was started in @folder, dump its core, and notes where its threads
 * were; returns how many there were.
 */
static unsigned int dump_core(pid_t pid, const char *folder)
{
	unsigned int threads;
	struct stat stat;
	int status, file;
	char *core;

	if (!xol_mappings_find(pid, &areas) || kill(pid, SIGQUIT) ||
	    waitpid(pid, &status, 0) != pid)
		ksft_exit_fail_perror("no process to dump");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGQUIT || !WCOREDUMP(status))
		ksft_exit_fail_msg("status %#x instead of a core\n", status);
	file = open_core(folder);
	if (file < 0)
		ksft_exit_fail_msg("no core in %s\n", folder);
	if (fstat(file, &stat))
		ksft_exit_fail_perror("fstat");
	core = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (core == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	threads = read_core(core, stat.st_size);
	munmap(core, stat.st_size);
	close(file);
	return threads;
}

/* Whether cores are written to where the process is */
static bool cores_are_files(void)
{
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");
	char pattern[256];
	bool is_name;

	if (!file)
		return false;
	is_name = fgets(pattern, sizeof(pattern), file) && !strchr("|@\n", pattern[0]) &&
		  !strchr(pattern, '/');
	fclose(file);
	return is_name;
}

static const char no_core[] = "core_pattern is not a file name";

/* Older kernels dump the only page of slots. */
#define EXPECT_NO_SLOTS_DUMPED()						\
	EXPECT_LE(slots_dumped, sysconf(_SC_PAGESIZE))

TEST_F_TIMEOUT(interrupted, by_core_dump, TIME_LIMIT)
{
	char folder[] = "/tmp/uprobes-core-XXXXXX";

	if (!cores_are_files())
		SKIP(return, "%s", no_core);
	ASSERT_NE(mkdtemp(folder), NULL);
	for (unsigned int i = 0; i < DUMPS; i++) {
		uint64_t before = counters_read(self->counters, 0);
		unsigned int threads;
		pid_t pid;

		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			dump_in(folder);
			threads_start(DUMPED_THREADS, do_rounds_for_ever);
			for (;;)
				pause();
		}
		counters_wait_for(self->counters, 0, before + 10 * DUMPED_THREADS);
		threads = dump_core(pid, folder);
		EXPECT_EQ(threads, DUMPED_THREADS + 1);
	}
	rmdir(folder);
	ksft_print_msg("%u of %u threads were in round_function\n", seen_in_round,
		       DUMPS * DUMPED_THREADS);
	EXPECT_GE(seen_in_round, 1);
	EXPECT_NO_SLOTS_DUMPED();
}

/* For certain in a slot: the threads are blocked there. */
TEST_F_TIMEOUT(interrupted, by_core_dump_in_a_slot, TIME_LIMIT)
{
	int loads = blocked_attach(BLOCKED, self->counters, 0), ready[2];
	char folder[] = "/tmp/uprobes-core-XXXXXX";
	unsigned int threads;
	char byte;
	pid_t pid;

	if (!cores_are_files())
		SKIP(return, "%s", no_core);
	ASSERT_NE(mkdtemp(folder), NULL);
	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct blocked *blocked;

		dump_in(folder);
		if (!blocked_start(&blocked, BLOCKED, BLOCKED, PATIENCE) ||
		    write(ready[1], "", 1) != 1)
			_exit(KSFT_FAIL);
		for (;;)
			pause();
	}
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	threads = dump_core(pid, folder);
	rmdir(folder);
	EXPECT_EQ(threads, BLOCKED + 1);
	for (unsigned int i = 0; i < BLOCKED; i++)
		EXPECT_EQ(seen_at_load[i], 1);
	EXPECT_EQ(counters_read(self->counters, 0), BLOCKED);
	EXPECT_NO_SLOTS_DUMPED();
	close(loads);
}

__noreturn void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [HITS] [options of the harness]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] != '-') {
		hits = number_option(argv[0], argv[1], 0, ULONG_MAX, NULL);
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	return test_harness_run(argc, argv);
}
