// SPDX-License-Identifier: GPL-2.0
/*
 * Restartable sequences with probes inside. Who is preempted, moved to another
 * CPU or gets a signal between the first instruction and the one that commits goes
 * on at the abort handler, wherever the probed instructions are executed: so the
 * counter of a CPU counts everything that threads commit on it. A descriptor that the
 * kernel refuses has the same consequences as without probes.
 *
 * Usage: restartable [HITS] [options of the harness]
 * HITS is the number of executions of probed instructions.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "blocked.h"
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
static struct xol_mappings areas;
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
	if (xol_mappings_hold(&areas, ip))
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

static void counters_of_cpus_create(void)
{
	const size_t size = CPUS << RESTARTABLE_SHIFT;

	counters_of_cpus = aligned_alloc(1 << RESTARTABLE_SHIFT, size);
	if (!counters_of_cpus)
		give_up(KSFT_FAIL, "no memory for counters");
	memset(counters_of_cpus, 0, size);
}

FIXTURE_SETUP(restartable)
{
	if (!__rseq_size)
		SKIP(return, "needs CONFIG_RSEQ, and a C library that uses it");

	self->sites = restartable_sites();
	self->counters = counters_create(self->sites);
	counters_of_cpus_create();
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
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
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

/* Descriptors that the kernel refuses, while a thread is in a slot */

/* What a process with such a descriptor saw, shared with the test */
struct outcome {
	bool in_area;
	bool blocked_again;
	bool committed;
	unsigned int segvs, users;
};

static struct outcome *outcome;
static struct rseq *blocked_rseq;
static uint64_t *blocking_counters;

static void note_segv(int signal)
{
	outcome->segvs++;
}

static void note_user(int signal)
{
	outcome->users++;
}

static void *commit_once(void *unused)
{
	blocked_rseq = own_rseq();
	outcome->committed = increment_restartably(blocked_rseq, blocking_counters);
	return NULL;
}

/*
 * A thread blocks in the load of its sequence, in a page fault that userfaultfd serves.
 * Then the thread's descriptor becomes @rseq_cs, and the thread gets a signal.
 */
static int get_signal_with(uint64_t rseq_cs)
{
	const size_t size = CPUS << RESTARTABLE_SHIFT;
	pthread_t thread;
	void *missing;
	int uffd;

	/* no step is begun for want of a slot */
	while (!increment_restartably(own_rseq(), counters_of_cpus))
		;
	outcome->in_area = xol_area_mapped();
	signal(SIGSEGV, note_segv);
	signal(SIGUSR1, note_user);

	uffd = missing_memory(&missing, size, O_NONBLOCK | UFFD_USER_MODE_ONLY);
	blocking_counters = missing;
	if (pthread_create(&thread, NULL, commit_once, NULL) ||
	    !missing_memory_wait(uffd, TIME_LIMIT))
		return KSFT_FAIL;

	blocked_rseq->rseq_cs = rseq_cs;
	if (pthread_kill(thread, SIGUSR1))
		return KSFT_FAIL;
	outcome->blocked_again = missing_memory_wait(uffd, TIME_LIMIT);
	missing_memory_serve(uffd, missing, size);
	return pthread_join(thread, NULL) ? KSFT_FAIL : KSFT_PASS;
}

/* Returns how the process ended, and leaves in @seen what it saw. */
static int signal_status(uint64_t rseq_cs, struct outcome *seen)
{
	int status;
	pid_t pid;

	memset(outcome, 0, sizeof(*outcome));
	pid = fork();
	if (!pid)
		_exit(get_signal_with(rseq_cs));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		ksft_exit_fail_perror("fork");
	*seen = *outcome;
	return status;
}

/* A descriptor whose abort handler has no signature before it */
static struct rseq_cs unsigned_abort;

FIXTURE(refused) {
	int counters;
	unsigned int sites;
	uint64_t rseq_cs;
};

FIXTURE_VARIANT(refused) {
	/* The address of the descriptor; 0: a descriptor whose abort handler is unsigned */
	uint64_t address;
};

FIXTURE_VARIANT_ADD(refused, unsigned_abort) { .address = 0 };
FIXTURE_VARIANT_ADD(refused, unmapped) { .address = 32 };
FIXTURE_VARIANT_ADD(refused, in_kernel) { .address = 0xffff800000000000 };

FIXTURE_SETUP(refused)
{
	if (!__rseq_size)
		SKIP(return, "needs CONFIG_RSEQ, and a C library that uses it");
	if (!boost_is_on())
		SKIP(return, "a step is not part of the sequence");

	self->sites = restartable_sites();
	self->counters = counters_create(self->sites);
	counters_of_cpus_create();
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(outcome, MAP_FAILED);
	unsigned_abort.start_ip = (uintptr_t)restartable_start;
	unsigned_abort.post_commit_offset = restartable_end - restartable_start;
	unsigned_abort.abort_ip = (uintptr_t)restartable_end;
	self->rseq_cs = variant->address ? : (uintptr_t)&unsigned_abort;
}

FIXTURE_TEARDOWN(refused)
{
}

/*
 * Checks that a signal does to a thread with a bad descriptor what it does without a
 * probe, when the thread is in the slot of an instruction of its sequence. Where the
 * kernel can go on, the process gets a SIGSEGV that it can handle.
 */
TEST_F_TIMEOUT(refused, same_signals, TIME_LIMIT)
{
	struct outcome unprobed, probed;
	int unprobed_status, probed_status, probes;

	unprobed_status = signal_status(self->rseq_cs, &unprobed);
	if (WIFEXITED(unprobed_status) && WEXITSTATUS(unprobed_status) == KSFT_SKIP)
		SKIP(return, "needs CONFIG_USERFAULTFD");
	ASSERT_FALSE(unprobed.in_area);
	if (!variant->address) {
		ASSERT_TRUE(WIFEXITED(unprobed_status));
		ASSERT_EQ(WEXITSTATUS(unprobed_status), KSFT_PASS);
		ASSERT_EQ(unprobed.segvs, 1);
		ASSERT_EQ(unprobed.users, 1);
	}
	ksft_print_msg("without a probe: status %#x, SIGSEGV handled %u times\n",
		       unprobed_status, unprobed.segvs);

	probes = probe_attach_each(__start_restartable_sites, self->sites, self->counters);
	probed_status = signal_status(self->rseq_cs, &probed);
	close(probes);
	EXPECT_TRUE(probed.in_area);
	EXPECT_GE(counters_read(self->counters, 0), 2);
	EXPECT_EQ(probed_status, unprobed_status)
		TH_LOG("with a probe: status %#x", probed_status);
	EXPECT_EQ(probed.users, unprobed.users);
	/*
	 * A process that dies may block once more before. Its handler of the first SIGSEGV
	 * begins if the one that kills it is blocked meanwhile. This depends on when the
	 * kernel looks at the descriptor: on arm64 only after the thread was scheduled.
	 */
	if (WIFEXITED(unprobed_status)) {
		EXPECT_EQ(probed.segvs, unprobed.segvs);
		EXPECT_EQ(probed.blocked_again, unprobed.blocked_again);
		EXPECT_EQ(probed.committed, unprobed.committed);
	}
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
