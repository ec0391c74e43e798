// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that come and go while they have slots: threads, processes that share
 * an mm or copy it, exec, and death in the middle of a step.
 *
 * Usage: life_cycle [THREADS] [options of the harness]
 * THREADS is the number of short threads.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "threads.h"

#define NUMBER		5
#define THREADS		40
#define ROUNDS		5
#define BLOCKED		8
#define PATIENCE	60
#define TIME_LIMIT	600
/* Calls made by this program when it is executed with this argument */
#define EXEC_ARGUMENT	"call-and-exit"
#define EXEC_CALLS	10

static unsigned long short_threads = 3000;
static unsigned int wrong_results;
static bool stop;
/* Calls by call_all_until_stopped(), and those of them that were of NUMBER */
static unsigned long calls_of_all, calls_of_number;

static void call_times(unsigned long times)
{
	while (times--)
		if (call_numbered(NUMBER) != NUMBER)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void call_until_stopped(unsigned int index)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		call_times(1);
}

/*
 * Calls all functions, the threads at distances: more than there are slots, so
 * that those of others are taken away.
 */
static void call_all_until_stopped(unsigned int index)
{
	unsigned int number = index * (NUMBERED_FUNCTIONS / THREADS);
	unsigned long calls = 0, of_number = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (call_numbered(number) != number)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
		calls++;
		of_number += number == NUMBER;
		number = (number + 1) % NUMBERED_FUNCTIONS;
	}
	__atomic_add_fetch(&calls_of_all, calls, __ATOMIC_RELAXED);
	__atomic_add_fetch(&calls_of_number, of_number, __ATOMIC_RELAXED);
}

/* For a child: its result tells whether all calls were right. */
static __noreturn void call_and_exit(unsigned long times)
{
	call_times(times);
	_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
}

/* Counters */
enum { CALLED, RETURNED, CALLED_ALL, LOADED, COUNTERS };

/* Probes all functions that call_all_until_stopped() calls. */
static int attach_to_all(int counters)
{
	const void *addresses[NUMBERED_FUNCTIONS];

	for (unsigned int i = 0; i < NUMBERED_FUNCTIONS; i++)
		addresses[i] = numbered_function(i);
	return probe_attach_many(addresses, NUMBERED_FUNCTIONS, counters, CALLED_ALL);
}

/* Starts threads, and returns when slots are being taken away. */
static struct threads *start_calling_all(int counters)
{
	uint64_t before = counters_read(counters, CALLED_ALL);
	struct threads *threads = threads_start(THREADS, call_all_until_stopped);

	counters_wait_for(counters, CALLED_ALL, before + 2 * NUMBERED_FUNCTIONS);
	return threads;
}

FIXTURE(life_cycle) {
	int counters;
	int probe;
};

FIXTURE_SETUP(life_cycle)
{
	self->counters = counters_create(COUNTERS);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, CALLED));
}

FIXTURE_TEARDOWN(life_cycle)
{
	EXPECT_EQ(wrong_results, 0);
	close(self->probe);
}

static void live_shortly(unsigned int index)
{
	/* from threads without a slot to threads with one for some hits */
	call_times(index % 4);
}

TEST_F_TIMEOUT(life_cycle, short_threads, TIME_LIMIT)
{
	unsigned long left, expected = 0;
	unsigned int number;

	for (left = short_threads; left; left -= number) {
		number = left < THREADS ? left : THREADS;

		threads_run(number, live_shortly);
		for (unsigned int i = 0; i < number; i++)
			expected += i % 4;
	}
	EXPECT_EQ(counters_read(self->counters, CALLED), expected);
}

/* Threads end while others take slots and recycle those of the ended. */
TEST_F_TIMEOUT(life_cycle, short_threads_among_long_ones, TIME_LIMIT)
{
	int all = attach_to_all(self->counters);
	struct threads *others = start_calling_all(self->counters);
	unsigned long calls = 0;

	for (unsigned int i = 0; i < ROUNDS; i++)
		threads_run(THREADS, live_shortly);
	for (unsigned int i = 0; i < THREADS; i++)
		calls += ROUNDS * (i % 4);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(others);
	EXPECT_EQ(counters_read(self->counters, CALLED_ALL), calls_of_all + calls);
	EXPECT_EQ(counters_read(self->counters, CALLED), calls_of_number + calls);
	EXPECT_TRUE(xol_area_mapped());
	close(all);
}

