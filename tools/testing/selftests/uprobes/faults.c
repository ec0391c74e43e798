// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that cannot be had when a probe is hit. The process goes on: a hit that
 * got no area is tried again, handlers included, a return that got no instance
 * is not seen, and when the fault is over, the same probe works.
 *
 * Each sweep lets the first, the second, the third... allocation of one
 * operation fail, each time in a task for which it is the first, until there is
 * none left to fail. How many allocations there are depends on the kernel's
 * configuration; which of them matter shows in what comes of the operation.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "fault_injection.h"
#include "functions.h"
#include "kernel_log.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define NUMBER		31
/* Not probed */
#define REHEARSED	32
/* The first of those that fill a page of slots */
#define FILLING		100
#define LATER_CALLS	3
/* What the kernel calls this program's processes, however it was started */
#define COMM		"faults"
#define MAX_SWEEP	2000
#define SWEEPS		10
#define PATIENCE	60
#define TIME_LIMIT	600
/*
 * While a fault lasts, a hit is tried again at least as often, and that more than
 * once: a leak shows each time, what else happens in the system does not.
 */
#define RETRIES		20000
#define ROUNDS		3
/* What a retry that leaks an object loses at least, in bytes */
#define SMALLEST_OBJECT	8

enum { ENTRIES, RETURNS, MORE_RETURNS, FILLED, COUNTERS };

/* One operation with a fault, in memory that processes share */
struct step {
	int counters;
	/* slots that are taken before, each for another instruction */
	unsigned int filled;
	unsigned int nth;
	/* of nth; not 0 when there was no nth allocation */
	unsigned int left;
	/* that are done */
	unsigned int sweeps;
	unsigned int rehearsed_left;
	unsigned int result, later_result;
	uint64_t counted[COUNTERS], later[COUNTERS];
	bool mapped;
};

/* Injected faults, by kind; those of __GFP_NOWARN are of unknown kind. */
struct tally {
	unsigned int slab, page, unknown;
};

static void tally_add(struct tally *tally, const struct kernel_log *told)
{
	if (!strcmp(told->kind, "failslab"))
		tally->slab++;
	else if (!strcmp(told->kind, "fail_page_alloc"))
		tally->page++;
	else
		tally->unknown++;
}

static void print_tally(const char *outcome, const struct tally *tally)
{
	ksft_print_msg("%s: %u slab, %u page, %u unknown\n", outcome, tally->slab,
		       tally->page, tally->unknown);
}

static void print_step(const struct step *step, const struct kernel_log *told,
		       const char *outcome)
{
	if (step->left)
		ksft_print_msg("%u: no allocation is left to fail: %s\n", step->nth,
			       outcome);
	else
		ksft_print_msg("%u: %s: %s: %s\n", step->nth,
			       told->injections ? told->kind : "silent",
			       told->injections ? told->where : "unknown", outcome);
	if (told->warnings)
		ksft_print_msg("%u: kernel: %s\n", step->nth, told->warning);
	if (told->splats)
		ksft_print_msg("%u: kernel: %s\n", step->nth, told->splat);
}

static void read_counters(const struct step *step, uint64_t *values)
{
	for (unsigned int i = 0; i < COUNTERS; i++)
		values[i] = counters_read(step->counters, i);
}

static void subtract(uint64_t *values, const uint64_t *before)
{
	for (unsigned int i = 0; i < COUNTERS; i++)
		values[i] -= before[i];
}

/* Calls function @number, the nth allocation from there on failing. */
static unsigned int call_with_fault(unsigned int number, unsigned int nth,
				    unsigned int *left)
{
	int fail_nth = fail_nth_open(0);
	unsigned int result;

	fail_nth_arm(fail_nth, nth);
	result = call_numbered(number);
	*left = fail_nth_disarm(fail_nth);
	close(fail_nth);
	return result;
}

