// SPDX-License-Identifier: GPL-2.0
/*
 * A debugger stops threads at any moment of a loop over probed instructions, and has them
 * call a function with probes: it saves all registers, sets the ip and the stack pointer,
 * lets the thread run to a breakpoint instruction, and restores all registers. Every
 * execution is counted once and has its effect.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "mixed.h"
#include "probe.h"
#include "registers.h"
#include "saved_registers.h"
#include "threads.h"

#define THREADS		4
/* Rounds in one call of mixed_function() */
#define ROUNDS		16
/* Calls by the debugger */
#define CALLS		300
/* Before a thread is stopped, turns of a loop: fewer than this, in strides prime to it */
#define DELAYS		4096
#define STRIDE		37
#define BLOCKED		8
/* Seconds a thread may take to block */
#define PATIENCE	60
#define TIME_LIMIT	600

#define EVENT_OF(status)	((status) >> 16)

/* Where a thread stops that has returned to called_trap */
static uintptr_t trapped_ip(void)
{
#if defined(__x86_64__)
	return (uintptr_t)called_trap + 1;
#else
	return (uintptr_t)called_trap;
#endif
}

static unsigned int wrong_calls, seen_in_area, seen_in_mixed, nested_calls, calls;

static bool wait_for_stop(pid_t thread, int *status)
{
	return waitpid(thread, status, __WALL) == thread && WIFSTOPPED(*status);
}

static void note_stop(pid_t process, uintptr_t ip)
{
	struct xol_mappings areas;

	if (xol_mappings_find(process, &areas) && xol_mappings_hold(&areas, ip))
		seen_in_area++;
	if (ip >= (uintptr_t)mixed_function && ip < (uintptr_t)mixed_function_end)
		seen_in_mixed++;
}

/* A call by a thread that was stopped, and the registers that the thread had */
struct call {
	pid_t thread;
	struct registers saved;
	uint64_t argument;
};

static bool call_begin(struct call *call, pid_t process, pid_t thread)
{
	struct registers registers;

	call->thread = thread;
	call->argument = ++calls;
	if (!registers_access(PTRACE_GETREGSET, thread, &call->saved))
		return false;
	note_stop(process, regs_ip(&call->saved.general));
	registers = call->saved;
	return registers_call(thread, &registers, called_function, call->argument, called_trap) &&
	       registers_access(PTRACE_SETREGSET, thread, &registers) &&
	       !ptrace(PTRACE_CONT, thread, NULL, NULL);
}

/* The thread has stopped with @status, and stays stopped with its own registers. */
static bool call_end(const struct call *call, int status)
{
	struct registers registers;

	if (WSTOPSIG(status) != SIGTRAP || EVENT_OF(status) ||
	    !registers_access(PTRACE_GETREGSET, call->thread, &registers))
		return false;
	wrong_calls += regs_ip(&registers.general) != trapped_ip() ||
		       registers_result(&registers) != call->argument + 1;
	registers = call->saved;
	return registers_access(PTRACE_SETREGSET, call->thread, &registers);
}

/* Interrupts a thread after another time at each call. */
static bool interrupt_later(pid_t thread)
{
	static unsigned int delay;

	for (unsigned int turn = 0; turn < delay; turn++)
		asm volatile("");
	delay = (delay + STRIDE) % DELAYS;
	return !ptrace(PTRACE_INTERRUPT, thread, NULL, NULL);
}

/* Has a thread that is stopped call the function. If @interrupted, again during the call. */
static bool call_by(pid_t process, pid_t thread, bool interrupted)
{
	struct call call;
	int status;

	if (!call_begin(&call, process, thread) || (interrupted && !interrupt_later(thread)) ||
	    !wait_for_stop(thread, &status))
		return false;
	/*
	 * The thread may have ended the call before the interrupt. Then it stops once more
	 * when it goes on. Or it stops for the interrupt while the signal of the end is
	 * pending, which would stop a call at its start.
	 */
	while (EVENT_OF(status) == PTRACE_EVENT_STOP) {
		if (traced_ip(thread) != trapped_ip()) {
			nested_calls++;
			if (!call_by(process, thread, false))
				return false;
		}
		if (ptrace(PTRACE_CONT, thread, NULL, NULL) || !wait_for_stop(thread, &status))
			return false;
	}
	return call_end(&call, status);
}

/* Shared with the process that is traced */
static struct traced {
	bool over;
	pid_t threads[THREADS];
	/* By threads, as they count them */
	uint64_t rounds[THREADS];
} *traced;

