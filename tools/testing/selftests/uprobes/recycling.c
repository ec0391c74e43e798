// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that take each other's slots: there are fewer slots left to them than
 * they need. The other slots are held by threads that block in a step.
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

/* Functions that are called, those of the first threads if each has its own */
#define FIRST		20
#define MOST_THREADS	8
/* That many of one function, in a run, and in all */
#define RUN		4
#define CALLS		(64 * RUN * MOST_THREADS)
/* Of that many functions, threads that call all of them find some in a slot. */
#define ROOM		(MOST_THREADS - 3)
#define ROUNDS		400
/*
 * The second of two threads comes later by so many turns of a loop, times the
 * square of a number below DELAYS: close to the first one, and long after it.
 */
#define DELAYS		64
#define DELAY		64
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

static void call_in_turn(unsigned int index)
{
	for (unsigned int i = 0; i < CALLS; i++)
		call((index + i / RUN) % MOST_THREADS);
}

static unsigned int cpus_usable(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		abort();
	return CPU_COUNT(&cpus);
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

/*
 * Slots are taken from threads on other CPUs that are about to use them: each
 * thread has an instruction of its own, and there is one slot too few.
 */
TEST_F_TIMEOUT(recycling, taken_while_hit, TIME_LIMIT)
{
	unsigned int threads = cpus_usable(), blocked;

	threads = threads < 2 ? 2 : threads > MOST_THREADS ? MOST_THREADS : threads;
	blocked = xol_slots() - (threads - 1);
	ASSERT_TRUE(blocked_start(&self->blocked, blocked, blocked, PATIENCE));
	threads_run(threads, call_often);
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	EXPECT_EQ(counters_read(self->counters, MOST_THREADS), blocked);
	for (unsigned int i = 0; i < threads; i++)
		EXPECT_EQ(counters_read(self->counters, i), CALLS);
}

/*
 * Slots are taken away while threads that were not in them find them, and get
 * into them, or are about to enter them once more: all threads execute the same
 * instructions, each some times and then the next one.
 */
TEST_F_TIMEOUT(recycling, found_while_taken, TIME_LIMIT)
{
	unsigned int threads = cpus_usable(), blocked = xol_slots() - ROOM;

	threads = threads < 2 ? 2 : threads;
	ASSERT_TRUE(blocked_start(&self->blocked, blocked, blocked, PATIENCE));
	threads_run(threads, call_in_turn);
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	EXPECT_EQ(counters_read(self->counters, MOST_THREADS), blocked);
	for (unsigned int i = 0; i < MOST_THREADS; i++)
		EXPECT_EQ(counters_read(self->counters, i),
			  threads * (CALLS / MOST_THREADS));
}

/*
 * One of two threads waits for the other's slot. That one leaves it once and for
 * all: if it does not wake the first one, nobody does.
 */
TEST_F_TIMEOUT(recycling, nobody_is_forgotten, TIME_LIMIT)
{
	unsigned long waits = 0, before = 0;
	struct threads *threads;
	unsigned int rounds;

	xol_count("waits", &before);
	ASSERT_EQ(sem_init(&begin[0], 0, 0), 0);
	ASSERT_EQ(sem_init(&begin[1], 0, 0), 0);
	ASSERT_EQ(sem_init(&done, 0, 0), 0);
	ASSERT_TRUE(blocked_start(&self->blocked, xol_slots() - 1, xol_slots() - 1,
				  PATIENCE));
	threads = threads_start(2, meet);
	for (rounds = 0; rounds < ROUNDS; rounds++) {
		delay = (rounds % DELAYS) * (rounds % DELAYS) * DELAY;
		begin_round();
		if (!round_ends())
			break;
	}
	EXPECT_EQ(rounds, ROUNDS);
	if (xol_count("waits", &waits))
		ksft_print_msg("%u rounds, %lu waits\n", rounds, waits - before);

	/* Wakes who was forgotten. */
	blocked_serve(self->blocked);
	EXPECT_EQ(blocked_join(self->blocked), 0);
	over = true;
	begin_round();
	threads_join(threads);
	EXPECT_EQ(counters_read(self->counters, 0), rounds + (rounds < ROUNDS));
	EXPECT_EQ(counters_read(self->counters, 1), rounds + (rounds < ROUNDS));
}

/* About steps */
int main(int argc, char **argv)
{
	boost_leave_off();
	return test_harness_run(argc, argv);
}