static void take_step(struct step *step)
{
	uint64_t before[COUNTERS], between[COUNTERS];

	for (unsigned int i = 0; i < step->filled; i++)
		call_numbered(FILLING + i);
	read_counters(step, before);
	/* Until no page fault is left for the stack, the code and so on */
	call_with_fault(REHEARSED, FAIL_NTH_NEVER, &step->rehearsed_left);
	call_with_fault(REHEARSED, FAIL_NTH_NEVER, &step->rehearsed_left);

	step->result = call_with_fault(NUMBER, step->nth, &step->left);
	read_counters(step, between);
	memcpy(step->counted, between, sizeof(between));
	subtract(step->counted, before);
	step->mapped = xol_area_mapped();

	for (unsigned int i = 0; i < LATER_CALLS; i++) {
		step->later_result = call_numbered(NUMBER);
		if (step->later_result != NUMBER)
			break;
	}
	read_counters(step, step->later);
	subtract(step->later, between);
}

static int take_step_in_process(const void *argument)
{
	take_step((struct step *)argument);
	return KSFT_PASS;
}

static struct step *thread_step;

static void take_step_in_thread(unsigned int index)
{
	take_step(thread_step);
}

/* What holds of every step, wherever memory was missing */
static void check_step(struct __test_metadata *_metadata, const struct step *step,
		       const struct kernel_log *told)
{
	EXPECT_EQ(step->result, NUMBER);
	EXPECT_EQ(step->later_result, NUMBER);
	EXPECT_TRUE(step->mapped);
	EXPECT_EQ(step->later[ENTRIES], LATER_CALLS);
	/* were there others, a sweep would end before it reaches the hit's own */
	EXPECT_EQ(step->rehearsed_left, FAIL_NTH_NEVER);
	EXPECT_EQ(told->warnings, 0);
	EXPECT_EQ(told->splats, 0);
	EXPECT_LE(told->injections, 1);
}

FIXTURE(faults) {
	int log;
	struct step *step;
};

FIXTURE_SETUP(faults)
{
	const char *lack = faults_lack();
	struct kernel_log told;

	if (lack)
		SKIP(return, "needs %s", lack);

	self->log = kernel_log_open();
	self->step = mmap(NULL, sizeof(*self->step), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->step, MAP_FAILED);
	self->step->counters = counters_create(COUNTERS);
	probe_attach(numbered_function(NUMBER),
		     program_count(self->step->counters, ENTRIES));
	kernel_log_read(self->log, &told);
}

FIXTURE_TEARDOWN(faults)
{
}

/*
 * Whether to let one more allocation fail. A sweep that is at its end without having
 * met @enough of those that matter begins anew, a few times: what an allocation needs
 * itself, and so what the nth one is, differs from one time to the next.
 */
static bool sweep_goes_on(struct step *step, bool enough)
{
	if (!step->left)
		return true;
	if (enough || ++step->sweeps == SWEEPS)
		return false;
	step->left = 0;
	step->nth = 1;
	return true;
}

/* A new process's hit, in want of the nth piece of memory */
static void take_first_hit(struct __test_metadata *_metadata, struct step *step, int log,
			   struct kernel_log *told)
{
	char outcome[64];

	ASSERT_LT(step->nth, MAX_SWEEP);
	ASSERT_EQ(run_isolated(take_step_in_process, step, PATIENCE), KSFT_PASS);
	kernel_log_read(log, told);
	snprintf(outcome, sizeof(outcome), "handlers ran %lu times",
		 (unsigned long)step->counted[ENTRIES]);
	print_step(step, told, outcome);
	check_step(_metadata, step, told);
}

/* Lets a process's first hit be in want of memory, until @wanted has @slab failures. */
static void sweep_first_hit(struct __test_metadata *_metadata, struct step *step, int log,
			    struct tally *once, struct tally *twice,
			    const struct tally *wanted, unsigned int slab)
{
	struct kernel_log told;

	for (step->nth = 1; sweep_goes_on(step, wanted->slab >= slab && wanted->page);
	     step->nth++) {
		take_first_hit(_metadata, step, log, &told);
		EXPECT_GE(step->counted[ENTRIES], 1);
		EXPECT_LE(step->counted[ENTRIES], step->left ? 1 : 2);
		if (!step->left)
			tally_add(step->counted[ENTRIES] == 2 ? twice : once, &told);
	}
	print_tally("retried before handlers or unharmed", once);
	print_tally("retried after handlers", twice);
	EXPECT_GE(wanted->slab, slab);
	EXPECT_GE(wanted->page, 1);
}

