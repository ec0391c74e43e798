// SPDX-License-Identifier: GPL-2.0
/*
 * How fast probed instructions run, one probe for all threads of a process.
 *
 * As a test (no options) it judges no speed: each instruction with each number
 * of threads passes when the BPF program has counted as many hits as there were
 * executions, and when the XOL area is there exactly if the instruction steps.
 *
 * With --json it measures and prints hits per second, one JSON object per line:
 * {"metric": NAME, "labels": {NAME: TEXT, ...}, "value": NUMBER}. The BPF program
 * only returns 0, and the loop around the instruction (a call, the return, the
 * loop's own instructions) is part of the figure. On QEMU's instruction clock
 * (-icount shift=0,sleep=off) a nanosecond is an instruction, so that --cost
 * prints instructions per hit, and those of a process's first hit.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "clock.h"
#include "insns.h"
#include "options.h"
#include "probe.h"

#define MAX_THREADS	4096
/* Enough for the first hits' work (utask, area, page faults) to be over */
#define WARM_UP_HITS	100
/* The same for each thread, whose number is what is varied */
#define WARM_UP_ROUNDS	2
/* Enough for a tree of mappings that [uprobes] makes no higher */
#define MAPPINGS	40
/* The cheapest counts: in one of them nothing else runs beside the hits. */
#define COST_ROUNDS	4
/*
 * The programs of which the first hit of so many children is measured. The least counts,
 * for the same reason. It depends on addresses, which are random in each program, whether
 * a hit needs a new page table.
 */
#define FIRST_PROGRAMS	12
#define FIRST_HITS	20
#define TIME_LIMIT	120

static struct {
	const char *instructions;
	struct number_list threads;
	unsigned int milliseconds;
	uint64_t cost_hits;
	bool unprobed;
	bool first_hit;
} options = {
	.threads = { { 1, 2, 4, 64 }, 4 },
	.milliseconds = 200,
};

struct run {
	const struct insn *insn;
	unsigned int threads;
	/* Each thread executes it so often before the time starts. */
	unsigned int warm_up_rounds;
};

/* A cache line each: only the probe shall be shared. */
struct worker {
	_Alignas(128) pthread_t thread;
	const struct run *run;
	/* Written by the thread alone, which others may look at */
	uint64_t hits;
};

/* What came of a run */
struct outcome {
	/* Of all threads, from their start to their end */
	uint64_t executions;
	/* While all of them ran, and how long that was watched */
	uint64_t hits;
	uint64_t ns;
};

static pthread_barrier_t barrier;
static bool stop;

static void *work(void *argument)
{
	struct worker *worker = argument;
	void (*function)(void) = worker->run->insn->function;
	uint64_t hits = 0;
	unsigned int i;

	for (i = 0; i < worker->run->warm_up_rounds; i++)
		function();
	pthread_barrier_wait(&barrier);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		function();
		__atomic_store_n(&worker->hits, ++hits, __ATOMIC_RELAXED);
	}
	return NULL;
}

static uint64_t hits_of_all(const struct worker *workers, unsigned int threads)
{
	uint64_t hits = 0;
	unsigned int i;

	for (i = 0; i < threads; i++)
		hits += __atomic_load_n(&workers[i].hits, __ATOMIC_RELAXED);
	return hits;
}

/*
 * Runs all threads for the time wanted. Neither their start nor their end, which
 * take the longer the more there are, are in that time.
 */
static struct outcome run_threads(const struct run *run)
{
	struct outcome outcome;
	struct worker *workers;
	uint64_t hits, start;
	unsigned int i;
	int error;

	workers = aligned_alloc(128, run->threads * sizeof(*workers));
	if (!workers || pthread_barrier_init(&barrier, NULL, run->threads + 1))
		ksft_exit_fail_msg("no memory for %u threads\n", run->threads);
	for (i = 0; i < run->threads; i++) {
		workers[i].run = run;
		workers[i].hits = 0;
		error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (error)
			ksft_exit_fail_msg("thread %u of %u: %s\n", i + 1,
					   run->threads, strerror(error));
	}

	pthread_barrier_wait(&barrier);
	start = now();
	hits = hits_of_all(workers, run->threads);
	sleep_milliseconds(options.milliseconds);
	outcome.ns = now() - start;
	outcome.hits = hits_of_all(workers, run->threads) - hits;

	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < run->threads; i++)
		pthread_join(workers[i].thread, NULL);
	outcome.executions = hits_of_all(workers, run->threads);
	free(workers);
	return outcome;
}

static int test_counted(const void *argument)
{
	const struct run *run = argument;
	bool steps = insn_steps(run->insn), mapped;
	int counters = counters_create(1), probe;
	uint64_t executions, counted;

	probe = probe_attach(run->insn->function_site, program_count(counters, 0));
	executions = run_threads(run).executions;
	counted = counters_read(counters, 0);
	mapped = xol_area_mapped();
	close(probe);

	if (!executions)
		ksft_print_msg("not executed once\n");
	if (executions != counted)
		ksft_print_msg("executed %" PRIu64 " times, hit %" PRIu64 " times\n",
			       executions, counted);
	if (steps != mapped)
		ksft_print_msg("%s, but [uprobes] is%s mapped\n",
			       steps ? "steps" : "is emulated", mapped ? "" : " not");
	return executions && executions == counted && steps == mapped ?
	       KSFT_PASS : KSFT_FAIL;
}

