// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel with CONFIG_UPROBES_XOL_RUST tells of its slots: tracepoints, each
 * caused and then looked for, and the counts in debugfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

#define FEW		5
#define THREADS		4
#define PATIENCE	120
#define TIME_LIMIT	300

/* The counts, in the order of the file */
enum { SLOTS, PAGES, TASKS, RECYCLES, WAITS, NUMBER_OF_COUNTS };

struct counts {
	long of[NUMBER_OF_COUNTS];
};

static struct counts counts_read(void)
{
	static const char * const names[] = { "slots", "pages", "tasks", "recycles", "waits" };
	FILE *file = fopen(XOL_COUNTS, "re");
	struct counts counts;
	char name[16];

	if (!file)
		give_up(KSFT_FAIL, XOL_COUNTS ": %s: needs CONFIG_DEBUG_FS, and root",
			strerror(errno));
	for (unsigned int i = 0; i < NUMBER_OF_COUNTS; i++)
		if (fscanf(file, "%15s %ld\n", name, &counts.of[i]) != 2 ||
		    strcmp(name, names[i]))
			give_up(KSFT_FAIL, XOL_COUNTS ": no \"%s\" in line %u", names[i], i + 1);
	fclose(file);
	return counts;
}

/* Whether @count has grown by @number before too long */
static bool counts_reach(const struct counts *before, unsigned int count, long number)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE;
	while (counts_read().of[count] - before->of[count] != number) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			return false;
		give_way();
	}
	return true;
}

/* A buffer of its own, for what this process, its threads and children do */
static char instance[64];

static void instance_set(const char *file, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		give_up(KSFT_FAIL, "%s: cannot be set to %s: %s", path, value, strerror(errno));
	close(fd);
}

static void instance_create(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(instance, sizeof(instance), TRACEFS "/instances/uprobes-xol-%s", pid);
	if (mkdir(instance, 0700))
		give_up(KSFT_FAIL, "%s: %s: cannot be made", instance, strerror(errno));
	instance_set("options/event-fork", "1");
	instance_set("set_event_pid", pid);
	instance_set(XOL_EVENTS "/enable", "1");
}

static FILE *trace_open(void)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", instance);
	file = fopen(path, "re");
	if (!file)
		give_up(KSFT_FAIL, "%s: %s: cannot be read", path, strerror(errno));
	return file;
}

/*
 * How many events with this name there were; reads what is told of each one with
 * @format into @values, up to @most of them.
 */
static unsigned int events_read(const char *name, const char *format,
				unsigned long *values, unsigned int most)
{
	FILE *file = trace_open();
	unsigned int number = 0;
	char *line = NULL, *at;
	size_t size = 0;
	char mark[64];

	snprintf(mark, sizeof(mark), ": %s: ", name);
	while (getline(&line, &size, file) > 0) {
		at = strstr(line, mark);
		if (!at)
			continue;
		if (number < most && sscanf(at + strlen(mark), format, &values[number]) != 1)
			give_up(KSFT_FAIL, "%s is told of as %s", name, at);
		number++;
	}
	free(line);
	fclose(file);
	return number;
}

static unsigned int events(const char *name)
{
	return events_read(name, "", NULL, 0);
}

/*
 * An event of a page fault that needs a page for the program's data. Not all
 * architectures have an event for the fault itself.
 */
#define FAULT_EVENT	"mm_page_alloc"

static void trace_faults(bool enable)
{
	/* Pages that can be moved: not those that the kernel allocates for itself */
	if (enable)
		instance_set("events/kmem/" FAULT_EVENT "/filter", "migratetype == 1");
	instance_set("events/kmem/" FAULT_EVENT "/enable", enable ? "1" : "0");
}

/* Where the stack of the last such page fault begins; 0 if there was none */
static uintptr_t fault_stack(void)
{
	FILE *file = trace_open();
	unsigned long ip = 0;
	bool begins = false;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, file) > 0) {
		if (strstr(line, ": " FAULT_EVENT ": ")) {
			begins = true;
			ip = 0;
		} else if (begins && sscanf(line, " => <%lx>", &ip) == 1) {
			begins = false;
		}
	}
	free(line);
	fclose(file);
	return ip;
}

static unsigned int wrong_results;

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

FIXTURE(seen) {
	int counters;
	int probes, load_probes;
	unsigned int slots, slots_of_page;
	struct counts before;
};