/*
 * The hit needs a uprobe_task and then, in pre_ssout(), an area: its memory, its
 * page, and room where it is mapped. Without the former, the instruction is
 * tried again before the handlers ran, without the latter after it. Behind the
 * area comes what the page fault needs that the step begins with.
 */
TEST_F_TIMEOUT(faults, first_hit, TIME_LIMIT)
{
	struct tally once = {}, twice = {};

	/* two for what describes the area, and one for its mapping; its page */
	sweep_first_hit(_metadata, self->step, self->log, &once, &twice, &twice, 3);
	/* the uprobe_task */
	EXPECT_GE(once.slab, 1);
}

/* A hit that gets no boosted slot is stepped, for which there is memory. */
TEST_F_TIMEOUT(faults, first_hit_boosted, TIME_LIMIT)
{
	struct tally once = {}, twice = {};

	if (!boost_switch(true))
		SKIP(return, "nothing is boosted: needs CONFIG_UPROBES_XOL_BOOST");
	/* the uprobe_task, what describes boosted slots and their area, and its mapping */
	sweep_first_hit(_metadata, self->step, self->log, &once, &twice, &once, 4);
	boost_switch(false);
	EXPECT_EQ(twice.slab + twice.page + twice.unknown, 0);
}

/* Only the uprobe_task is missing when the process has an area. */
TEST_F_TIMEOUT(faults, first_hit_of_a_thread, TIME_LIMIT)
{
	struct step *step = self->step;
	struct tally once = {};
	struct kernel_log told;
	char outcome[64];

	thread_step = step;
	ASSERT_EQ(call_numbered(NUMBER), NUMBER);
	ASSERT_TRUE(xol_area_mapped());
	for (step->nth = 1; sweep_goes_on(step, once.slab); step->nth++) {
		ASSERT_LT(step->nth, MAX_SWEEP);
		threads_run(1, take_step_in_thread);
		kernel_log_read(self->log, &told);
		snprintf(outcome, sizeof(outcome), "handlers ran %lu times",
			 (unsigned long)step->counted[ENTRIES]);
		print_step(step, &told, outcome);

		check_step(_metadata, step, &told);
		EXPECT_EQ(step->counted[ENTRIES], 1);
		if (!step->left)
			tally_add(&once, &told);
	}
	EXPECT_GE(once.slab, 1);
}

/*
 * No slot is left for the hit when its process has as many instructions in slots
 * as a page has room for. An area that cannot grow takes one of theirs away.
 */
TEST_F_TIMEOUT(faults, growing, TIME_LIMIT)
{
	const void *addresses[NUMBERED_FUNCTIONS];
	struct step *step = self->step;
	struct tally unharmed = {};
	struct kernel_log told;

	step->filled = xol_slots_of_page();
	if (step->filled == xol_slots())
		SKIP(return, "areas do not grow here");
	for (unsigned int i = 0; i < step->filled; i++)
		addresses[i] = numbered_function(FILLING + i);
	probe_attach_many(addresses, step->filled, step->counters, FILLED);
	kernel_log_read(self->log, &told);

	for (step->nth = 1; sweep_goes_on(step, unharmed.page && unharmed.slab); step->nth++) {
		take_first_hit(_metadata, step, self->log, &told);
		EXPECT_EQ(step->counted[ENTRIES], 1);
		if (!step->left)
			tally_add(&unharmed, &told);
	}
	print_tally("hit all the same", &unharmed);
	/* the page, and what is noted of its slots, which may be pages itself */
	EXPECT_GE(unharmed.page, 1);
	EXPECT_GE(unharmed.slab + unharmed.page, 2);
}

