// SPDX-License-Identifier: GPL-2.0
/*
 * More threads than slots, more probed instructions than slots, and both: all
 * threads get through, each instruction is executed as itself and counted once.
 * How evenly threads progress is printed, not judged.
 */
#include <limits.h>

#include "kselftest_harness.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define EXCESS		33
#define TIME_LIMIT	600

/* Probes that are hit, and how many of them by one thread in each round */
static unsigned int probes, own_probes, rounds;
static unsigned int wrong_results;
static unsigned long *progress;
static bool stop;

static void call_probed(unsigned int index)
{
	unsigned int number = index % probes;

	for (unsigned int i = 0; i < own_probes; i++) {
		if (call_numbered(number) != number)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
		number = (number + 1) % probes;
	}
}

static void call_rounds(unsigned int index)
{
	for (unsigned int i = 0; i < rounds; i++)
		call_probed(index);
}

/*
 * Until every thread has got through once: the last one to do so ends the test,
 * however many hits the others have by then.
 */
static unsigned int threads_wanted, threads_through;

static void call_until_all_progressed(unsigned int index)
{
	unsigned long hits = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (call_numbered(index % probes) != index % probes)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
		if (++hits == rounds &&
		    __atomic_add_fetch(&threads_through, 1, __ATOMIC_RELAXED) ==
		    threads_wanted)
			__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	}
	progress[index] = hits;
}

FIXTURE(exhaustion) {
	int counters;
	int link;
	unsigned int many;
	bool boosts;
};

/* Boosted slots do not run out: then as many threads ask for one. */
FIXTURE_VARIANT(exhaustion) {
	bool boosted;
};

FIXTURE_VARIANT_ADD(exhaustion, stepped) { .boosted = false };
FIXTURE_VARIANT_ADD(exhaustion, boosted) { .boosted = true };

FIXTURE_SETUP(exhaustion)
{
	const void *addresses[NUMBERED_FUNCTIONS];

	self->many = xol_slots() + EXCESS;
	if (self->many > NUMBERED_FUNCTIONS)
		SKIP(return, "%u slots: too many to exhaust", xol_slots());
	self->boosts = boost_is_on();
	if (!boost_switch(variant->boosted))
		SKIP(return, "nothing is boosted here");

	for (unsigned int i = 0; i < NUMBERED_FUNCTIONS; i++)
		addresses[i] = numbered_function(i);
	self->counters = counters_create(1);
	self->link = probe_attach_many(addresses, self->many, self->counters, 0);
	progress = calloc(self->many, sizeof(*progress));
	ASSERT_NE(progress, NULL);
}

FIXTURE_TEARDOWN(exhaustion)
{
	boost_switch(self->boosts);
	close(self->link);
	free(progress);
}

TEST_F_TIMEOUT(exhaustion, more_threads_than_slots, TIME_LIMIT)
{
	probes = 1;
	own_probes = 1;
	rounds = 20;
	threads_run(self->many, call_rounds);
	EXPECT_EQ(counters_read(self->counters, 0),
		  (uint64_t)self->many * probes * rounds);
	EXPECT_EQ(wrong_results, 0);
	EXPECT_TRUE(xol_area_mapped());
}

TEST_F_TIMEOUT(exhaustion, more_instructions_than_slots, TIME_LIMIT)
{
	unsigned long recycles = 0, before = 0;
	bool told = !variant->boosted && xol_count("recycles", &before);

	probes = self->many;
	own_probes = self->many;
	rounds = 5;
	threads_run(2, call_rounds);
	EXPECT_TRUE(!told || (xol_count("recycles", &recycles) && recycles > before));
	EXPECT_EQ(counters_read(self->counters, 0), 2ULL * probes * rounds);
	EXPECT_EQ(wrong_results, 0);
	EXPECT_TRUE(xol_area_mapped());
}

TEST_F_TIMEOUT(exhaustion, more_threads_and_instructions_than_slots, TIME_LIMIT)
{
	/* where slots are many, a full round of all threads would be a million hits */
	probes = self->many;
	own_probes = self->many < 100 ? self->many : 16;
	rounds = self->many < 100 ? 5 : 1;
	threads_run(self->many, call_rounds);
	EXPECT_EQ(counters_read(self->counters, 0),
		  (uint64_t)self->many * own_probes * rounds);
	EXPECT_EQ(wrong_results, 0);
}

TEST_F_TIMEOUT(exhaustion, every_thread_progresses, TIME_LIMIT)
{
	unsigned long sum = 0, least = ULONG_MAX, most = 0;

	probes = self->many;
	rounds = 10;
	threads_wanted = self->many;
	threads_run(self->many, call_until_all_progressed);
	for (unsigned int i = 0; i < self->many; i++) {
		sum += progress[i];
		least = progress[i] < least ? progress[i] : least;
		most = progress[i] > most ? progress[i] : most;
	}
	ksft_print_msg("hits per thread: at least %lu, at most %lu, mean %lu\n",
		       least, most, sum / self->many);
	EXPECT_EQ(counters_read(self->counters, 0), sum);
	EXPECT_EQ(wrong_results, 0);
}

TEST_HARNESS_MAIN
