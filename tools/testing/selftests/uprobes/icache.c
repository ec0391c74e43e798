// SPDX-License-Identifier: GPL-2.0
/*
 * A slot that was written for one instruction and then for another is executed
 * as the second one, on every CPU, those that executed the first among them.
 *
 * All slots but one are held by threads that block in a step. In the one that
 * is left, threads on all CPUs execute two instructions in turn; each returns
 * another number, so that a stale instruction shows.
 */
#include <sched.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define FIRST		100
#define SECOND		101
#define ROUNDS		250
#define PATIENCE	60
#define TIME_LIMIT	600

static cpu_set_t cpus;
static unsigned int wrong_results;

static unsigned int nth_cpu(unsigned int n)
{
	unsigned int cpu;

	n %= CPU_COUNT(&cpus);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && !n--)
			return cpu;
	return 0;
}

static void run_on(unsigned int n)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(nth_cpu(n), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		abort();
}

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void alternate(unsigned int index)
{
	run_on(index);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		call(index % 2 ? FIRST : SECOND);
		call(index % 2 ? SECOND : FIRST);
	}
}

/* The slot's contents change on one CPU, and are executed on the next. */
static void wander(unsigned int index)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		run_on(i);
		call(FIRST);
		run_on(i + 1);
		call(FIRST);
		call(SECOND);
		run_on(i);
		call(SECOND);
	}
}

FIXTURE(icache) {
	int counters;
	int first, second, load;
	struct blocked *blocked;
};

FIXTURE_SETUP(icache)
{
	if (xol_slots() > NUMBERED_FUNCTIONS)
		SKIP(return, "%u slots: too many to block", xol_slots());
	ASSERT_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	self->counters = counters_create(3);
	self->first = probe_attach(numbered_function(FIRST),
				   program_count(self->counters, 0));
	self->second = probe_attach(numbered_function(SECOND),
				    program_count(self->counters, 1));
	self->load = blocked_attach(xol_slots() - 1, self->counters, 2);
	ASSERT_TRUE(blocked_start(&self->blocked, xol_slots() - 1, xol_slots() - 1,
				  PATIENCE));
}

FIXTURE_TEARDOWN(icache)
{
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	EXPECT_EQ(counters_read(self->counters, 2), xol_slots() - 1);
	EXPECT_EQ(wrong_results, 0);
	close(self->first);
	close(self->second);
	close(self->load);
}

TEST_F_TIMEOUT(icache, one_slot_for_threads_on_all_cpus, TIME_LIMIT)
{
	unsigned int threads = 2 * CPU_COUNT(&cpus);

	threads_run(threads, alternate);
	EXPECT_EQ(counters_read(self->counters, 0), threads * ROUNDS);
	EXPECT_EQ(counters_read(self->counters, 1), threads * ROUNDS);
}

TEST_F_TIMEOUT(icache, one_slot_for_a_thread_on_all_cpus, TIME_LIMIT)
{
	threads_run(1, wander);
	EXPECT_EQ(counters_read(self->counters, 0), 2 * ROUNDS);
	EXPECT_EQ(counters_read(self->counters, 1), 2 * ROUNDS);
}

/* About steps */
int main(int argc, char **argv)
{
	boost_leave_off();
	return test_harness_run(argc, argv);
}
