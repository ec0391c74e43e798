// SPDX-License-Identifier: GPL-2.0
/*
 * Restartable sequences with probes inside. Who is preempted, moved to another
 * CPU or gets a signal between the first instruction and the one that commits goes
 * on at the abort handler, wherever the probed instructions are executed: so the
 * counter of a CPU counts everything that threads commit on it.
 *
 * Usage: restartable [HITS] [options of the harness]
 * HITS is the number of executions of probed instructions.
 */
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/rseq.h>

#include "kselftest_harness.h"
#include "options.h"
#include "probe.h"
#include "registers.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"
#include "timers.h"

#define THREADS		8
#define TIME_LIMIT	600
/* What a CPU number of the kernel is at most */
#define CPUS		8192

static unsigned long hits = 100000;

static unsigned long commits_per_thread;
static unsigned long commits, aborts, interruptions;
static unsigned int seen_inside, seen_in_area;
static uintptr_t area_start, area_end;
static uint64_t *counters_of_cpus;
static pthread_t committers[THREADS];
static unsigned int committers_done;
static bool moves_over;

static struct rseq *own_rseq(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* A signal is one of the reasons for which a sequence is aborted, beforehand. */
static void note_interruption(ucontext_t *context)
{
	uintptr_t ip = *context_ip(context);

	if (ip >= (uintptr_t)restartable_start && ip < (uintptr_t)restartable_end)
		__atomic_add_fetch(&seen_inside, 1, __ATOMIC_RELAXED);
	if (ip >= area_start && ip < area_end)
		__atomic_add_fetch(&seen_in_area, 1, __ATOMIC_RELAXED);
}

static void commit(unsigned int index)
{
	struct rseq *rseq = own_rseq();
	unsigned long done = 0, aborted = 0, seen;

	committers[index] = pthread_self();
	timer_start(&done);
	while (done < commits_per_thread) {
		if (increment_restartably(rseq, counters_of_cpus))
			__atomic_store_n(&done, done + 1, __ATOMIC_RELAXED);
		else
			aborted++;
		if (done % 64 == index)
			give_way();
	}
	seen = timer_stop();
	__atomic_add_fetch(&commits, done, __ATOMIC_RELAXED);
	__atomic_add_fetch(&aborts, aborted, __ATOMIC_RELAXED);
	__atomic_add_fetch(&interruptions, seen, __ATOMIC_RELAXED);
	__atomic_add_fetch(&committers_done, 1, __ATOMIC_RELEASE);
	/* a thread that is gone cannot be moved */
	while (!__atomic_load_n(&moves_over, __ATOMIC_ACQUIRE))
		give_way();
}

/* From CPU to CPU, as long as they run */
static unsigned long move_committers(void)
{
	cpu_set_t usable, one;
	unsigned long moves = 0;

	if (sched_getaffinity(0, sizeof(usable), &usable))
		abort();
	while (__atomic_load_n(&committers_done, __ATOMIC_ACQUIRE) < THREADS) {
		for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			unsigned int index = moves % THREADS;

			if (!CPU_ISSET(cpu, &usable) || !committers[index])
				continue;
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(committers[index], sizeof(one), &one);
			moves++;
		}
		give_way();
	}
	__atomic_store_n(&moves_over, true, __ATOMIC_RELEASE);
	return moves;
}

static uint64_t sum_of_counters(void)
{
	uint64_t sum = 0;

	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		sum += counters_of_cpus[cpu << RESTARTABLE_SHIFT >> 3];
	return sum;
}

static unsigned long run_committers(unsigned int sites)
{
	struct threads *threads;
	unsigned long moves;

	timers_prepare(note_interruption);
	commits_per_thread = hits / sites / THREADS + 1;
	threads = threads_start(THREADS, commit);
	moves = move_committers();
	threads_join(threads);
	ksft_print_msg("%lu commits, %lu aborts, %lu interruptions, %lu moves\n",
		       commits, aborts, interruptions, moves);
	return moves;
}

FIXTURE(restartable) {
	int counters;
	unsigned int sites;
};

FIXTURE_SETUP(restartable)
{
	if (!__rseq_size)
		SKIP(return, "needs CONFIG_RSEQ, and a C library that uses it");

	self->sites = restartable_sites();
	self->counters = counters_create(self->sites);
	counters_of_cpus = aligned_alloc(1 << RESTARTABLE_SHIFT, CPUS << RESTARTABLE_SHIFT);
	ASSERT_NE(counters_of_cpus, NULL);
	memset(counters_of_cpus, 0, CPUS << RESTARTABLE_SHIFT);
}

FIXTURE_TEARDOWN(restartable)
{
}

/* The control: what follows can be right. */
TEST_F_TIMEOUT(restartable, unprobed, TIME_LIMIT)
{
	run_committers(self->sites);
	EXPECT_EQ(sum_of_counters(), commits);
	EXPECT_EQ(seen_inside, 0);
}

TEST_F_TIMEOUT(restartable, probed, TIME_LIMIT)
{
	int probes = probe_attach_each(__start_restartable_sites, self->sites,
				       self->counters);
	uint64_t first_hits, last_hits;

	/* hits all of them once, so that there is an area to look for */
	while (!increment_restartably(own_rseq(), counters_of_cpus))
		aborts++;
	commits++;
	ASSERT_TRUE(xol_area_range(getpid(), &area_start, &area_end));
	run_committers(self->sites);
	close(probes);

	EXPECT_EQ(seen_in_area, 0);
	/* who is aborted has hit some of the probes, the more the earlier they are */
	first_hits = counters_read(self->counters, 0);
	last_hits = counters_read(self->counters, self->sites - 1);
	EXPECT_GE(first_hits, last_hits);
	EXPECT_GE(last_hits, commits);
	EXPECT_LE(first_hits, commits + aborts);
	/*
	 * Steps have never been part of a sequence: who is preempted in the middle
	 * of one is seen outside of the sequence, which then is not aborted.
	 */
	if (!boost_is_on() && (sum_of_counters() < commits || seen_inside))
		EXPECTED_FAILURE(return, "a step is not part of the sequence");
	EXPECT_EQ(sum_of_counters(), commits);
	EXPECT_EQ(seen_inside, 0);
}

__noreturn void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [HITS] [options of the harness]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] != '-') {
		hits = number_option(argv[0], argv[1], 0, UINT64_MAX, NULL);
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	return test_harness_run(argc, argv);
}