/*
 * A return needs an instance of it, memory for more than one consumer, and the
 * area. Whichever is missing, the return is not seen by any consumer; and the
 * hit itself, which comes to need the area after that, is not tried again.
 */
TEST_F_TIMEOUT(faults, first_return, TIME_LIMIT)
{
	struct step *step = self->step;
	struct tally seen = {}, unseen = {};
	struct kernel_log told;
	char outcome[64];

	probe_attach_return(numbered_function(NUMBER),
			    program_count(step->counters, RETURNS));
	probe_attach_return(numbered_function(NUMBER),
			    program_count(step->counters, MORE_RETURNS));
	for (step->nth = 1;
	     sweep_goes_on(step, seen.slab && unseen.slab >= 5 && unseen.page); step->nth++) {
		ASSERT_LT(step->nth, MAX_SWEEP);
		ASSERT_EQ(run_isolated(take_step_in_process, step, PATIENCE), KSFT_PASS);
		kernel_log_read(self->log, &told);
		snprintf(outcome, sizeof(outcome), "%lu entries, %lu and %lu returns",
			 (unsigned long)step->counted[ENTRIES],
			 (unsigned long)step->counted[RETURNS],
			 (unsigned long)step->counted[MORE_RETURNS]);
		print_step(step, &told, outcome);

		check_step(_metadata, step, &told);
		EXPECT_EQ(step->counted[ENTRIES], 1);
		EXPECT_LE(step->counted[RETURNS], 1);
		EXPECT_EQ(step->counted[RETURNS], step->counted[MORE_RETURNS]);
		EXPECT_EQ(step->later[RETURNS], LATER_CALLS);
		EXPECT_EQ(step->later[MORE_RETURNS], LATER_CALLS);
		if (!step->left)
			tally_add(step->counted[RETURNS] ? &seen : &unseen, &told);
		else
			EXPECT_EQ(step->counted[RETURNS], 1);
	}
	print_tally("returns seen", &seen);
	print_tally("returns not seen", &unseen);
	/* the uprobe_task */
	EXPECT_GE(seen.slab, 1);
	/* the instance, its second consumer, and the area as in first_hit */
	EXPECT_GE(unseen.slab, 5);
	EXPECT_GE(unseen.page, 1);
}

static int call_in_child(void *argument)
{
	_exit(call_numbered(NUMBER) == NUMBER ? KSFT_PASS : KSFT_FAIL);
}

static char child_stack[65536];

/* Its return is pending when it makes a process that gets a copy of it. */
static pid_t clone_inside(struct step *step)
{
	int fail_nth = fail_nth_open(0), error;
	pid_t pid;

	fail_nth_arm(fail_nth, step->nth);
	pid = clone(call_in_child, child_stack + sizeof(child_stack),
		    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	error = errno;
	step->left = fail_nth_disarm(fail_nth);
	close(fail_nth);
	errno = error;
	return pid;
}

/* In a variable that others may change: calls through it are not inlined. */
pid_t (*clone_function)(struct step *step) = clone_inside;

static bool ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS;
}

/*
 * A new process gets copies of its parent's pending returns. When they cannot be
 * made, the kernel says so; the child of vfork() does not need them. Most steps
 * fail in other parts of clone(), which then makes no child.
 */
