// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted slots whose probes are removed: they are reclaimed and handed on to other
 * probes, but not while a thread is in one. Every execution is counted once, has its
 * effect, and goes on where it should.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"

/* Functions of a set: the slots are more than those of a page */
#define SET		1000
#define SETS		6
/* Calls of a set, at most, until it is boosted */
#define PASSES		100
/* Of a set while threads run, under which it takes long to replace probes */
#define FEW		100
/* Functions that stay probed then */
#define STAYING		1000
#define RUNNERS		64
#define PATIENCE	120
#define TIME_LIMIT	600
/*
 * Threads of a process that shares its memory: before the probe is removed, and at last.
 * If there were more than 1024, the kernel would not count them.
 */
#define SLEEPERS	300
#define MOST_SLEEPERS	1000
/* Microseconds from one thread to the next */
#define PAUSE		300
#define STACK_SIZE	(256 * 1024)	/* arm64 wants 128 KiB at least */
/* Seconds in which a slot that is reclaimed too early is reclaimed */
#define RECLAIMED	4
/* Bytes that are copied by one instruction before it blocks, and in all */
#define COPIED_FIRST	48
#define COPIED		64

/* Functions that stay probed, and those of a set that come and go behind them */
static unsigned int staying, number;
static unsigned int wrong;
/* Executions of functions that stay probed */
static unsigned long stayed;
static int counters;

FIXTURE(handed_on) {
};

FIXTURE_SETUP(handed_on)
{
	unsigned long pages;

	if (!boost_is_on() || !xol_count("boost_pages", &pages))
		SKIP(return, "no slots are handed on: needs CONFIG_UPROBES_XOL_BOOST");
	xol_counts_settle();
	staying = 0;
	number = SET;
	counters = counters_create(2);
}

FIXTURE_TEARDOWN(handed_on)
{
}

/* One of the two sets of functions that take turns */
static unsigned int first_of(unsigned int set)
{
	return staying + set % 2 * number;
}

static int attach_to(unsigned int first, unsigned int functions, unsigned int counter)
{
	static const void *addresses[MANY_FUNCTIONS];

	for (unsigned int i = 0; i < functions; i++)
		addresses[i] = many_function(first + i);
	return probe_attach_many(addresses, functions, counters, counter);
}

static int attach(unsigned int set)
{
	return attach_to(first_of(set), number, 0);
}

static void call(unsigned int function)
{
	if (call_many_function(function) != function)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	if (function < staying)
		__atomic_add_fetch(&stayed, 1, __ATOMIC_RELAXED);
}

static void call_all(unsigned int set)
{
	for (unsigned int i = 0; i < number; i++)
		call(first_of(set) + i);
}

static unsigned long count(const char *name)
{
	unsigned long value = 0;

	xol_count(name, &value);
	return value;
}

/* Whether the count is that, at last */
static bool reaches(const char *name, unsigned long value)
{
	unsigned long seen = xol_count_wait(name, value);

	if (seen != value)
		ksft_print_msg("%s: %lu instead of %lu\n", name, seen, value);
	return seen == value;
}

/*
 * Sets that take turns: each is boosted as a whole, and its slots are reclaimed. A hit
 * is stepped if slots are being reclaimed at this moment.
 */
static bool take_turns(void)
{
	unsigned long hits = counters_read(counters, 0), boosted = count("boosted");
	unsigned long pages = count("boost_pages"), passes = 0;

	for (unsigned int set = 0; set < SETS; set++) {
		unsigned long reclaims = count("reclaims");
		int probes = attach(set);

		for (unsigned int i = 0; i < PASSES && count("boosted") < boosted + number; i++) {
			call_all(set);
			passes++;
		}
		if (!reaches("boosted", boosted + number))
			return false;
		close(probes);
		if (!reaches("reclaims", reclaims + number) ||
		    !reaches("boosted", boosted) || !reaches("boost_pages", pages))
			return false;
		call_all(set);
	}
	hits = counters_read(counters, 0) - hits;
	ksft_print_msg("%lu hits in %lu passes\n", hits, passes);
	return hits == passes * number;
}

static int all_are_handed_on(const void *unused)
{
	return take_turns() && !wrong ? KSFT_PASS : KSFT_FAIL;
}

TEST_F_TIMEOUT(handed_on, to_other_probes, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(all_are_handed_on, NULL, 2 * PATIENCE), KSFT_PASS);
}

static int all_but_one_are_handed_on(const void *unused)
{
	int probe = blocked_attach(1, counters, 1);
	unsigned long boosted = count("boosted"), reclaims;
	struct blocked *blocked;

	if (!blocked_start(&blocked, 1, 1, PATIENCE))
		return KSFT_FAIL;
	close(probe);
	if (!take_turns())
		return KSFT_FAIL;
	reclaims = count("reclaims");
	if (count("boosted") != boosted + 1)
		return KSFT_FAIL;
	blocked_serve(blocked);
	if (blocked_join(blocked) || counters_read(counters, 1) != 1)
		return KSFT_FAIL;
	/* and that one, too, when its thread has left it */
	return reaches("reclaims", reclaims + 1) && reaches("boosted", boosted) && !wrong ?
	       KSFT_PASS : KSFT_FAIL;
}

TEST_F_TIMEOUT(handed_on, but_one_with_a_thread_in_it, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(all_but_one_are_handed_on, NULL, 3 * PATIENCE), KSFT_PASS);
}

