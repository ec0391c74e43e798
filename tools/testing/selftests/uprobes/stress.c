// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, at random, for some time: threads that hit probes, change
 * CPUs, make threads and processes, get signals and take each other's slots,
 * while other probes come and go, and processes are killed. In the end, every
 * execution of the counted instructions must have been counted once.
 *
 * What is done is drawn from the seed; the order in which it happens is not.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "clock.h"
#include "functions.h"
#include "options.h"
#include "probe.h"
#include "threads.h"

/*
 * Functions with probes that stay, more of them than there are slots, and those
 * whose hits nobody counts
 */
#define COUNTED		2240
#define UNCOUNTED	32
/* Functions whose probes come and go */
#define CHANGING	(COUNTED + UNCOUNTED)
#define CHANGING_NUMBER	8
_Static_assert(CHANGING + CHANGING_NUMBER <= NUMBERED_FUNCTIONS,
	       "there are not so many functions");
/* What threads and processes may take to end, beyond the time wanted */
#define PATIENCE	120

static struct {
	uint64_t seed;
	unsigned int seconds, threads;
} options = { .seconds = 20, .threads = 48 };

/* Shared with all processes */
static struct tally {
	uint64_t executed, wrong, threads, processes, killed, signals, registered;
	bool stop;
} *tally;

static pthread_t *workers;
static unsigned int workers_ready;
static bool signals_over;

static void add(uint64_t *counter, uint64_t number)
{
	__atomic_add_fetch(counter, number, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&tally->stop, __ATOMIC_RELAXED);
}

/* splitmix64: any seed will do, neighbouring ones as well */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15ULL;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return (value ^ (value >> 31)) % below;
}

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		add(&tally->wrong, 1);
	if (number < COUNTED)
		add(&tally->executed, 1);
}

static void call_some(uint64_t *state)
{
	for (unsigned int i = draw(state, 50) + 1; i; i--)
		call(draw(state, COUNTED));
}

static void *short_thread(void *argument)
{
	call_some(argument);
	return NULL;
}

static void make_thread(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pthread_t thread;

	if (pthread_create(&thread, NULL, short_thread, &own_state))
		return;
	call_some(state);
	pthread_join(thread, NULL);
	add(&tally->threads, 1);
}

static void make_process(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		call_some(&own_state);
		_exit(0);
	}
	call_some(state);
	waitpid(pid, NULL, 0);
	add(&tally->processes, 1);
}

static void kill_process(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();

	if (pid < 0)
		return;
	while (!pid)
		call(COUNTED + draw(&own_state, UNCOUNTED));
	call_some(state);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	add(&tally->killed, 1);
}

static void change_cpu(uint64_t *state)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(draw(state, sysconf(_SC_NPROCESSORS_ONLN)), &cpus);
	/* the CPU may be one that this process may not use */
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void attack_area(uint64_t *state)
{
	static const int advices[] = { MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT };
	uintptr_t start, end;

	if (xol_area_range(getpid(), &start, &end))
		madvise((void *)start, end - start,
			advices[draw(state, ARRAY_SIZE(advices))]);
}

static void work(unsigned int index)
{
	uint64_t state = options.seed + index;

	workers[index] = pthread_self();
	__atomic_add_fetch(&workers_ready, 1, __ATOMIC_RELEASE);
	while (!stopped()) {
		unsigned int action = draw(&state, 1000);

		if (action < 900)
			call_some(&state);
		else if (action < 940)
			call(CHANGING + draw(&state, CHANGING_NUMBER));
		else if (action < 970)
			change_cpu(&state);
		else if (action < 990)
			make_thread(&state);
		else if (action < 994)
			make_process(&state);
		else if (action < 998)
			kill_process(&state);
		else
			attack_area(&state);
	}
	/* a thread that is gone cannot be signalled */
	while (!__atomic_load_n(&signals_over, __ATOMIC_ACQUIRE))
		give_way();
}

static void handle_signal(int signal)
{
	int saved_errno = errno;

	call(tally->signals % COUNTED);
	add(&tally->signals, 1);
	errno = saved_errno;
}

