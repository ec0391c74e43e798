// SPDX-License-Identifier: GPL-2.0
/*
 * The handlers of a probe run once per execution of the probed instruction,
 * and those of a return probe once per return.
 *
 * Usage: exactly_once [HITS] [options of the harness]
 * HITS is the number of executions in each test.
 */
#include "kselftest_harness.h"
#include "functions.h"
#include "probe.h"
#include "threads.h"

#define NUMBER	7

static unsigned long hits = 20000;

static unsigned long calls_per_thread;
static unsigned int wrong_results;

static void call(unsigned int index)
{
	for (unsigned long i = 0; i < calls_per_thread; i++)
		if (call_numbered(NUMBER) != NUMBER)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

FIXTURE(exactly_once) {
	int counters;
	unsigned long executions;
};

FIXTURE_VARIANT(exactly_once) {
	unsigned int threads;
};

FIXTURE_VARIANT_ADD(exactly_once, 1_thread) { .threads = 1 };
FIXTURE_VARIANT_ADD(exactly_once, 2_threads) { .threads = 2 };
FIXTURE_VARIANT_ADD(exactly_once, 8_threads) { .threads = 8 };
/* As many as x86-64 has slots, one more, and many more */
FIXTURE_VARIANT_ADD(exactly_once, 31_threads) { .threads = 31 };
FIXTURE_VARIANT_ADD(exactly_once, 32_threads) { .threads = 32 };
FIXTURE_VARIANT_ADD(exactly_once, 200_threads) { .threads = 200 };

FIXTURE_SETUP(exactly_once)
{
	self->counters = counters_create(1);
	calls_per_thread = hits / variant->threads + 1;
	self->executions = calls_per_thread * variant->threads;
}

FIXTURE_TEARDOWN(exactly_once)
{
}

TEST_F_TIMEOUT(exactly_once, entry, 600)
{
	int probe = probe_attach(numbered_function(NUMBER),
				 program_count(self->counters, 0));

	threads_run(variant->threads, call);
	EXPECT_EQ(counters_read(self->counters, 0), self->executions);
	EXPECT_EQ(wrong_results, 0);
	EXPECT_TRUE(xol_area_mapped());
	close(probe);
}

TEST_F_TIMEOUT(exactly_once, return, 600)
{
	int probe = probe_attach_return(numbered_function(NUMBER),
					program_count(self->counters, 0));

	threads_run(variant->threads, call);
	EXPECT_EQ(counters_read(self->counters, 0), self->executions);
	EXPECT_EQ(wrong_results, 0);
	close(probe);
}

/* No probe, no count: the comparison above can fail. */
TEST_F_TIMEOUT(exactly_once, removed, 600)
{
	int probe = probe_attach(numbered_function(NUMBER),
				 program_count(self->counters, 0));

	close(probe);
	threads_run(variant->threads, call);
	EXPECT_EQ(counters_read(self->counters, 0), 0);
	EXPECT_EQ(wrong_results, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] != '-') {
		char *end;

		hits = strtoul(argv[1], &end, 10);
		if (!hits || *end)
			ksft_exit_fail_msg("%s: not a number of hits\n", argv[1]);
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	return test_harness_run(argc, argv);
}