FIXTURE_SETUP(seen)
{
	const void *addresses[NUMBERED_FUNCTIONS];

	if (!xol_tells())
		SKIP(return, "no " TRACEFS "/" XOL_EVENTS ": needs CONFIG_UPROBES_XOL_RUST");

	/* Children of this process would be traced, too. */
	self->slots = xol_slots();
	self->slots_of_page = xol_slots_of_page();
	if (self->slots >= NUMBERED_FUNCTIONS)
		SKIP(return, "%u slots: too many to fill", self->slots);

	for (unsigned int i = 0; i < NUMBERED_FUNCTIONS; i++)
		addresses[i] = numbered_function(i);
	self->counters = counters_create(2);
	self->probes = probe_attach_many(addresses, self->slots + 1, self->counters, 0);
	self->load_probes = blocked_attach(self->slots, self->counters, 1);
	self->before = counts_read();
	instance_create();
}

FIXTURE_TEARDOWN(seen)
{
	EXPECT_EQ(wrong_results, 0);
	if (instance[0]) {
		instance_set(XOL_EVENTS "/enable", "0");
		EXPECT_EQ(rmdir(instance), 0);
	}
	close(self->probes);
	close(self->load_probes);
}

/* The counts have changed by as much as given. */
#define EXPECT_CHANGES(before, ...) do {				\
	const struct counts changes = { { __VA_ARGS__ } };		\
	const struct counts after = counts_read();			\
									\
	for (unsigned int i = 0; i < NUMBER_OF_COUNTS; i++) {		\
		EXPECT_EQ(after.of[i] - (before).of[i], changes.of[i])	\
			TH_LOG("count %u of " XOL_COUNTS, i);		\
	}								\
} while (0)

/* A hit of the probe that was hit last takes no slot. */
TEST_F_TIMEOUT(seen, taken, TIME_LIMIT)
{
	static const unsigned int numbers[] = { 0, 0, 1, 1, 1, 0 };
	unsigned long slots[3], vaddrs[3];
	uintptr_t start, end;

	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		call(numbers[i]);
	EXPECT_EQ(counters_read(self->counters, 0), ARRAY_SIZE(numbers));
	ASSERT_TRUE(xol_area_range(getpid(), &start, &end));

	ASSERT_EQ(events_read("uprobe_xol_taken", "slot=%lu", slots, 3), 3);
	ASSERT_EQ(events_read("uprobe_xol_taken", "slot=%*u vaddr=%lx", vaddrs, 3), 3);
	for (unsigned int i = 0; i < 3; i++)
		EXPECT_EQ(vaddrs[i], start + slots[i] * XOL_SLOT_SIZE);
	EXPECT_NE(slots[0], slots[1]);
	EXPECT_EQ(slots[0], slots[2]);
	EXPECT_EQ(events("uprobe_xol_grown"), 0);
	EXPECT_EQ(events("uprobe_xol_recycled"), 0);
	EXPECT_EQ(events("uprobe_xol_waited"), 0);
	EXPECT_CHANGES(self->before, 2, 1, 1, 0, 0);
}

TEST_F_TIMEOUT(seen, grown, TIME_LIMIT)
{
	unsigned long pages;

	if (self->slots == self->slots_of_page)
		SKIP(return, "an area has one page");

	for (unsigned int i = 0; i < self->slots_of_page; i++)
		call(i);
	EXPECT_EQ(events("uprobe_xol_grown"), 0);
	EXPECT_CHANGES(self->before, self->slots_of_page, 1, 1, 0, 0);

	call(self->slots_of_page);
	ASSERT_EQ(events_read("uprobe_xol_grown", "pages=%lu", &pages, 1), 1);
	EXPECT_EQ(pages, 2);
	EXPECT_EQ(events("uprobe_xol_taken"), self->slots_of_page + 1);
	EXPECT_CHANGES(self->before, self->slots_of_page + 1, 2, 1, 0, 0);
}

TEST_F_TIMEOUT(seen, recycled, TIME_LIMIT)
{
	long pages = (self->slots + 1) / (self->slots_of_page + 1);
	unsigned int recycled;

	for (unsigned int i = 0; i < self->slots; i++)
		call(i);
	EXPECT_EQ(events("uprobe_xol_recycled"), 0);
	EXPECT_CHANGES(self->before, self->slots, pages, 1, 0, 0);

	call(self->slots);
	recycled = events("uprobe_xol_recycled");
	EXPECT_GE(recycled, 1);
	EXPECT_EQ(events("uprobe_xol_taken"), self->slots + 1);
	EXPECT_EQ(events("uprobe_xol_grown"), pages - 1);
	EXPECT_EQ(events("uprobe_xol_waited"), 0);
	EXPECT_CHANGES(self->before, self->slots + 1 - recycled, pages, 1, recycled, 0);
	EXPECT_EQ(counters_read(self->counters, 0), self->slots + 1);
}