TEST_F_TIMEOUT(faults, copy_of_pending_returns, TIME_LIMIT)
{
	struct step *step = self->step;
	struct tally no_child = {}, no_copy = {}, unharmed = {};
	uint64_t before[COUNTERS];
	struct kernel_log told;
	bool warned;

	probe_attach_return(clone_inside, program_count(step->counters, RETURNS));
	probe_attach_return(clone_inside, program_count(step->counters, MORE_RETURNS));
	step->nth = FAIL_NTH_NEVER;
	ASSERT_GT(clone_function(step), 0);
	ASSERT_GT(wait(NULL), 0);
	ksft_print_msg("clone() makes %u allocations here\n", step->nth - step->left);

	step->left = 0;
	for (step->nth = 1; sweep_goes_on(step, no_copy.slab >= 3); step->nth++) {
		pid_t pid;
		int status = -1, error;

		ASSERT_LT(step->nth, MAX_SWEEP);
		read_counters(step, before);
		errno = 0;
		pid = clone_function(step);
		error = errno;
		if (pid > 0)
			ASSERT_EQ(waitpid(pid, &status, 0), pid);
		read_counters(step, step->counted);
		subtract(step->counted, before);
		kernel_log_read(self->log, &told);
		warned = told.warnings && strstr(told.warning, "failed to dup ret instances");
		print_step(step, &told, pid > 0 ? "a child" : strerror(error));

		/* the parent's own return, whatever came of the child */
		EXPECT_EQ(step->counted[RETURNS], 1);
		EXPECT_EQ(step->counted[MORE_RETURNS], 1);
		EXPECT_EQ(told.warnings, warned);
		EXPECT_EQ(told.splats, 0);
		if (pid > 0) {
			EXPECT_TRUE(ended_well(status));
			EXPECT_EQ(step->counted[ENTRIES], 1);
		} else {
			EXPECT_TRUE(error == ENOMEM || error == EAGAIN);
			EXPECT_EQ(step->counted[ENTRIES], 0);
			EXPECT_FALSE(warned);
			EXPECT_EQ(step->left, 0);
		}
		if (!step->left)
			tally_add(pid < 0 ? &no_child : warned ? &no_copy : &unharmed, &told);
		else
			EXPECT_FALSE(warned);
	}
	print_tally("no child", &no_child);
	print_tally("no copy", &no_copy);
	/* the uprobe_task, the instance and its second consumer */
	EXPECT_GE(no_copy.slab, 3);
	EXPECT_EQ(call_numbered(NUMBER), NUMBER);
	EXPECT_TRUE(xol_area_mapped());
}

static pid_t fork_inside(void)
{
	pid_t pid = fork();

	/* not a tail call */
	asm volatile("" : "+r" (pid));
	return pid;
}

pid_t (*fork_function)(void) = fork_inside;

