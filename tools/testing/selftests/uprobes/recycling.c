// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that take each other's slots: there is one thread more than slots that
 * are left to them. The other slots are held by threads that block in a step.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

/* Of the first thread; each has a function of its own. */
#define FIRST		20
#define MOST_THREADS	8
#define CALLS		2000
#define ROUNDS		400
/* The second of two threads comes later by up to this many turns of a loop. */
#define DELAYS		64
#define DELAY		500
#define PATIENCE	60
#define TIME_LIMIT	600

static unsigned int wrong_results;

static void call(unsigned int index)
{
	if (call_numbered(FIRST + index) != FIRST + index)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void call_often(unsigned int index)
{
	for (unsigned int i = 0; i < CALLS; i++)
		call(index);
}

static sem_t begin[2], done;
static unsigned int delay;
static bool over;

/* Hits once in each round. */
static void meet(unsigned int index)
{
	for (;;) {
		while (sem_wait(&begin[index]))
			;
		if (over)
			return;
		if (index)
			for (unsigned int i = 0; i < delay; i++)
				asm volatile("" ::: "memory");
		call(index);
		sem_post(&done);
	}
}

static void begin_round(void)
{
	sem_post(&begin[0]);
	sem_post(&begin[1]);
}

/* Whether both threads get through. */
static bool round_ends(void)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += PATIENCE;
	return !sem_timedwait(&done, &limit) && !sem_timedwait(&done, &limit);
}

FIXTURE(recycling) {
	int counters;
	int probes[MOST_THREADS], load_probe;
	struct blocked *blocked;
};

FIXTURE_SETUP(recycling)
{
	if (xol_slots() > NUMBERED_FUNCTIONS)
		SKIP(return, "%u slots: too many to block", xol_slots());
	self->counters = counters_create(MOST_THREADS + 1);
	for (unsigned int i = 0; i < MOST_THREADS; i++)
		self->probes[i] = probe_attach(numbered_function(FIRST + i),
					       program_count(self->counters, i));
	self->load_probe = blocked_attach(xol_slots() - 1, self->counters, MOST_THREADS);
}

FIXTURE_TEARDOWN(recycling)
{
	EXPECT_EQ(wrong_results, 0);
	for (unsigned int i = 0; i < MOST_THREADS; i++)
		close(self->probes[i]);
	close(self->load_probe);
}

/* Slots are taken from threads on other CPUs that are about to use them. */
TEST_F_TIMEOUT(recycling, taken_while_hit, TIME_LIMIT)
{
	unsigned int threads;
	cpu_set_t cpus;

	ASSERT_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	threads = CPU_COUNT(&cpus);
	threads = threads < 2 ? 2 : threads > MOST_THREADS ? MOST_THREADS : threads;

	ASSERT_TRUE(blocked_start(&self->blocked, xol_slots() - (threads - 1),
				  xol_slots() - 1, PATIENCE));
	threads_run(threads, call_often);
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	for (unsigned int i = 0; i < threads; i++)
		EXPECT_EQ(counters_read(self->counters, i), CALLS);
}

/*
 * One of two threads waits for the other's slot. That one leaves it once and for
 * all: if it does not wake the first one, nobody does.
 */
TEST_F_TIMEOUT(recycling, nobody_is_forgotten, TIME_LIMIT)
{
	struct threads *threads;
	unsigned int rounds;

	ASSERT_EQ(sem_init(&begin[0], 0, 0), 0);
	ASSERT_EQ(sem_init(&begin[1], 0, 0), 0);
	ASSERT_EQ(sem_init(&done, 0, 0), 0);
	ASSERT_TRUE(blocked_start(&self->blocked, xol_slots() - 1, xol_slots() - 1,
				  PATIENCE));
	threads = threads_start(2, meet);
	for (rounds = 0; rounds < ROUNDS; rounds++) {
		delay = rounds % DELAYS * DELAY;
		begin_round();
		if (!round_ends())
			break;
	}
	EXPECT_EQ(rounds, ROUNDS);

	/* Wakes who was forgotten. */
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	over = true;
	begin_round();
	threads_join(threads);
	EXPECT_EQ(counters_read(self->counters, 0), rounds + (rounds < ROUNDS));
	EXPECT_EQ(counters_read(self->counters, 1), rounds + (rounds < ROUNDS));
}

TEST_HARNESS_MAIN