TEST_F_TIMEOUT(seen, waited, TIME_LIMIT)
{
	struct threads *waiter;
	struct blocked *blocked;
	unsigned long killed;

	ASSERT_TRUE(blocked_start(&blocked, self->slots, self->slots, PATIENCE));
	EXPECT_EQ(counts_read().of[TASKS] - self->before.of[TASKS], self->slots);
	EXPECT_EQ(counts_read().of[WAITS], self->before.of[WAITS]);

	waiter = threads_start(1, call);
	EXPECT_TRUE(counts_reach(&self->before, WAITS, 1));
	EXPECT_EQ(events("uprobe_xol_waited"), 0);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	threads_join(waiter);

	ASSERT_EQ(events_read("uprobe_xol_waited", "killed=%lu", &killed, 1), 1);
	EXPECT_EQ(killed, 0);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	EXPECT_EQ(counters_read(self->counters, 1), self->slots);
	/* The threads are gone, and what they stepped stays in the slots. */
	EXPECT_EQ(counts_read().of[TASKS], self->before.of[TASKS]);
	EXPECT_EQ(counts_read().of[WAITS] - self->before.of[WAITS], 1);
}

/* A process that is killed while it has slots and waits for one leaves nothing. */
TEST_F_TIMEOUT(seen, killed, TIME_LIMIT)
{
	struct blocked *blocked;
	struct counts after;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!blocked_start(&blocked, self->slots, self->slots, PATIENCE))
			_exit(KSFT_FAIL);
		call(0);
		_exit(KSFT_FAIL);
	}
	EXPECT_TRUE(counts_reach(&self->before, WAITS, 1));
	EXPECT_EQ(counts_read().of[SLOTS] - self->before.of[SLOTS], self->slots);
	EXPECT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));

	/* It may have got the slot of a thread that died first. */
	EXPECT_EQ(events("uprobe_xol_waited"), 1);
	after = counts_read();
	EXPECT_CHANGES(self->before, 0, 0, 0,
		       after.of[RECYCLES] - self->before.of[RECYCLES], 1);
}

static int told[2], stay[2];

static void call_and_stay(unsigned int index)
{
	char byte;

	for (unsigned int i = 0; i < FEW; i++)
		call(i);
	if (write(told[1], "", 1) != 1 || read(stay[0], &byte, 1))
		abort();
}

/* Threads that execute the same share the slots, and each counts as a task. */
TEST_F_TIMEOUT(seen, counts, TIME_LIMIT)
{
	int status;
	pid_t pid;
	char byte;

	ASSERT_EQ(pipe(told), 0);
	ASSERT_EQ(pipe(stay), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(stay[1]);
		threads_run(THREADS, call_and_stay);
		_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
	}
	close(told[1]);
	for (unsigned int i = 0; i < THREADS; i++)
		ASSERT_EQ(read(told[0], &byte, 1), 1);
	EXPECT_EQ(counters_read(self->counters, 0), THREADS * FEW);
	EXPECT_CHANGES(self->before, FEW, 1, THREADS, 0, 0);

	/* All threads end with this. */
	close(stay[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, KSFT_PASS);
	EXPECT_CHANGES(self->before, 0, 0, 0, 0, 0);
}

/* As all who ask where a thread is, a trace event is told of the program's place. */
TEST_F_TIMEOUT(seen, user_stack, TIME_LIMIT)
{
	long size = sysconf(_SC_PAGESIZE);
	uint64_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t stored;
	int probe;

	ASSERT_NE(page, MAP_FAILED);
	if (!boost_switch(true))
		SKIP(return, "who is stepped is seen in the slot");
	probe = probe_attach(store_function, program_count(self->counters, 0));
	/* The slot is there: what faults next is the instruction. */
	store_function(&stored, 1);
	instance_set("options/userstacktrace", "1");
	trace_faults(true);
	store_function(page, 2);
	trace_faults(false);
	boost_switch(false);
	close(probe);

	EXPECT_EQ(*page, 2);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	EXPECT_EQ(fault_stack(), (uintptr_t)store_function);
}

/* About steps, but for one */
int main(int argc, char **argv)
{
	boost_leave_off();
	return test_harness_run(argc, argv);
}