static unsigned int wrong_results;

static void do_rounds(unsigned int index)
{
	__atomic_store_n(&traced->threads[index], gettid(), __ATOMIC_RELEASE);
	for (uint64_t i = index; !__atomic_load_n(&traced->over, __ATOMIC_RELAXED); i++)
		if (mixed_function(i, ROUNDS, &traced->rounds[index]) != mixed_result(i, ROUNDS))
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

FIXTURE(called) {
	int counters, called_counters;
	int probes, called_probes;
	struct mixed_sites sites, called_sites;
	pid_t process;
};

FIXTURE_SETUP(called)
{
	self->sites = mixed_sites_accepted(__start_mixed_sites, __stop_mixed_sites);
	self->called_sites = mixed_sites_accepted(__start_called_sites, __stop_called_sites);
	self->counters = counters_create(self->sites.number);
	self->called_counters = counters_create(self->called_sites.number);
	self->probes = probe_attach_each(self->sites.of, self->sites.number, self->counters);
	self->called_probes = probe_attach_each(self->called_sites.of, self->called_sites.number,
						self->called_counters);
}

FIXTURE_TEARDOWN(called)
{
	EXPECT_EQ(wrong_calls, 0);
	EXPECT_EQ(seen_in_area, 0);
	EXPECT_SITES_COUNTED(&self->called_sites, self->called_counters, calls);
	close(self->probes);
	close(self->called_probes);
}

static void start_threads(struct __test_metadata *_metadata, pid_t *process)
{
	traced = mmap(NULL, sizeof(*traced), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(traced, MAP_FAILED);
	*process = fork();
	ASSERT_GE(*process, 0);
	if (!*process) {
		threads_run(THREADS, do_rounds);
		_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pid_t thread;

		while (!(thread = __atomic_load_n(&traced->threads[i], __ATOMIC_ACQUIRE)))
			give_way();
		ASSERT_EQ(ptrace(PTRACE_SEIZE, thread, NULL, PTRACE_O_EXITKILL), 0);
	}
}

/* Has a thread stopped that was interrupted during a call? */
static bool is_stopped(pid_t thread)
{
	siginfo_t info = {};

	return !waitid(P_PID, thread, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) &&
	       info.si_pid;
}

/* Interrupts a thread after it has got on. */
static void interrupt_thread(struct __test_metadata *_metadata, unsigned int index)
{
	uint64_t before = __atomic_load_n(&traced->rounds[index], __ATOMIC_RELAXED);

	while (__atomic_load_n(&traced->rounds[index], __ATOMIC_RELAXED) == before) {
		if (is_stopped(traced->threads[index]))
			return;
		give_way();
	}
	ASSERT_TRUE(interrupt_later(traced->threads[index]));
}

static void end_threads(struct __test_metadata *_metadata, pid_t process)
{
	__atomic_store_n(&traced->over, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < THREADS; i++) {
		int status;

		while (wait_for_stop(traced->threads[i], &status))
			ASSERT_EQ(ptrace(PTRACE_CONT, traced->threads[i], NULL, NULL), 0);
		EXPECT_TRUE(WIFEXITED(status));
	}
	EXPECT_TRUE(exits_with(process, KSFT_PASS));
	ksft_print_msg("%u calls, %u of them in a call, %u stops in mixed_function\n", calls,
		       nested_calls, seen_in_mixed);
	EXPECT_GE(seen_in_mixed, 1);
}

static uint64_t rounds_done(void)
{
	uint64_t rounds = 0;

	for (unsigned int i = 0; i < THREADS; i++)
		rounds += traced->rounds[i];
	return rounds;
}

/* Checks calls by one thread while the others run on, also calls during such calls. */
TEST_F_TIMEOUT(called, by_one_thread, TIME_LIMIT)
{
	start_threads(_metadata, &self->process);
	for (unsigned int i = 0; i < CALLS; i++) {
		pid_t thread = traced->threads[i % THREADS];
		int status;

		interrupt_thread(_metadata, i % THREADS);
		ASSERT_TRUE(wait_for_stop(thread, &status));
		ASSERT_EQ(EVENT_OF(status), PTRACE_EVENT_STOP);
		ASSERT_TRUE(call_by(self->process, thread, i % 3 == 2));
		ASSERT_EQ(ptrace(PTRACE_CONT, thread, NULL, NULL), 0);
	}
	end_threads(_metadata, self->process);
	EXPECT_GE(nested_calls, 1);
	EXPECT_SITES_COUNTED(&self->sites, self->counters, rounds_done());
}

/* Checks calls by all threads at the same time, after all have been stopped. */
TEST_F_TIMEOUT(called, by_all_threads, TIME_LIMIT)
{
	start_threads(_metadata, &self->process);
	for (unsigned int i = 0; i < CALLS / THREADS; i++) {
		struct call running[THREADS];
		int status;

		for (unsigned int j = 0; j < THREADS; j++)
			interrupt_thread(_metadata, (i + j) % THREADS);
		for (unsigned int j = 0; j < THREADS; j++)
			ASSERT_TRUE(wait_for_stop(traced->threads[j], &status));
		for (unsigned int j = 0; j < THREADS; j++)
			ASSERT_TRUE(call_begin(&running[j], self->process, traced->threads[j]));
		for (unsigned int j = 0; j < THREADS; j++) {
			ASSERT_TRUE(wait_for_stop(traced->threads[j], &status));
			ASSERT_TRUE(call_end(&running[j], status));
		}
		for (unsigned int j = 0; j < THREADS; j++)
			ASSERT_EQ(ptrace(PTRACE_CONT, traced->threads[j], NULL, NULL), 0);
	}
	end_threads(_metadata, self->process);
	EXPECT_SITES_COUNTED(&self->sites, self->counters, rounds_done());
}

/* In the process that is traced: its threads block, and block again when interrupted. */
static __noreturn void block_twice(int ready)
{
	struct blocked *blocked;

	if (!blocked_start(&blocked, BLOCKED, BLOCKED, PATIENCE) || write(ready, "", 1) != 1)
		_exit(KSFT_FAIL);
	for (unsigned int i = 0; i < BLOCKED; i++)
		if (!blocked_wait(blocked, PATIENCE))
			_exit(KSFT_FAIL);
	blocked_serve(blocked);
	_exit(blocked_join(blocked) ? KSFT_FAIL : KSFT_PASS);
}

/* All threads of a process except the first one; returns how many there are. */
static unsigned int other_threads(pid_t process, pid_t *threads, unsigned int most)
{
	struct dirent *entry;
	unsigned int number = 0;
	char path[32];
	DIR *entries;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	entries = opendir(path);
	if (!entries)
		return 0;
	while ((entry = readdir(entries))) {
		pid_t thread = atoi(entry->d_name);

		if (thread && thread != process && number < most)
			threads[number++] = thread;
	}
	closedir(entries);
	return number;
}

/* Checks calls by threads that were blocked in a slot, and that end the load first. */
TEST_F_TIMEOUT(called, by_threads_in_slots, TIME_LIMIT)
{
	int loads = blocked_attach(BLOCKED, self->counters, 0), ready[2], status;
	pid_t threads[BLOCKED];
	char byte;

	ASSERT_EQ(pipe(ready), 0);
	self->process = fork();
	ASSERT_GE(self->process, 0);
	if (!self->process)
		block_twice(ready[1]);
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	ASSERT_EQ(other_threads(self->process, threads, BLOCKED), BLOCKED);
	for (unsigned int i = 0; i < BLOCKED; i++) {
		ASSERT_EQ(ptrace(PTRACE_SEIZE, threads[i], NULL, PTRACE_O_EXITKILL), 0);
		ASSERT_EQ(ptrace(PTRACE_INTERRUPT, threads[i], NULL, NULL), 0);
	}
	for (unsigned int i = 0; i < BLOCKED; i++) {
		uintptr_t ip;

		ASSERT_TRUE(wait_for_stop(threads[i], &status));
		ASSERT_EQ(EVENT_OF(status), PTRACE_EVENT_STOP);
		ip = traced_ip(threads[i]);
		/* after a load that was executed */
		EXPECT_GT(ip, (uintptr_t)numbered_load(0));
		EXPECT_LT(ip, (uintptr_t)numbered_load(BLOCKED));
		EXPECT_NE(ip % NUMBERED_FUNCTION_SIZE, 0);
		ASSERT_TRUE(call_by(self->process, threads[i], false));
		ASSERT_EQ(ptrace(PTRACE_DETACH, threads[i], NULL, NULL), 0);
	}
	EXPECT_TRUE(exits_with(self->process, KSFT_PASS));
	EXPECT_EQ(calls, BLOCKED);
	EXPECT_EQ(counters_read(self->counters, 0), BLOCKED);
	close(loads);
}

TEST_HARNESS_MAIN