static int measure_throughput(const void *argument)
{
	const struct run *run = argument;
	bool steps = insn_steps(run->insn);
	struct outcome outcome;

	if (!options.unprobed)
		probe_attach(run->insn->function_site, program_empty());
	outcome = run_threads(run);
	if (!options.unprobed && xol_area_mapped() != steps) {
		fprintf(stderr, "%s: probe not hit as expected, run the test without --json\n",
			run->insn->key);
		return KSFT_FAIL;
	}

	printf("{\"metric\":\"%s_per_second\",\"labels\":{\"instruction\":\"%s\",",
	       options.unprobed ? "calls" : "hits", run->insn->key);
	printf("\"probes\":\"%u\",\"threads\":\"%u\"},\"value\":%.1f}\n",
	       options.unprobed ? 0 : 1, run->threads, outcome.hits * 1e9 / outcome.ns);
	return KSFT_PASS;
}

/*
 * A hit looks up the mapping of its instruction. A static program has so few of them
 * that [uprobes] alone would make that dearer, and what steps seem so by a few dozen
 * instructions; with shared libraries there are more than here.
 */
static void map_as_much_as_others_do(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, MAPPINGS * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	unsigned int i;

	if (pages == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	for (i = 0; i < MAPPINGS; i += 2)
		if (mprotect(pages + i * page, page, PROT_READ))
			ksft_exit_fail_msg("mprotect: %s\n", strerror(errno));
}

static int measure_cost(const void *argument)
{
	const struct run *run = argument;
	void (*function)(void) = run->insn->function;
	bool steps = insn_steps(run->insn);
	uint64_t i, start, ns, least = UINT64_MAX;
	unsigned int round;
	int probe = -1;

	map_as_much_as_others_do();
	if (!options.unprobed)
		probe = probe_attach(run->insn->function_site, program_empty());
	for (i = 0; i < WARM_UP_HITS; i++)
		function();
	for (round = 0; round < COST_ROUNDS; round++) {
		start = now();
		for (i = 0; i < options.cost_hits; i++)
			function();
		ns = now() - start;
		if (ns < least)
			least = ns;
	}
	if (probe >= 0 && xol_area_mapped() != steps) {
		fprintf(stderr, "%s: probe not hit as expected, run the test without --cost\n",
			run->insn->key);
		return KSFT_FAIL;
	}

	printf("{\"metric\":\"ns_per_%s\",\"labels\":{\"instruction\":\"%s\",",
	       options.unprobed ? "call" : "hit", run->insn->key);
	printf("\"steps\":\"%s\"},\"value\":%.1f}\n", steps ? "yes" : "no",
	       (double)least / options.cost_hits);
	return KSFT_PASS;
}

/* The nanoseconds of a child process that executes @function, or does nothing, and exits */
static uint64_t ns_of_child(void (*function)(void))
{
	uint64_t start = now();
	pid_t child = fork();
	int status;

	if (!child) {
		if (function)
			function();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		ksft_exit_fail_msg("a child process failed: %s\n", strerror(errno));
	return now() - start;
}

/*
 * A process's first hit creates what the slots need. The pages of the program that the
 * child touches are the same with a hit as without, except that of the instruction. This
 * is --first, for the program itself.
 */
static int measure_first_hit(const void *argument)
{
	const struct run *run = argument;
	void (*function)(void) = run->insn->function;
	uint64_t ns, with = UINT64_MAX, without = UINT64_MAX;
	unsigned int i;

	map_as_much_as_others_do();
	probe_attach(run->insn->function_site, program_empty());
	for (i = 0; i < FIRST_HITS; i++) {
		ns = ns_of_child(function);
		if (ns < with)
			with = ns;
		ns = ns_of_child(NULL);
		if (ns < without)
			without = ns;
	}
	printf("%" PRIu64 "\n", with - without);
	return KSFT_PASS;
}

/* What a new program that measures the first hit of @key prints, or UINT64_MAX */
static uint64_t first_hit_of_program(const char *key)
{
	uint64_t ns = UINT64_MAX;
	int output[2], status;
	FILE *file;
	pid_t child;

	if (pipe(output))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	child = fork();
	if (!child) {
		dup2(output[1], STDOUT_FILENO);
		close(output[0]);
		execl(EXECUTABLE, "throughput", "--first", "--instructions", key, NULL);
		_exit(KSFT_FAIL);
	}
	close(output[1]);
	file = fdopen(output[0], "r");
	if (child < 0 || !file || fscanf(file, "%" SCNu64, &ns) != 1)
		ns = UINT64_MAX;
	if (file)
		fclose(file);
	if (child > 0 && (waitpid(child, &status, 0) != child || status))
		ns = UINT64_MAX;
	return ns;
}

static int print_first_hit(const char *key)
{
	uint64_t ns, least = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < FIRST_PROGRAMS; i++) {
		ns = first_hit_of_program(key);
		if (ns == UINT64_MAX) {
			fprintf(stderr, "%s: the first hit was not measured\n", key);
			return KSFT_FAIL;
		}
		if (ns < least)
			least = ns;
	}
	printf("{\"metric\":\"ns_per_first_hit\",\"labels\":{\"instruction\":\"%s\"},", key);
	printf("\"value\":%.1f}\n", (double)least);
	return KSFT_PASS;
}

static bool selected(const struct insn *insn)
{
	const char *key = options.instructions;
	size_t length;

	if (!insn->key)
		return false;
	if (!key)
		return true;
	for (;;) {
		length = strcspn(key, ",");
		if (length == strlen(insn->key) && !strncmp(key, insn->key, length))
			return true;
		if (!key[length])
			return false;
		key += length + 1;
	}
}

__noreturn void usage(const char *name)
{
	const struct insn *insn;

	fprintf(stderr,
		"Usage: %s [--json | --cost HITS] [--unprobed] [--instructions LIST]\n"
		"       [--threads LIST] [--milliseconds N]\n"
		"\n"
		"  --json            print hits per second as JSON lines, no TAP\n"
		"  --cost HITS       print nanoseconds per hit of one thread, the least of some\n"
		"                    rounds of HITS hits, as JSON lines, and those of a\n"
		"                    process's first hit\n"
		"  --unprobed        measure without a probe, for comparison\n"
		"  --instructions    a comma separated list, default is all\n"
		"  --threads         numbers of threads, default is 1,2,4,64\n"
		"  --milliseconds    time of each run, default is 200\n"
		"\n"
		"Instructions:", name);
	for_each_insn(insn)
		if (insn->key)
			fprintf(stderr, " %s", insn->key);
	fprintf(stderr, "\n");
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	enum { JSON = 1, COST, UNPROBED, INSTRUCTIONS, THREADS, MILLISECONDS, FIRST };
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, JSON },
		{ "cost", required_argument, NULL, COST },
		{ "unprobed", no_argument, NULL, UNPROBED },
		{ "instructions", required_argument, NULL, INSTRUCTIONS },
		{ "threads", required_argument, NULL, THREADS },
		{ "milliseconds", required_argument, NULL, MILLISECONDS },
		{ "first", no_argument, NULL, FIRST },
		{}
	};
	unsigned int i, instructions = 0;
	int option, result = KSFT_PASS;
	const struct insn *insn;
	const char *first = NULL;
	bool json = false;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case JSON:
			json = true;
			break;
		case COST:
			options.cost_hits = number_option(argv[0], optarg, 10, 1ULL << 40,
							  NULL);
			break;
		case UNPROBED:
			options.unprobed = true;
			break;
		case INSTRUCTIONS:
			options.instructions = optarg;
			break;
		case THREADS:
			options.threads = number_list_option(argv[0], optarg, MAX_THREADS);
			break;
		case MILLISECONDS:
			options.milliseconds = number_option(argv[0], optarg, 10, 60000,
							     NULL);
			break;
		case FIRST:
			options.first_hit = true;
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind < argc || (options.unprobed && !json && !options.cost_hits))
		usage(argv[0]);

	for_each_insn(insn)
		instructions += selected(insn);
	if (!instructions) {
		fprintf(stderr, "%s: no such instruction\n", options.instructions);
		usage(argv[0]);
	}

	if (!json && !options.cost_hits && !options.first_hit) {
		ksft_print_header();
		ksft_set_plan(instructions * options.threads.count);
	}
	for_each_insn(insn) {
		if (!selected(insn))
			continue;
		if (options.first_hit) {
			struct run run = { insn, 1, 0 };

			return run_isolated(measure_first_hit, &run, TIME_LIMIT);
		}
		if (options.cost_hits) {
			struct run run = { insn, 1, 0 };

			if (run_isolated(measure_cost, &run, TIME_LIMIT))
				result = KSFT_FAIL;
			/* What is emulated needs no slot. All that do need the same. */
			if (!options.unprobed && !first && insn->flags & INSN_STEPS) {
				first = insn->key;
				if (print_first_hit(first))
					result = KSFT_FAIL;
			}
			continue;
		}
		for (i = 0; i < options.threads.count; i++) {
			struct run run = { insn, options.threads.numbers[i],
					   json ? WARM_UP_ROUNDS : 0 };

			if (!json) {
				int code = run_isolated(test_counted, &run, TIME_LIMIT);

				ksft_test_result_report(code, "%s, threads: %u\n",
							insn->text, run.threads);
			} else if (run_isolated(measure_throughput, &run, TIME_LIMIT)) {
				result = KSFT_FAIL;
			}
		}
	}
	if (json || options.cost_hits)
		return result;
	ksft_finished();
}
