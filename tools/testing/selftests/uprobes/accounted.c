// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that the memory of slots is charged to the memory cgroup of the process, and
 * that a process lives which gets no more slots because the cgroup's limit is reached.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "functions.h"
#include "groups.h"
#include "probe.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"

#define TIME_LIMIT	300
/* Pages that a processor keeps charged for charges to come: MEMCG_CHARGE_BATCH */
#define BATCH		64
/* Processes for each processor: their areas are many times what it keeps charged. */
#define PROCESSES	4

/* Shared with the processes in the cgroup */
static struct {
	unsigned int wrong;
	bool go;
} *shared;

static unsigned int instructions;
static bool boosted;

static const void *function(unsigned int number)
{
	return boosted ? many_function(number) : numbered_function(number);
}

static void call(unsigned int number)
{
	if ((boosted ? call_many_function(number) : call_numbered(number)) != number)
		__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_RELAXED);
}

FIXTURE(accounted) {
	int counters;
	int probes;
	/* an eventfd: what processes have done; writing to it takes no memory */
	int done;
	bool enabled;
	bool boosts;
};

FIXTURE_VARIANT(accounted) {
	bool boosted;
};

FIXTURE_VARIANT_ADD(accounted, stepped) { .boosted = false };
FIXTURE_VARIANT_ADD(accounted, boosted) { .boosted = true };