static void *send_signals(void *argument)
{
	uint64_t state = options.seed - 1;

	while (__atomic_load_n(&workers_ready, __ATOMIC_ACQUIRE) < options.threads)
		give_way();
	while (!stopped()) {
		struct timespec pause = { .tv_nsec = draw(&state, 2000000) };

		pthread_kill(workers[draw(&state, options.threads)], SIGUSR1);
		nanosleep(&pause, NULL);
	}
	__atomic_store_n(&signals_over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *change_probes(void *argument)
{
	int program = program_empty();
	uint64_t state = options.seed - 2;

	while (!stopped()) {
		unsigned int number = CHANGING + draw(&state, CHANGING_NUMBER);
		int probe = probe_attach(numbered_function(number), program);

		for (unsigned int i = draw(&state, 100); i; i--)
			call(number);
		close(probe);
		add(&tally->registered, 1);
	}
	return NULL;
}

static void *stop_in_time(void *argument)
{
	sleep_milliseconds(options.seconds * 1000);
	__atomic_store_n(&tally->stop, true, __ATOMIC_RELAXED);
	return NULL;
}

static int stress(const void *argument)
{
	void *(*const helpers[])(void *) = {
		stop_in_time, send_signals, change_probes
	};
	const void *addresses[COUNTED + UNCOUNTED];
	pthread_t threads[ARRAY_SIZE(helpers)];
	struct sigaction action = {
		.sa_handler = handle_signal,
		.sa_flags = SA_RESTART,
	};
	int counters = counters_create(2), counted_link, uncounted_link;
	uint64_t counted, lost = 0, doubled = 0;
	unsigned int i;

	workers = calloc(options.threads, sizeof(*workers));
	if (!workers || sigaction(SIGUSR1, &action, NULL))
		ksft_exit_fail_perror("stress");
	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = numbered_function(i);
	counted_link = probe_attach_many(addresses, COUNTED, counters, 0);
	uncounted_link = probe_attach_many(addresses + COUNTED, UNCOUNTED,
					   counters, 1);

	for (i = 0; i < ARRAY_SIZE(helpers); i++)
		if (pthread_create(&threads[i], NULL, helpers[i], NULL))
			ksft_exit_fail_perror("pthread_create");
	threads_run(options.threads, work);
	for (i = 0; i < ARRAY_SIZE(helpers); i++)
		pthread_join(threads[i], NULL);

	counted = counters_read(counters, 0);
	if (tally->executed > counted)
		lost = tally->executed - counted;
	else
		doubled = counted - tally->executed;
	close(counted_link);
	close(uncounted_link);
	ksft_print_msg("hits %" PRIu64 ", threads %" PRIu64 ", processes %" PRIu64
		       ", killed %" PRIu64 ", signals %" PRIu64
		       ", probes registered %" PRIu64 "\n",
		       counted, tally->threads, tally->processes, tally->killed,
		       tally->signals, tally->registered);
	ksft_print_msg("lost %" PRIu64 ", doubled %" PRIu64 ", wrong %" PRIu64 "\n",
		       lost, doubled, tally->wrong);
	return counted && !lost && !doubled && !tally->wrong && xol_area_mapped() ?
		KSFT_PASS : KSFT_FAIL;
}

__noreturn void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [--seconds N] [--threads N] [--seed N]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	enum { SECONDS = 1, THREADS, SEED };
	static const struct option long_options[] = {
		{ "seconds", required_argument, NULL, SECONDS },
		{ "threads", required_argument, NULL, THREADS },
		{ "seed", required_argument, NULL, SEED },
		{}
	};
	int option;

	options.seed = time(NULL) ^ (uint64_t)getpid() << 32;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case SECONDS:
			options.seconds = number_option(argv[0], optarg, 0, 1000000, NULL);
			break;
		case THREADS:
			options.threads = number_option(argv[0], optarg, 0, 4096, NULL);
			break;
		case SEED:
			options.seed = number_option(argv[0], optarg, 0, UINT64_MAX, NULL);
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind < argc)
		usage(argv[0]);

	ksft_print_header();
	ksft_set_plan(1);
	ksft_print_msg("seed %" PRIu64 ", %u seconds, %u threads\n", options.seed,
		       options.seconds, options.threads);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_test_result_report(run_isolated(stress, NULL, options.seconds + PATIENCE),
				"stress\n");
	ksft_finished();
}
