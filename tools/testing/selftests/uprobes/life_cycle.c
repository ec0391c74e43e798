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
#include "functions.h"
#include "probe.h"
#include "threads.h"

#define NUMBER		5
/* More than there are slots on x86-64 */
#define THREADS		40
#define ROUNDS		5
#define TIME_LIMIT	600
/* Calls made by this program when it is executed with this argument */
#define EXEC_ARGUMENT	"call-and-exit"
#define EXEC_CALLS	10

static unsigned long short_threads = 3000;
static unsigned int wrong_results;
static bool stop;

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

/* For a child: its result tells whether all calls were right. */
static __noreturn void call_and_exit(unsigned long times)
{
	call_times(times);
	_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
}

static bool exits_with(pid_t pid, int code)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == code;
}

FIXTURE(life_cycle) {
	int counters;
	int probe;
};

FIXTURE_SETUP(life_cycle)
{
	self->counters = counters_create(2);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, 0));
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
	EXPECT_EQ(counters_read(self->counters, 0), expected);
}

/* Threads end while others take slots and recycle those of the ended. */
TEST_F_TIMEOUT(life_cycle, short_threads_among_long_ones, TIME_LIMIT)
{
	struct threads *others = threads_start(THREADS, call_until_stopped);

	for (unsigned int i = 0; i < ROUNDS; i++)
		threads_run(THREADS, live_shortly);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(others);
	EXPECT_TRUE(xol_area_mapped());
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
	EXPECT_EQ(counters_read(self->counters, 0), 3 + 6 * forks);
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
	EXPECT_EQ(counters_read(self->counters, 0), 6 * THREADS);
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
	EXPECT_EQ(counters_read(self->counters, 0), 2 + 4 * forks);
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
	EXPECT_EQ(counters_read(self->counters, 0), 50 * (THREADS + 1));
	free(stacks);
}

static char *exec_arguments[] = { "/proc/self/exe", EXEC_ARGUMENT, NULL };

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
	EXPECT_EQ(counters_read(self->counters, 0), 8 * (EXEC_CALLS + 2));
}

/* exec kills the other threads, wherever they are, and drops the mm. */
TEST_F_TIMEOUT(life_cycle, exec_with_threads, TIME_LIMIT)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			threads_start(THREADS, call_until_stopped);
			call_times(5);
			execv(exec_arguments[0], exec_arguments);
			_exit(KSFT_FAIL);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	/* how often the killed threads had hit is not known */
	EXPECT_GE(counters_read(self->counters, 0), ROUNDS * (5 + EXEC_CALLS));
}

static void *exec_in_thread(void *argument)
{
	call_times(5);
	execv(exec_arguments[0], exec_arguments);
	_exit(KSFT_FAIL);
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
}

TEST_F_TIMEOUT(life_cycle, exit_with_threads, TIME_LIMIT)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			threads_start(THREADS, call_until_stopped);
			call_and_exit(5);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
}

TEST_F_TIMEOUT(life_cycle, killed_with_threads, TIME_LIMIT)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = counters_read(self->counters, 0);
		pid_t pid = fork();
		int status;

		ASSERT_GE(pid, 0);
		if (!pid) {
			threads_start(THREADS, call_until_stopped);
			pause();
		}
		/* some hits have been made, more are under way */
		while (counters_read(self->counters, 0) < before + THREADS)
			sched_yield();
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
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
	EXPECT_EQ(counters_read(self->counters, 0), 30);
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
					       program_count(self->counters, 1));
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
	EXPECT_EQ(counters_read(self->counters, 1), 4 * forks);
	/* and calls once in each: 4; 3 + 3 in the child, 3 in the grandchild */
	EXPECT_EQ(counters_read(self->counters, 0), (4 + 9) * forks);
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
