// SPDX-License-Identifier: GPL-2.0
/*
 * How many hits per second as many threads make, each of which hits several probes
 * in turn, at instructions that differ in their immediate alone.
 *
 * All threads are there from the start to the end, and only so many of them run at
 * a time: in turns, for some milliseconds each, so that numbers of threads are
 * compared in the same memory and while the machine is as fast for one as for the
 * other. Prints one JSON object per number and round.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"
#include "clock.h"
#include "functions.h"
#include "options.h"
#include "probe.h"
#include "threads.h"

#define MAX_THREADS	4096
#define MAX_ROUNDS	10000
/* How often each thread hits every probe before it counts */
#define WARM_UP_ROUNDS	2
#define TIME_LIMIT	280

static struct {
	unsigned int probes;
	struct number_list threads;
	unsigned int rounds;
	unsigned int milliseconds;
} options = {
	.probes = 1,
	.threads = { { 1, 2, 4, 64 }, 4 },
	.rounds = 10,
	.milliseconds = 25,
};

/* A cache line each: only the probes shall be shared. */
struct worker {
	_Alignas(128) uint64_t hits;
};

struct sample {
	uint64_t hits;
	uint64_t ns;
};

static unsigned int most_threads;
static struct worker *workers;
static struct sample *samples;
/* Threads with a lower index run. */
static uint32_t running;
/* The others wait, once they noticed. */
static uint32_t waiting;
static bool stop;

static void futex_wait(uint32_t *word, uint32_t value)
{
	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL) &&
	    errno != EAGAIN && errno != EINTR)
		ksft_exit_fail_msg("futex: %s\n", strerror(errno));
}

static void futex_wake(uint32_t *word, int threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads);
}

static void wait_for_turn(unsigned int index)
{
	uint32_t seen;

	__atomic_fetch_add(&waiting, 1, __ATOMIC_RELEASE);
	futex_wake(&waiting, 1);
	while (index >= (seen = __atomic_load_n(&running, __ATOMIC_ACQUIRE)))
		futex_wait(&running, seen);
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_RELEASE);
}

static void work(unsigned int index)
{
	unsigned int probe = 0, i;
	uint64_t hits = 0;

	for (i = 0; i < WARM_UP_ROUNDS * options.probes; i++)
		call_numbered(i % options.probes);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (index >= __atomic_load_n(&running, __ATOMIC_RELAXED)) {
			wait_for_turn(index);
			continue;
		}
		call_numbered(probe);
		if (++probe == options.probes)
			probe = 0;
		__atomic_store_n(&workers[index].hits, ++hits, __ATOMIC_RELAXED);
	}
}

/* Lets that many threads run, and returns when no more do. */
static void run_threads(unsigned int threads)
{
	uint32_t seen;

	__atomic_store_n(&running, threads, __ATOMIC_RELEASE);
	futex_wake(&running, INT_MAX);
	while ((seen = __atomic_load_n(&waiting, __ATOMIC_ACQUIRE)) <
	       most_threads - threads)
		futex_wait(&waiting, seen);
}

static uint64_t hits_of_all(void)
{
	uint64_t hits = 0;
	unsigned int i;

	for (i = 0; i < most_threads; i++)
		hits += __atomic_load_n(&workers[i].hits, __ATOMIC_RELAXED);
	return hits;
}

static struct sample measure_threads(unsigned int threads)
{
	uint64_t hits, start;

	run_threads(threads);
	start = now();
	hits = hits_of_all();
	sleep_milliseconds(options.milliseconds);
	return (struct sample){ .ns = now() - start, .hits = hits_of_all() - hits };
}

static void measure_in_turns(void)
{
	unsigned int round, i;

	/* Until all are warm */
	run_threads(0);
	for (round = 0; round < options.rounds; round++)
		for (i = 0; i < options.threads.count; i++)
			samples[round * options.threads.count + i] =
				measure_threads(options.threads.numbers[i]);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	run_threads(most_threads);
}

static void work_or_measure(unsigned int index)
{
	if (index < most_threads)
		work(index);
	else
		measure_in_turns();
}

static int measure(const void *unused)
{
	unsigned int count = options.rounds * options.threads.count, i;

	for (i = 0; i < options.threads.count; i++)
		if (options.threads.numbers[i] > most_threads)
			most_threads = options.threads.numbers[i];
	workers = aligned_alloc(_Alignof(struct worker), most_threads * sizeof(*workers));
	samples = calloc(count, sizeof(*samples));
	if (!workers || !samples)
		ksft_exit_fail_msg("no memory for %u threads and %u samples\n",
				   most_threads, count);
	memset(workers, 0, most_threads * sizeof(*workers));
	/* The child's end removes them. */
	for (i = 0; i < options.probes; i++)
		probe_attach(numbered_function(i), program_empty());

	threads_run(most_threads + 1, work_or_measure);
	if (!xol_area_mapped()) {
		fprintf(stderr, "the probed instruction did not step\n");
		return KSFT_FAIL;
	}

	for (i = 0; i < count; i++) {
		printf("{\"metric\":\"hits_per_second\",\"labels\":{\"instruction\":\"mov\",");
		printf("\"probes\":\"%u\",\"threads\":\"%u\"},\"value\":%.1f}\n",
		       options.probes,
		       options.threads.numbers[i % options.threads.count],
		       samples[i].hits * 1e9 / samples[i].ns);
	}
	return KSFT_PASS;
}

__noreturn void usage(const char *name)
{
	fprintf(stderr,
		"Usage: %s [--probes N] [--threads LIST] [--rounds N] [--milliseconds N]\n"
		"\n"
		"  --probes        probes that each thread hits in turn, default is 1\n"
		"  --threads       numbers of threads that run, default is 1,2,4,64\n"
		"  --rounds        go through them that often, default is 10\n"
		"  --milliseconds  time of each, default is 25\n",
		name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	enum { PROBES = 1, THREADS, ROUNDS, MILLISECONDS };
	static const struct option long_options[] = {
		{ "probes", required_argument, NULL, PROBES },
		{ "threads", required_argument, NULL, THREADS },
		{ "rounds", required_argument, NULL, ROUNDS },
		{ "milliseconds", required_argument, NULL, MILLISECONDS },
		{}
	};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case PROBES:
			options.probes = number_option(argv[0], optarg, 10,
						       NUMBERED_FUNCTIONS, NULL);
			break;
		case THREADS:
			options.threads = number_list_option(argv[0], optarg, MAX_THREADS);
			break;
		case ROUNDS:
			options.rounds = number_option(argv[0], optarg, 10, MAX_ROUNDS,
						       NULL);
			break;
		case MILLISECONDS:
			options.milliseconds = number_option(argv[0], optarg, 10, 60000,
							     NULL);
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind < argc)
		usage(argv[0]);
	return run_isolated(measure, NULL, TIME_LIMIT);
}