/* A new process does not run before this one waits. */
static bool run_before_children(void)
{
	struct sched_param param = { .sched_priority = 1 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus) &&
	       !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

/*
 * A process that inherits pending returns makes itself an area before it returns
 * to user mode, at the same address. When it cannot, the kernel says so, and the
 * return goes nowhere: the child dies, and nobody else is concerned.
 */
TEST_F_TIMEOUT(faults, area_of_a_child, TIME_LIMIT)
{
	struct step *step = self->step;
	struct tally no_area = {}, unharmed = {};
	uint64_t before[COUNTERS];
	struct kernel_log told;
	char outcome[64];

	probe_attach_return(fork_inside, program_count(step->counters, RETURNS));
	if (!run_before_children())
		SKIP(return, "needs SCHED_FIFO");

	for (step->nth = 1; sweep_goes_on(step, no_area.slab >= 3 && no_area.page);
	     step->nth++) {
		int status, fail_nth;
		siginfo_t info;
		bool warned;
		pid_t pid;

		ASSERT_LT(step->nth, MAX_SWEEP);
		read_counters(step, before);
		pid = fork_function();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(KSFT_PASS);
		fail_nth = fail_nth_open(pid);
		fail_nth_arm(fail_nth, step->nth);
		/* what is left can be read as long as the child is not reaped */
		ASSERT_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
		step->left = fail_nth_left(fail_nth);
		close(fail_nth);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		read_counters(step, step->counted);
		subtract(step->counted, before);
		kernel_log_read(self->log, &told);
		warned = told.warnings && strstr(told.warning, "failed to dup xol area");
		if (WIFSIGNALED(status))
			snprintf(outcome, sizeof(outcome), "the child died of signal %d",
				 WTERMSIG(status));
		else
			snprintf(outcome, sizeof(outcome), "the child returned");
		print_step(step, &told, outcome);

		EXPECT_EQ(told.warnings, warned);
		EXPECT_EQ(told.splats, 0);
		if (warned) {
			EXPECT_EQ(step->left, 0);
			EXPECT_TRUE(WIFSIGNALED(status));
			EXPECT_EQ(WTERMSIG(status), SIGSEGV);
			EXPECT_EQ(step->counted[RETURNS], 1);
			tally_add(&no_area, &told);
		} else {
			EXPECT_TRUE(ended_well(status));
			EXPECT_EQ(step->counted[RETURNS], 2);
			if (!step->left)
				tally_add(&unharmed, &told);
		}
	}
	print_tally("no area", &no_area);
	print_tally("unharmed", &unharmed);
	/* as in first_hit */
	EXPECT_GE(no_area.slab, 3);
	EXPECT_GE(no_area.page, 1);
}

/* Faults that last */

FIXTURE(lasting) {
	int log;
	int counters;
	bool prepared;
};

FIXTURE_VARIANT(lasting) {
	const char *kind;
	/* the slab cache that alone fails, or NULL for all */
	const char *cache;
};

/* Nothing that describes the area can be had. */
FIXTURE_VARIANT_ADD(lasting, no_memory) {
	.kind = "failslab",
};

FIXTURE_VARIANT_ADD(lasting, no_page) {
	.kind = "fail_page_alloc",
};

/* The area is complete, and cannot be mapped. */
FIXTURE_VARIANT_ADD(lasting, no_mapping) {
	.kind = "failslab",
	.cache = "/sys/kernel/slab/vm_area_struct/failslab",
};

static void set_knob(const char *kind, const char *knob, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", kind, knob);
	faults_set(path, value);
}

/* Nothing is told of faults while they last: there are too many. */
static void begin_lasting_fault(const struct _fixture_variant_lasting *variant)
{
	set_knob(variant->kind, "verbose", "0");
	if (variant->cache) {
		faults_set(variant->cache, "1");
		faults_set("failslab/cache-filter", "Y");
	}
	set_knob(variant->kind, "probability", "100");
}

static void end_lasting_fault(const struct _fixture_variant_lasting *variant)
{
	set_knob(variant->kind, "probability", "0");
	if (variant->cache) {
		faults_set("failslab/cache-filter", "N");
		faults_set(variant->cache, "0");
	}
	set_knob(variant->kind, "verbose", "2");
}

FIXTURE_SETUP(lasting)
{
	const char *lack = faults_lack();
	struct kernel_log told;

	if (lack)
		SKIP(return, "needs %s", lack);
	if (variant->cache && access(variant->cache, W_OK))
		SKIP(return, "needs CONFIG_SLUB_TINY=n: %s is missing", variant->cache);

	self->log = kernel_log_open();
	self->counters = counters_create(COUNTERS);
	probe_attach(emulated_function, program_empty());
	probe_attach(numbered_function(NUMBER), program_count(self->counters, ENTRIES));
	kernel_log_read(self->log, &told);
	self->prepared = true;
}

FIXTURE_TEARDOWN(lasting)
{
	if (self->prepared)
		end_lasting_fault(variant);
}

/* Pages that are in use in the whole system */
static long pages_in_use(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	long pages = 0, value;
	char name[64];

	if (!file)
		return 0;
	while (fscanf(file, "%63s %ld", name, &value) == 2) {
		if (!strncmp(name, "pgalloc_", 8))
			pages += value;
		else if (!strcmp(name, "pgfree"))
			pages -= value;
	}
	fclose(file);
	return pages;
}

static bool file_has(const char *path, const char *text)
{
	FILE *file = fopen(path, "r");
	bool found = false;
	char line[512];

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, text);
	fclose(file);
	return found;
}

/* Why pages in use do not tell of a leak, or NULL when they do */
static const char *pages_tell_nothing(void)
{
	if (!file_has("/proc/vmstat", "pgfree "))
		return "needs CONFIG_VM_EVENT_COUNTERS";
	if (file_has("/proc/kallsyms", " kasan_quarantine_put\n"))
		return "KASAN holds freed memory back";
	return NULL;
}

static bool is_failing, thread_failed;

static void write_make_it_fail(int make_it_fail, const char *value)
{
	if (pwrite(make_it_fail, value, 1, 0) != 1)
		__atomic_store_n(&thread_failed, true, __ATOMIC_RELAXED);
}

