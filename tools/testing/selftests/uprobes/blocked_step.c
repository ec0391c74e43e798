// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that block in the middle of a step, in a page fault that userfaultfd
 * serves: other threads' probes still run, that of the thread that serves the
 * fault among them, and the process can be killed.
 *
 * No slot is left when as many threads block, each in an instruction of its own,
 * as an area can have slots. That is an expected failure; the time that others
 * may take is limited for that reason, and only for that.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define NUMBER		3
#define OTHERS		8
#define HITS		50
/* Seconds: many times what a hit takes, even with every debug option */
#define STALLED		8
/* Where no stall is expected */
#define PATIENCE	120
#define STACK_SIZE	65536
#define TIME_LIMIT	300

static const char reason[] =
	"all slots are held by blocked steps, and the area cannot grow further";

static int finished;	/* an eventfd: the others that are done */
static int removed;	/* an eventfd: probes that are removed */
static int spare_probe;
static unsigned int wrong_results;

static void call(unsigned int index)
{
	uint64_t one = 1;

	for (unsigned int i = 0; i < HITS; i++)
		if (call_numbered(NUMBER) != NUMBER)
			__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	if (write(finished, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void remove_spare(unsigned int index)
{
	uint64_t one = 1;

	close(spare_probe);
	if (write(removed, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* Whether @number was written to @event, an eventfd, before it got silent */
static bool all_done(int event, unsigned int number, unsigned int seconds)
{
	struct pollfd fd = { .fd = event, .events = POLLIN };
	uint64_t done = 0, more;

	while (done < number && poll(&fd, 1, seconds * 1000) == 1 &&
	       read(event, &more, sizeof(more)) == sizeof(more))
		done += more;
	return done == number;
}

FIXTURE(blocked_step) {
	int counters;
	int probe, load_probe;
	unsigned int number, loads;
	bool may_stall;
	/* Seconds of silence that are taken for a stall */
	unsigned int patience;
};

FIXTURE_VARIANT(blocked_step) {
	/* Threads that block: so many, or as many as there are slots but @left */
	unsigned int number, left;
	/* Instructions that they block in: so many, or each in one of its own */
	unsigned int loads;
	/* In slots that end with a jump, where there are any */
	bool boosted;
};

FIXTURE_VARIANT_ADD(blocked_step, one_slot_left) { .left = 1 };
FIXTURE_VARIANT_ADD(blocked_step, no_slot_left) { .left = 0 };
FIXTURE_VARIANT_ADD(blocked_step, a_thousand) { .number = 1000 };
FIXTURE_VARIANT_ADD(blocked_step, in_one_instruction) { .number = 1000, .loads = 1 };
FIXTURE_VARIANT_ADD(blocked_step, boosted) { .number = 100, .boosted = true };
FIXTURE_VARIANT_ADD(blocked_step, in_one_boosted) {
	.number = 100, .loads = 1, .boosted = true,
};

FIXTURE_SETUP(blocked_step)
{
	if (!boost_switch(variant->boosted))
		SKIP(return, "nothing is boosted here");
	if (xol_slots() > NUMBERED_FUNCTIONS - OTHERS)
		SKIP(return, "%u slots: too many to block", xol_slots());
	self->number = variant->number ? : xol_slots() - variant->left;
	self->loads = variant->loads ? : self->number;
	self->may_stall = self->number >= xol_slots();
	self->patience = self->may_stall ? STALLED : PATIENCE;
	self->counters = counters_create(2);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, 0));
	self->load_probe = blocked_attach(self->loads + OTHERS, self->counters, 1);
	finished = eventfd(0, 0);
	ASSERT_GE(finished, 0);
	removed = eventfd(0, 0);
	ASSERT_GE(removed, 0);
}

FIXTURE_TEARDOWN(blocked_step)
{
	boost_switch(false);
	close(self->probe);
	close(self->load_probe);
}

TEST_F_TIMEOUT(blocked_step, other_threads_run, TIME_LIMIT)
{
	struct threads *others;
	struct blocked *blocked;
	bool ran;

	ASSERT_TRUE(blocked_start(&blocked, self->number, self->loads, self->patience) ||
		    self->may_stall);
	others = threads_start(OTHERS, call);
	ran = all_done(finished, OTHERS, self->patience);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	threads_join(others);
	EXPECT_EQ(counters_read(self->counters, 0), OTHERS * HITS);
	EXPECT_EQ(counters_read(self->counters, 1), self->number);
	EXPECT_EQ(wrong_results, 0);
	if (!ran && self->may_stall)
		EXPECTED_FAILURE(return, "%s", reason);
	EXPECT_TRUE(ran);
}

/*
 * Who removes a probe waits for hits that are being handled, of all probes: not
 * for threads that wait for a slot.
 */
TEST_F_TIMEOUT(blocked_step, probe_is_removed, TIME_LIMIT)
{
	struct threads *others, *remover;
	struct blocked *blocked;
	bool done;

	spare_probe = probe_attach(numbered_function(NUMBER + 1),
				   program_count(self->counters, 0));
	ASSERT_TRUE(blocked_start(&blocked, self->number, self->loads, self->patience) ||
		    self->may_stall);
	others = threads_start(OTHERS, call);
	/* each is being handled, or was */
	counters_wait_for(self->counters, 0, OTHERS);
	remover = threads_start(1, remove_spare);
	done = all_done(removed, 1, xol_tells() ? PATIENCE : self->patience);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	threads_join(others);
	threads_join(remover);
	EXPECT_EQ(counters_read(self->counters, 0), OTHERS * HITS);
	EXPECT_EQ(wrong_results, 0);
	/* true of slots in Rust */
	if (!done && self->may_stall && !xol_tells())
		EXPECTED_FAILURE(return, "a removal waits for those who wait for a slot");
	EXPECT_TRUE(done);
}

/* All threads that want to block get that far. */
TEST_F_TIMEOUT(blocked_step, more_threads_block, TIME_LIMIT)
{
	unsigned int more = variant->left ? 0 : OTHERS;
	struct blocked *blocked;
	bool all_blocked;

	all_blocked = blocked_start(&blocked, self->number + more,
				    variant->loads ? : self->loads + more, self->patience);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	EXPECT_EQ(counters_read(self->counters, 1), self->number + more);
	if (!all_blocked && self->may_stall)
		EXPECTED_FAILURE(return, "%s", reason);
	EXPECT_TRUE(all_blocked);
}

struct load {
	unsigned int number, loads;
};

/* Starts a process that blocks, and hits a probe before it serves itself. */
static int serve_after_hit(const void *argument)
{
	const struct load *load = argument;
	struct blocked *blocked;

	if (!blocked_start(&blocked, load->number, load->loads, PATIENCE))
		return KSFT_FAIL;
	if (call_numbered(NUMBER) != NUMBER)
		return KSFT_FAIL;
	blocked_serve(blocked);
	return blocked_join(blocked) ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(blocked_step, server_runs, TIME_LIMIT)
{
	struct load load = { self->number, self->loads };
	int result = run_isolated(serve_after_hit, &load,
				  self->may_stall ? 2 * STALLED : PATIENCE);

	if (isolated_took_too_long() && self->may_stall)
		EXPECTED_FAILURE(return, "%s", reason);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	EXPECT_EQ(counters_read(self->counters, 1), self->number);
	EXPECT_EQ(result, KSFT_PASS);
}

/* With threads blocked, and others waiting for their slots */
TEST_F_TIMEOUT(blocked_step, can_be_killed, TIME_LIMIT)
{
	struct pollfd child = { .events = POLLIN };
	struct blocked *blocked;
	int ready[2], status;
	pid_t pid;
	char byte;

	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!blocked_start(&blocked, self->number, self->loads, self->patience) &&
		    !self->may_stall)
			_exit(KSFT_FAIL);
		threads_start(OTHERS, call);
		if (write(ready[1], "", 1) != 1)
			_exit(KSFT_FAIL);
		pause();
	}

	close(ready[1]);
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	/* the others' handlers have run: they wait, or are about to */
	counters_wait_for(self->counters, 0, 1);
	child.fd = syscall(__NR_pidfd_open, pid, 0);
	ASSERT_GE(child.fd, 0);
	EXPECT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(poll(&child, 1, PATIENCE * 1000), 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

static unsigned int next_load;

static int load_in_process(void *page)
{
	_exit(call_load(next_load, page) ? KSFT_FAIL : KSFT_PASS);
}

FIXTURE(killed_step) {
	int counters;
	int probe;
	struct blocked *blocked;
	char *stack;
};

FIXTURE_SETUP(killed_step)
{
	if (xol_slots() > NUMBERED_FUNCTIONS)
		SKIP(return, "%u slots: too many to block", xol_slots());
	self->counters = counters_create(1);
	self->probe = blocked_attach(NUMBERED_FUNCTIONS, self->counters, 0);
	self->stack = malloc(STACK_SIZE);
	ASSERT_NE(self->stack, NULL);
	ASSERT_TRUE(blocked_start(&self->blocked, 0, 1, PATIENCE));
}

FIXTURE_TEARDOWN(killed_step)
{
	EXPECT_EQ(blocked_join(self->blocked), 0);
	free(self->stack);
	close(self->probe);
}

/*
 * Processes that share the mm die in the middle of a step, more of them than
 * there are slots, one after the other: each leaves its slot to the next.
 */
TEST_F_TIMEOUT(killed_step, leaves_its_slot, TIME_LIMIT)
{
	unsigned int processes = 2 * xol_slots();

	for (unsigned int i = 0; i < processes; i++) {
		bool blocks;
		int status;
		pid_t pid;

		next_load = i % NUMBERED_FUNCTIONS;
		pid = clone(load_in_process, self->stack + STACK_SIZE,
			    CLONE_VM | SIGCHLD, (void *)blocked_page(self->blocked));
		ASSERT_GE(pid, 0);
		blocks = blocked_wait(self->blocked, PATIENCE);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT_TRUE(blocks);
		ASSERT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(counters_read(self->counters, 0), processes);
	EXPECT_TRUE(xol_area_mapped());
}

/* About steps */
int main(int argc, char **argv)
{
	boost_leave_off();
	return test_harness_run(argc, argv);
}