TEST_F_TIMEOUT(life_cycle, fork, TIME_LIMIT)
{
	unsigned int forks = 20;

	call_times(3);
	for (unsigned int i = 0; i < forks; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			/* the area is not inherited */
			if (xol_area_mapped())
				_exit(KSFT_FAIL);
			call_and_exit(3);
		}
		call_times(3);
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	EXPECT_EQ(counters_read(self->counters, CALLED), 3 + 6 * forks);
}

static void fork_and_call(unsigned int index)
{
	pid_t pid;

	call_times(2);
	pid = fork();
	if (!pid)
		call_and_exit(2);
	if (pid < 0 || !exits_with(pid, KSFT_PASS))
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	call_times(2);
}

TEST_F_TIMEOUT(life_cycle, fork_by_all_threads, TIME_LIMIT)
{
	threads_run(THREADS, fork_and_call);
	EXPECT_EQ(counters_read(self->counters, CALLED), 6 * THREADS);
}

/* While the child of vfork() runs, it has the mm and the area of its parent. */
TEST_F_TIMEOUT(life_cycle, vfork, TIME_LIMIT)
{
	unsigned int forks = 20;

	call_times(2);
	for (unsigned int i = 0; i < forks; i++) {
		pid_t pid = vfork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			if (!xol_area_mapped())
				_exit(KSFT_FAIL);
			call_and_exit(2);
		}
		call_times(2);
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	EXPECT_EQ(counters_read(self->counters, CALLED), 2 + 4 * forks);
}

static int clone_child(void *argument)
{
	call_and_exit(50);
}

/* Processes that share the mm and no more */
TEST_F_TIMEOUT(life_cycle, clone_vm, TIME_LIMIT)
{
	const size_t stack_size = 65536;
	char *stacks = malloc(THREADS * stack_size);
	pid_t pids[THREADS];

	ASSERT_NE(stacks, NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		pids[i] = clone(clone_child, stacks + (i + 1) * stack_size,
				CLONE_VM | SIGCHLD, NULL);
		ASSERT_GE(pids[i], 0);
	}
	call_times(50);
	for (unsigned int i = 0; i < THREADS; i++)
		EXPECT_TRUE(exits_with(pids[i], KSFT_PASS));
	EXPECT_EQ(counters_read(self->counters, CALLED), 50 * (THREADS + 1));
	free(stacks);
}

static char *exec_arguments[] = { "/proc/self/exe", EXEC_ARGUMENT, NULL };

static __noreturn void call_and_exec(unsigned long times)
{
	call_times(times);
	execv(exec_arguments[0], exec_arguments);
	_exit(KSFT_FAIL);
}

static void spawn(unsigned int index)
{
	pid_t pid;

	call_times(1);
	if (posix_spawn(&pid, exec_arguments[0], NULL, NULL, exec_arguments, environ) ||
	    !exits_with(pid, KSFT_PASS))
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	call_times(1);
}

TEST_F_TIMEOUT(life_cycle, posix_spawn, TIME_LIMIT)
{
	threads_run(8, spawn);
	EXPECT_EQ(counters_read(self->counters, CALLED), 8 * (EXEC_CALLS + 2));
}

/* exec kills the other threads, wherever they are, and drops the mm. */
TEST_F_TIMEOUT(life_cycle, exec_with_threads, TIME_LIMIT)
{
	int all = attach_to_all(self->counters);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			start_calling_all(self->counters);
			call_and_exec(5);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	/* how often the killed threads had hit is not known */
	EXPECT_GE(counters_read(self->counters, CALLED), ROUNDS * (5 + EXEC_CALLS));
	close(all);
}

/* The other threads of a process are in slots for certain when it ends. */
static void end_while_stepping(struct __test_metadata *_metadata, int counters,
			       void (*call_and_end)(unsigned long times),
			       unsigned int calls)
{
	int loads = blocked_attach(BLOCKED, counters, LOADED);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		struct blocked *blocked;

		if (blocked_start(&blocked, BLOCKED, BLOCKED, PATIENCE))
			call_and_end(5);
		_exit(KSFT_FAIL);
	}
	EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	EXPECT_EQ(counters_read(counters, LOADED), BLOCKED);
	EXPECT_EQ(counters_read(counters, CALLED), calls);
	close(loads);
}