FIXTURE_SETUP(accounted)
{
	static const void *addresses[MANY_FUNCTIONS];

	instructions = xol_slots() < NUMBERED_FUNCTIONS ? xol_slots() : NUMBERED_FUNCTIONS;
	if (variant->boosted)
		instructions = MANY_FUNCTIONS;
	boosted = variant->boosted;
	self->boosts = boost_is_on();
	if (!groups_enter())
		SKIP(return, "no cgroup2: needs CONFIG_CGROUPS");
	if (!group_has_word("cgroup.subtree_control", "memory")) {
		self->enabled = group_write("cgroup.subtree_control", "+memory");
		if (!self->enabled)
			SKIP(groups_leave(); return, "no memory cgroups: needs CONFIG_MEMCG");
	}
	if (!boost_switch(boosted))
		SKIP(groups_leave(); return, "nothing is boosted here");
	ASSERT_EQ(mkdir("group", 0700), 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(shared, MAP_FAILED);
	self->done = eventfd(0, EFD_SEMAPHORE);
	ASSERT_GE(self->done, 0);
	/* before the processes are made, so that they share the pages with breakpoints */
	for (unsigned int i = 0; i < instructions; i++)
		addresses[i] = function(i);
	self->counters = counters_create(1);
	self->probes = probe_attach_many(addresses, instructions, self->counters, 0);
}

FIXTURE_TEARDOWN(accounted)
{
	EXPECT_EQ(shared->wrong, 0);
	close(self->probes);
	EXPECT_EQ(rmdir("group"), 0);
	if (self->enabled)
		EXPECT_TRUE(group_write("cgroup.subtree_control", "-memory"));
	groups_leave();
	boost_switch(self->boosts);
}

static void tell(int done)
{
	const uint64_t one = 1;

	if (write(done, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void wait_for(int done, unsigned int number)
{
	uint64_t one;

	while (number--)
		if (read(done, &one, sizeof(one)) != sizeof(one))
			ksft_exit_fail_perror("eventfd");
}

static void wait_to_go(void)
{
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		give_way();
}

/*
 * A new process in the cgroup, which calls the first functions, tells that, waits to
 * be told to go, calls all others, and tells that.
 */
static pid_t start_process(int done, unsigned int first)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* a process is charged for what it allocates once it is in the cgroup */
		if (!group_move("group/cgroup.procs", getpid()))
			_exit(KSFT_FAIL);
		for (unsigned int i = 0; i < first; i++)
			call(i);
		tell(done);
		wait_to_go();
		for (unsigned int i = first; i < instructions; i++)
			call(i);
		tell(done);
		for (;;)
			pause();
	}
	return pid;
}

/* Pages that are charged; false if the kernel does not tell. */
static bool count_pages(unsigned long *pages)
{
	if (!boosted)
		return xol_count("pages", pages);
	if (!xol_count("boost_pages", pages))
		return false;
	/* Each has a page of records, too. */
	*pages *= 2;
	return true;
}

/* An area of fewer pages may be charged to a batch that was charged before. */
static bool outgrows_batch(void)
{
	return boosted ||
	       (xol_slots() + 1) * XOL_SLOT_SIZE >= BATCH * (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Checks that the cgroup is charged for at least the pages of the areas. Charges are
 * looked at in memory.current, which has no statistics that are gathered later. A
 * processor may have charged one batch before, though, which the areas then use.
 */
TEST_F_TIMEOUT(accounted, pages_are_charged, TIME_LIMIT)
{
	const unsigned long page_size = sysconf(_SC_PAGESIZE);
	const unsigned int processors = sysconf(_SC_NPROCESSORS_CONF);
	const unsigned int processes = PROCESSES * processors;
	unsigned long pages_before, pages, before, after, charged;
	pid_t pids[processes];

	if (!count_pages(&pages_before))
		SKIP(return, "the area has one page, which is charged to nobody");
	if (!outgrows_batch())
		SKIP(return, "an area has too few pages here");
	for (unsigned int i = 0; i < processes; i++)
		pids[i] = start_process(self->done, 0);
	wait_for(self->done, processes);
	ASSERT_TRUE(group_number("group/memory.current", NULL, &before));
	__atomic_store_n(&shared->go, true, __ATOMIC_RELEASE);
	wait_for(self->done, processes);
	ASSERT_TRUE(group_number("group/memory.current", NULL, &after));
	ASSERT_TRUE(count_pages(&pages));
	for (unsigned int i = 0; i < processes; i++) {
		ASSERT_EQ(kill(pids[i], SIGKILL), 0);
		ASSERT_EQ(waitpid(pids[i], NULL, 0), pids[i]);
	}
	EXPECT_EQ(counters_read(self->counters, 0), processes * instructions);

	pages -= pages_before;
	charged = after < before ? 0 : (after - before) / page_size;
	ksft_print_msg("%u processes: %lu pages for slots, %lu pages charged\n", processes,
		       pages, charged);
	ASSERT_GE(pages, 2 * BATCH * processors);
	EXPECT_GE(charged + BATCH * processors, pages);
}

/* A processor gives back at once what it keeps charged itself; others do so later. */
static bool stay_on_one_processor(void)
{
	int processor = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	return processor >= 0 && !sched_setaffinity(0, sizeof(one), &one);
}

/*
 * Checks that all hits are executed, and that the process is not killed, when the
 * cgroup's limit keeps the area from growing.
 */
TEST_F_TIMEOUT(accounted, limit_is_reached, TIME_LIMIT)
{
	unsigned long current, reached = 0, killed = 0;
	char text[32];
	int status;
	pid_t pid;

	ASSERT_TRUE(stay_on_one_processor());
	/* what the process needs besides, such as an area to step in, it has before */
	boost_switch(false);
	pid = start_process(self->done, 1);
	wait_for(self->done, 1);
	boost_switch(boosted);
	/* gives back what the processor keeps charged; nothing else can be reclaimed */
	ASSERT_TRUE(group_write("group/memory.high", "0"));
	ASSERT_TRUE(group_write("group/memory.high", "max"));
	ASSERT_TRUE(group_number("group/memory.current", NULL, &current));
	snprintf(text, sizeof(text), "%lu", current);
	ASSERT_TRUE(group_write("group/memory.max", text));

	__atomic_store_n(&shared->go, true, __ATOMIC_RELEASE);
	while (counters_read(self->counters, 0) < instructions &&
	       !waitpid(pid, &status, WNOHANG))
		give_way();
	ASSERT_TRUE(group_number("group/memory.events", "max", &reached));
	ASSERT_TRUE(group_number("group/memory.events", "oom_kill", &killed));
	EXPECT_TRUE(group_write("group/memory.max", "max"));
	EXPECT_EQ(counters_read(self->counters, 0), instructions);
	EXPECT_EQ(killed, 0);
	ksft_print_msg("the limit was reached %lu times\n", reached);
	/* where areas grow, and are charged */
	if (xol_tells() && outgrows_batch())
		EXPECT_GT(reached, 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST_HARNESS_MAIN