/* Hits, while nothing of that kind can be had, until it can again. */
static void hit_failing(unsigned int index)
{
	int make_it_fail = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);

	/* the uprobe_task is there, so that handlers count the retries */
	emulated_function();
	if (call_numbered(REHEARSED) != REHEARSED)
		__atomic_store_n(&thread_failed, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&is_failing, __ATOMIC_ACQUIRE))
		give_way();
	write_make_it_fail(make_it_fail, "1");
	if (call_numbered(NUMBER) != NUMBER)
		__atomic_store_n(&thread_failed, true, __ATOMIC_RELAXED);
	write_make_it_fail(make_it_fail, "0");
	close(make_it_fail);
}

struct lasting {
	int counters;
	const struct _fixture_variant_lasting *variant;
};

/* The time limit is that of run_isolated(). */
static uint64_t wait_for_hits(int counters, uint64_t hits)
{
	return counters_wait_for(counters, ENTRIES, hits);
}

static int outlast_fault(const void *argument)
{
	const long smallest_leak = RETRIES * SMALLEST_OBJECT / sysconf(_SC_PAGESIZE);
	const char *not_judged = pages_tell_nothing();
	/* where a leak is found by its pages, it takes many to see it */
	const unsigned int retries = not_judged ? RETRIES / 100 : RETRIES;
	const struct lasting *lasting = argument;
	struct threads *threads = threads_start(1, hit_failing);
	uint64_t first, hits;
	int result = KSFT_PASS;
	long leaked = LONG_MAX;

	begin_lasting_fault(lasting->variant);
	__atomic_store_n(&is_failing, true, __ATOMIC_RELEASE);
	/* until the caches of free objects and pages are filled */
	hits = wait_for_hits(lasting->counters, retries / 4);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		long before = pages_in_use(), more;

		hits = wait_for_hits(lasting->counters, hits + retries);
		more = pages_in_use() - before;
		ksft_print_msg("%lu retries so far, %ld more pages in use\n",
			       (unsigned long)hits, more);
		if (more < leaked)
			leaked = more;
	}
	if (not_judged) {
		ksft_print_msg("pages are not judged: %s\n", not_judged);
	} else if (leaked >= smallest_leak) {
		ksft_print_msg("each time %ld pages or more: a leak is %ld or more\n",
			       leaked, smallest_leak);
		result = KSFT_FAIL;
	}
	if (xol_area_mapped()) {
		ksft_print_msg("there is an area in spite of the fault\n");
		result = KSFT_FAIL;
	}

	end_lasting_fault(lasting->variant);
	threads_join(threads);
	if (thread_failed) {
		ksft_print_msg("the hit did not have the right result\n");
		result = KSFT_FAIL;
	}

	first = counters_read(lasting->counters, ENTRIES);
	for (unsigned int i = 0; i < LATER_CALLS; i++)
		if (call_numbered(NUMBER) != NUMBER)
			result = KSFT_FAIL;
	hits = counters_read(lasting->counters, ENTRIES) - first;
	if (hits != LATER_CALLS || !xol_area_mapped()) {
		ksft_print_msg("after the fault: %lu hits of %u, %s area\n",
			       (unsigned long)hits, LATER_CALLS,
			       xol_area_mapped() ? "an" : "no");
		result = KSFT_FAIL;
	}
	return result;
}

/*
 * The hit is tried again as long as the fault lasts. What was already allocated
 * is freed each time.
 */
TEST_F_TIMEOUT(lasting, is_outlasted, TIME_LIMIT)
{
	struct lasting lasting = {
		.counters = self->counters,
		.variant = variant,
	};
	struct kernel_log told;

	EXPECT_EQ(run_isolated(outlast_fault, &lasting, TIME_LIMIT / 2), KSFT_PASS);
	kernel_log_read(self->log, &told);
	EXPECT_EQ(told.warnings, 0) {
		TH_LOG("%s", told.warning);
	}
	EXPECT_EQ(told.splats, 0) {
		TH_LOG("%s", told.splat);
	}
}

