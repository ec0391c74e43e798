// SPDX-License-Identifier: GPL-2.0
/*
 * Threads, one on each CPU, that hit stepped probes and mark for the QEMU plugin
 * qemu-contention where the hits begin and end. The plugin finds the memory that
 * several CPUs use between the marks; this program measures nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "functions.h"
#include "marks.h"
#include "options.h"
#include "probe.h"
#include "threads.h"

/*
 * How often each thread hits every probe before it counts: by then all that is
 * made once, for a thread or for a probe, is there.
 */
#define WARM_UP_ROUNDS	10
#define TIME_LIMIT	280

static struct {
	unsigned int probes;
	unsigned int threads;
	unsigned long hits;
} options = {
	.probes = 1,
	.hits = 20000,
};

static cpu_set_t cpus;
static pthread_barrier_t warm;

/* On a CPU of its own: marks are about CPUs. */
static void pin(unsigned int index)
{
	cpu_set_t own;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && !index--)
			break;
	CPU_ZERO(&own);
	CPU_SET(cpu, &own);
	if (sched_setaffinity(0, sizeof(own), &own))
		ksft_exit_fail_msg("sched_setaffinity(CPU %d): %s\n", cpu,
				   strerror(errno));
}

/* All probes in turn */
static void hit(unsigned long hits)
{
	unsigned int probe = 0;
	unsigned long i;

	for (i = 0; i < hits; i++) {
		call_numbered(probe);
		if (++probe == options.probes)
			probe = 0;
	}
}

static void measured(unsigned int index)
{
	pin(index);
	hit(WARM_UP_ROUNDS * options.probes);
	pthread_barrier_wait(&warm);
	mark(MARK_BEGIN, options.hits);
	hit(options.hits);
	mark(MARK_END, options.hits);
}

/* Marks the pages in which slots are; false when there are none. */
static bool mark_slots(void)
{
	const uint64_t present = 1ULL << 63, frame = (1ULL << 55) - 1;
	long page = sysconf(_SC_PAGESIZE);
	struct xol_mappings areas;
	bool found = false;
	uint64_t entry;
	int pagemap;

	if (!xol_mappings_find(getpid(), &areas))
		return false;
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap < 0)
		ksft_exit_fail_msg("/proc/self/pagemap: %s: needs CONFIG_PROC_PAGE_MONITOR\n",
				   strerror(errno));
	for (unsigned int i = 0; i < areas.number; i++) {
		uintptr_t address = areas.of[i].start;

		for (; address < areas.of[i].end; address += page) {
			if (pread(pagemap, &entry, sizeof(entry),
				  address / page * sizeof(entry)) != sizeof(entry))
				ksft_exit_fail_msg("/proc/self/pagemap: %s\n", strerror(errno));
			if (!(entry & present))
				continue;
			mark(MARK_PAGE, entry & frame);
			found = true;
		}
	}
	close(pagemap);
	return found;
}

static int measure(const void *unused)
{
	unsigned int i;

	if (pthread_barrier_init(&warm, NULL, options.threads))
		ksft_exit_fail_msg("no memory for %u threads\n", options.threads);
	/* The child's end removes them. */
	for (i = 0; i < options.probes; i++)
		probe_attach(numbered_function(i), program_empty());

	mark(MARK_PREPARE, options.probes);
	threads_run(options.threads, measured);
	if (!mark_slots()) {
		fprintf(stderr, "the probed instruction did not step\n");
		return KSFT_FAIL;
	}
	mark(MARK_FINISH, options.threads);

	printf("{\"metric\":\"hits_per_thread\",\"labels\":{\"probes\":\"%u\",", options.probes);
	printf("\"threads\":\"%u\"},\"value\":%lu}\n", options.threads, options.hits);
	return KSFT_PASS;
}

__noreturn void usage(const char *name)
{
	fprintf(stderr,
		"Usage: %s [--probes N] [--hits N] [--threads N]\n"
		"\n"
		"  --probes   probes that each thread hits in turn, default is 1\n"
		"  --hits     hits of each thread, default is 20000\n"
		"  --threads  default and most is the number of CPUs\n",
		name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	enum { PROBES = 1, HITS, THREADS };
	static const struct option long_options[] = {
		{ "probes", required_argument, NULL, PROBES },
		{ "hits", required_argument, NULL, HITS },
		{ "threads", required_argument, NULL, THREADS },
		{}
	};
	int option;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		ksft_exit_fail_msg("sched_getaffinity: %s\n", strerror(errno));
	options.threads = CPU_COUNT(&cpus);

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case PROBES:
			options.probes = number_option(argv[0], optarg, 10,
						       NUMBERED_FUNCTIONS, NULL);
			break;
		case HITS:
			options.hits = number_option(argv[0], optarg, 10, 1ULL << 40, NULL);
			break;
		case THREADS:
			options.threads = number_option(argv[0], optarg, 10,
							CPU_COUNT(&cpus), NULL);
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind < argc)
		usage(argv[0]);
	return run_isolated(measure, NULL, TIME_LIMIT);
}
