// SPDX-License-Identifier: GPL-2.0
/*
 * Slots in which instructions run on, and whose probes are gone: when there are no
 * more, other probes get them, but not while a thread is in one. Every execution is
 * counted once, has its effect, and goes on where it should.
 */
#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"

/* Functions of a set beyond those that all slots would do for */
#define EXCESS		100
#define SETS		4
#define RUNNERS		64
#define PATIENCE	120
#define TIME_LIMIT	600

/* Slots in which instructions may run on */
static unsigned int most;
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
	unsigned long reclaims;

	if (!boost_is_on() || !xol_count("reclaims", &reclaims))
		SKIP(return, "no slots are handed on: needs CONFIG_UPROBES_XOL_BOOST");
	most = (xol_slots() - 1) / 2;
	number = most + EXCESS;
	ASSERT_LE(2 * number, MANY_FUNCTIONS);
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

/* Returns how often there was no slot. */
static unsigned long call_all(unsigned int set)
{
	unsigned long boosted, before, after;

	boost_counts(&boosted, &before);
	for (unsigned int i = 0; i < number; i++)
		call(first_of(set) + i);
	boost_counts(&boosted, &after);
	return after - before;
}

static unsigned long reclaims(void)
{
	unsigned long count = 0;

	xol_count("reclaims", &count);
	return count;
}

/* Sets that take turns, each of which gets all slots that there may be but @taken. */
static bool take_turns(unsigned int taken)
{
	unsigned long hits = counters_read(counters, 0), passes = 0, before, got;
	static bool filled;

	for (unsigned int set = 0; set < SETS; set++) {
		int probes = attach(set);

		before = reclaims();
		do
			passes++;
		while (call_all(set) > EXCESS + taken);
		close(probes);
		got = reclaims() - before;
		if (got != (filled ? most - taken : 0)) {
			ksft_print_msg("set %u: %lu slots were handed on, of %u\n", set, got,
				       most - taken);
			return false;
		}
		filled = true;
	}
	ksft_print_msg("%u sets of %u functions in %lu passes\n", SETS, number, passes);
	return counters_read(counters, 0) - hits == passes * number;
}

static int all_are_handed_on(const void *unused)
{
	return take_turns(0) && !wrong ? KSFT_PASS : KSFT_FAIL;
}

TEST_F_TIMEOUT(handed_on, to_other_probes, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(all_are_handed_on, NULL, PATIENCE), KSFT_PASS);
}

static int all_but_one_are_handed_on(const void *unused)
{
	int probe = blocked_attach(1, counters, 1);
	struct blocked *blocked;
	bool others;

	if (!blocked_start(&blocked, 1, 1, PATIENCE))
		return KSFT_FAIL;
	close(probe);
	others = take_turns(1);
	blocked_serve(blocked);
	if (blocked_join(blocked) || counters_read(counters, 1) != 1)
		return KSFT_FAIL;
	/* and that one, too, when its thread has left it */
	return others && take_turns(0) && !wrong ? KSFT_PASS : KSFT_FAIL;
}

TEST_F_TIMEOUT(handed_on, but_one_with_a_thread_in_it, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(all_but_one_are_handed_on, NULL, 2 * PATIENCE), KSFT_PASS);
}

static bool stop;

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

/* The sets have few slots, as it takes long to replace probes under so many threads. */
static int are_handed_on_under_threads(const void *unused)
{
	unsigned int few = most / 8, set = 0;
	unsigned long before = reclaims();
	struct threads *threads;
	int others;

	staying = most - few;
	number = few + EXCESS;
	others = attach_to(0, staying, 1);
	for (unsigned int i = 0; i < staying; i++)
		call(i);
	threads = threads_start(RUNNERS, call_until_stopped);
	/* Threads that are in a slot keep some from being handed on. */
	while (reclaims() - before < SETS * few) {
		int probes = attach(set);

		call_all(set);
		call_all(set);
		close(probes);
		set++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
	close(others);
	ksft_print_msg("%lu slots were handed on to %u sets\n", reclaims() - before, set);
	return wrong || counters_read(counters, 1) != stayed ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(handed_on, under_threads_that_run, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(are_handed_on_under_threads, NULL, 4 * PATIENCE), KSFT_PASS);
}

TEST_HARNESS_MAIN