TEST_F_TIMEOUT(life_cycle, exec_while_stepping, TIME_LIMIT)
{
	end_while_stepping(_metadata, self->counters, call_and_exec, 5 + EXEC_CALLS);
}

TEST_F_TIMEOUT(life_cycle, exit_while_stepping, TIME_LIMIT)
{
	end_while_stepping(_metadata, self->counters, call_and_exit, 5);
}

static void *exec_in_thread(void *argument)
{
	call_and_exec(5);
}

TEST_F_TIMEOUT(life_cycle, exec_by_a_thread, TIME_LIMIT)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();
		pthread_t thread;

		ASSERT_GE(pid, 0);
		if (!pid) {
			if (pthread_create(&thread, NULL, exec_in_thread, NULL))
				_exit(KSFT_FAIL);
			call_until_stopped(0);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	/* how often the leader had hit is not known */
	EXPECT_GE(counters_read(self->counters, CALLED), ROUNDS * (5 + EXEC_CALLS));
}

TEST_F_TIMEOUT(life_cycle, exit_with_threads, TIME_LIMIT)
{
	int all = attach_to_all(self->counters);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			start_calling_all(self->counters);
			call_and_exit(5);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	close(all);
}

TEST_F_TIMEOUT(life_cycle, killed_with_threads, TIME_LIMIT)
{
	int all = attach_to_all(self->counters);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = counters_read(self->counters, CALLED_ALL);
		pid_t pid = fork();
		int status;

		ASSERT_GE(pid, 0);
		if (!pid) {
			threads_start(THREADS, call_all_until_stopped);
			pause();
		}
		/* all slots have been used, and are being taken away */
		counters_wait_for(self->counters, CALLED_ALL, before + 2 * NUMBERED_FUNCTIONS);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	close(all);
	call_times(10);
	EXPECT_TRUE(xol_area_mapped());
}

static pthread_t leader;

static void *outlive_leader(void *argument)
{
	pthread_join(leader, NULL);
	call_and_exit(20);
}

TEST_F_TIMEOUT(life_cycle, leader_exits_first, TIME_LIMIT)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		pthread_t thread;

		leader = pthread_self();
		call_times(5);
		if (pthread_create(&thread, NULL, outlive_leader, NULL))
			_exit(KSFT_FAIL);
		call_times(5);
		pthread_exit(NULL);
	}
	EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	EXPECT_EQ(counters_read(self->counters, CALLED), 30);
}

/* Its return is pending in both processes when this has called fork(). */
static pid_t fork_inside(void)
{
	pid_t pid = fork();

	/* not a tail call, and steps on the way */
	call_times(1);
	return pid;
}

/* A variable that others may change: the call through it cannot be inlined. */
pid_t (*fork_function)(void) = fork_inside;

/*
 * The child inherits the pending return, which needs the trampoline in its own
 * area. Steps must not take the trampoline's slot from it.
 */
TEST_F_TIMEOUT(life_cycle, fork_with_pending_return, TIME_LIMIT)
{
	int return_probe = probe_attach_return(fork_inside,
					       program_count(self->counters, RETURNED));
	unsigned int forks = 20;

	for (unsigned int i = 0; i < forks; i++) {
		pid_t pid = fork_function();

		ASSERT_GE(pid, 0);
		if (!pid) {
			pid_t grandchild;

			call_times(3);
			/* and once more, with the child's own area */
			grandchild = fork_function();
			if (!grandchild)
				call_and_exit(3);
			if (!exits_with(grandchild, KSFT_PASS))
				_exit(KSFT_FAIL);
			call_and_exit(3);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	/* fork_inside() returns twice for each call, in parent and child */
	EXPECT_EQ(counters_read(self->counters, RETURNED), 4 * forks);
	/* and calls once in each: 4; 3 + 3 in the child, 3 in the grandchild */
	EXPECT_EQ(counters_read(self->counters, CALLED), (4 + 9) * forks);
	close(return_probe);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], EXEC_ARGUMENT))
		call_and_exit(EXEC_CALLS);
	if (argc > 1 && argv[1][0] != '-') {
		char *end;

		short_threads = strtoul(argv[1], &end, 10);
		if (!short_threads || *end)
			ksft_exit_fail_msg("%s: not a number of threads\n", argv[1]);
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	return test_harness_run(argc, argv);
}