static bool stop;
static unsigned int sleepers;
static struct blocked *server;

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static void *make_threads(void *unused)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) || pthread_attr_setstacksize(&attr, STACK_SIZE))
		ksft_exit_fail_msg("no memory for an attribute\n");
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && sleepers < MOST_SLEEPERS &&
	       !pthread_create(&thread, &attr, sleep_for_ever, NULL))
		if (__atomic_add_fetch(&sleepers, 1, __ATOMIC_RELAXED) > SLEEPERS)
			usleep(PAUSE);
	return NULL;
}

static int load_in_process(void *page)
{
	/* If the test fails, no task serves the page. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(call_load(0, page) ? KSFT_FAIL : KSFT_PASS);
}

static int one_of_another_process_is_left_alone(const void *unused)
{
	int probe = blocked_attach(1, counters, 1), status;
	unsigned long boosted = count("boosted");
	static char stack[STACK_SIZE];
	bool left_alone = true;
	pthread_t maker;
	pid_t pid;

	if (!blocked_start(&server, 0, 1, PATIENCE))
		return KSFT_FAIL;
	/* The slots are those of this process. */
	call_load(0, blocked_page(server) - sizeof(uint64_t));
	/* Without CLONE_FILES the child would keep the probe. */
	pid = clone(load_in_process, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD,
		    (void *)blocked_page(server));
	if (pid < 0 || !blocked_wait(server, PATIENCE) || count("boosted") != boosted + 1 ||
	    pthread_create(&maker, NULL, make_threads, NULL))
		return KSFT_FAIL;
	while (__atomic_load_n(&sleepers, __ATOMIC_RELAXED) < SLEEPERS)
		give_way();
	close(probe);
	for (unsigned int i = 0; i < RECLAIMED && left_alone; i++) {
		sleep(1);
		left_alone = count("boosted") == boosted + 1;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	blocked_serve(server);
	ksft_print_msg("%u threads; the slot was %s\n", sleepers,
		       left_alone ? "left alone" : "reclaimed");
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		return KSFT_FAIL;
	return left_alone && counters_read(counters, 1) == 2 && reaches("boosted", boosted) ?
	       KSFT_PASS : KSFT_FAIL;
}

/*
 * Checks that a slot is not reclaimed while a task of another process with the same
 * memory is in it, whatever threads are created meanwhile.
 */
TEST_F_TIMEOUT(handed_on, but_one_with_another_process_in_it, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(one_of_another_process_is_left_alone, NULL, PATIENCE),
		  KSFT_PASS);
}

#if defined(__x86_64__)
static char copy[COPIED];

static void copy_from_blocked_page(unsigned int index)
{
	const char *page = blocked_page(server);

	copy_function(copy, page - COPIED_FIRST, COPIED);
}

static int copy_is_left_alone(const void *unused)
{
	int probe = probe_attach(copy_site, program_count(counters, 1));
	unsigned long boosted = count("boosted");
	struct threads *thread;
	bool turns = true;

	memset(copy, 1, sizeof(copy));
	if (!blocked_start(&server, 0, 1, PATIENCE))
		return KSFT_FAIL;
	thread = threads_start(1, copy_from_blocked_page);
	if (!blocked_wait(server, PATIENCE))
		return KSFT_FAIL;
	if (count("boosted") == boosted) {
		blocked_serve(server);
		return KSFT_SKIP;
	}
	close(probe);
	turns = take_turns() && count("boosted") == boosted + 1;
	blocked_serve(server);
	threads_join(thread);
	for (unsigned int i = 0; i < sizeof(copy); i++)
		wrong += copy[i];
	return turns && !wrong && counters_read(counters, 1) == 1 &&
	       reaches("boosted", boosted) ? KSFT_PASS : KSFT_FAIL;
}

/* In the middle of an instruction that repeats */
TEST_F_TIMEOUT(handed_on, but_one_with_a_thread_that_copies, TIME_LIMIT)
{
	int result = run_isolated(copy_is_left_alone, NULL, 3 * PATIENCE);

	if (result == KSFT_SKIP)
		SKIP(return, "instructions that repeat are not boosted");
	EXPECT_EQ(result, KSFT_PASS);
}
#endif

static void call_until_stopped(unsigned int index)
{
	unsigned int function = index * (2 * number / RUNNERS);

	for (unsigned long round = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); round++) {
		call(first_of(0) + function);
		call(function % staying);
		function = (function + 1) % (2 * number);
		give_way_at_times(round);
	}
}

static int are_handed_on_under_threads(const void *unused)
{
	unsigned long before = count("reclaims");
	struct threads *threads;
	unsigned int set = 0;
	int others;

	staying = STAYING;
	number = FEW;
	others = attach_to(0, staying, 1);
	for (unsigned int i = 0; i < staying; i++)
		call(i);
	threads = threads_start(RUNNERS, call_until_stopped);
	/* Slots in which threads are seen are reclaimed later than others. */
	while (count("reclaims") - before < SETS * FEW) {
		int probes = attach(set);

		call_all(set);
		call_all(set);
		close(probes);
		set++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
	close(others);
	ksft_print_msg("%lu slots of %u sets were reclaimed\n", count("reclaims") - before, set);
	return wrong || counters_read(counters, 1) != stayed ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(handed_on, under_threads_that_run, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(are_handed_on_under_threads, NULL, 4 * PATIENCE), KSFT_PASS);
}

TEST_HARNESS_MAIN