/* Waits for a signal that kills it, if it does not get past the probe before. */
static void hit_until_killed(unsigned int index)
{
	hit_failing(index);
	_exit(KSFT_FAIL);
}

/* And as long as it is tried again, it can be killed. */
TEST_F_TIMEOUT(lasting, is_not_immune, TIME_LIMIT)
{
	struct kernel_log told;
	pid_t pid, ended;
	int status;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct threads *threads = threads_start(1, hit_until_killed);

		begin_lasting_fault(variant);
		__atomic_store_n(&is_failing, true, __ATOMIC_RELEASE);
		threads_join(threads);
		_exit(KSFT_FAIL);
	}
	do
		ended = waitpid(pid, &status, WNOHANG);
	while (!ended && counters_read(self->counters, ENTRIES) < 10);
	ASSERT_EQ(ended, 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	end_lasting_fault(variant);

	/* this process was never concerned */
	EXPECT_EQ(call_numbered(NUMBER), NUMBER);
	EXPECT_TRUE(xol_area_mapped());
	kernel_log_read(self->log, &told);
	EXPECT_EQ(told.warnings, 0);
	EXPECT_EQ(told.splats, 0);
}

/* What the tests above may have leaked; the last test. */

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
/* kmemleak does not report what is younger than 5 seconds. */
#define KMEMLEAK_AGE	6

FIXTURE(leaked) {
};

FIXTURE_SETUP(leaked)
{
	const char *lack = faults_lack();

	if (lack)
		SKIP(return, "needs %s", lack);
	if (access(KMEMLEAK, W_OK))
		SKIP(return, "needs CONFIG_DEBUG_KMEMLEAK");
}

FIXTURE_TEARDOWN(leaked)
{
}

/* One scan may take an object for used because of what is left on a stack. */
static bool scan_for_leaks(void)
{
	int kmemleak = open(KMEMLEAK, O_RDWR | O_CLOEXEC);
	bool scanned = kmemleak >= 0 && write(kmemleak, "scan", 4) == 4 &&
		       write(kmemleak, "scan", 4) == 4;

	if (kmemleak >= 0)
		close(kmemleak);
	return scanned;
}

TEST_F_TIMEOUT(leaked, nothing, TIME_LIMIT)
{
	bool ours = false, by_uprobes = false;
	char line[512], object[512] = "";
	unsigned int leaks = 0;
	FILE *file;

	sleep(KMEMLEAK_AGE);
	ASSERT_TRUE(scan_for_leaks()) {
		TH_LOG("kmemleak does not scan: %s: was it disabled?", strerror(errno));
	}
	file = fopen(KMEMLEAK, "r");
	ASSERT_NE(file, NULL);
	/* "unreferenced object" begins a report; the backtrace is its end. */
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "unreferenced object", 19)) {
			ours = false;
			by_uprobes = false;
			strcpy(object, line);
		} else if (strstr(line, "comm \"" COMM "\"")) {
			ours = true;
			ksft_print_msg("%s", object);
		}
		if (!ours)
			continue;
		ksft_print_msg("%s", line);
		if (!by_uprobes && (strstr(line, "uprobe") || strstr(line, "xol_area") ||
				    strstr(line, "handle_swbp"))) {
			by_uprobes = true;
			leaks++;
		}
	}
	fclose(file);
	EXPECT_EQ(leaks, 0);
}

int main(int argc, char **argv)
{
	const char *lack = faults_lack();
	int result;

	/*
	 * The kernel writes to a process's rseq area when it returns to user mode,
	 * and kills the process when it has no page for that: not what is tested.
	 */
	if (!getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		execv("/proc/self/exe", argv);
		ksft_exit_fail_perror("/proc/self/exe cannot be executed");
	}

	prctl(PR_SET_NAME, COMM);
	/* About steps, but for one */
	boost_leave_off();
	if (!lack)
		faults_prepare();
	result = test_harness_run(argc, argv);
	if (!lack)
		faults_restore();
	return result;
}
