// SPDX-License-Identifier: GPL-2.0
/*
 * Probes that come and go while they are hit, stepped and returned through, and
 * files that change under them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "threads.h"

#define NUMBER		31
#define MANY		40
#define THREADS		8
#define ROUNDS		5
#define PATIENCE	60
#define TIME_LIMIT	600
/* More than the kernel tracks returns of (MAX_URETPROBE_DEPTH) */
#define DEPTH		100
#define DEPTH_TRACKED	64

static unsigned int wrong_results;
static unsigned long calls;
static bool stop;

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void call_until_stopped(unsigned int index)
{
	unsigned long made = 0;

	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); made++) {
		call(NUMBER);
		give_way_at_times(made);
	}
	__atomic_add_fetch(&calls, made, __ATOMIC_RELAXED);
}

static void call_many_until_stopped(unsigned int index)
{
	unsigned long made = 0;

	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); made++) {
		call((index + made) % MANY);
		give_way_at_times(made);
	}
	__atomic_add_fetch(&calls, made, __ATOMIC_RELAXED);
}

static void stop_threads(struct threads *threads)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
}

FIXTURE(registration) {
	int counters;
};

FIXTURE_SETUP(registration)
{
	self->counters = counters_create(3);
}

FIXTURE_TEARDOWN(registration)
{
	EXPECT_EQ(wrong_results, 0);
}

TEST_F_TIMEOUT(registration, comes_and_goes, TIME_LIMIT)
{
	struct threads *threads = threads_start(THREADS, call_until_stopped);
	int program = program_count(self->counters, 0);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = counters_read(self->counters, 0);
		int probe = probe_attach(numbered_function(NUMBER), program);

		counters_wait_for(self->counters, 0, before + THREADS);
		close(probe);
	}
	stop_threads(threads);
	EXPECT_LE(counters_read(self->counters, 0), calls);
	EXPECT_TRUE(xol_area_mapped());
}

TEST_F_TIMEOUT(registration, many_come_and_go, TIME_LIMIT)
{
	struct threads *threads = threads_start(THREADS, call_many_until_stopped);
	const void *addresses[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		addresses[i] = numbered_function(i);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = counters_read(self->counters, 0);
		int link = probe_attach_many(addresses, MANY, self->counters, 0);

		counters_wait_for(self->counters, 0, before + THREADS);
		close(link);
	}
	stop_threads(threads);
	EXPECT_LE(counters_read(self->counters, 0), calls);
}

/* The one that stays hears of every call, whatever others do to the breakpoint. */
static void come_and_go_beside_one(struct __test_metadata *_metadata, int counters,
				   int (*attach)(const void *address, int program))
{
	const void *function = numbered_function(NUMBER);
	int staying = attach(function, program_count(counters, 0));
	int program = program_count(counters, 1);
	struct threads *threads = threads_start(THREADS, call_until_stopped);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t before = counters_read(counters, 1);
		int probe = attach(function, program);

		counters_wait_for(counters, 1, before + THREADS);
		close(probe);
	}
	stop_threads(threads);
	EXPECT_EQ(counters_read(counters, 0), calls);
	EXPECT_LE(counters_read(counters, 1), calls);
	close(staying);
}

TEST_F_TIMEOUT(registration, beside_one_that_stays, TIME_LIMIT)
{
	come_and_go_beside_one(_metadata, self->counters, probe_attach);
}

TEST_F_TIMEOUT(registration, return_beside_one_that_stays, TIME_LIMIT)
{
	come_and_go_beside_one(_metadata, self->counters, probe_attach_return);
}

/* One link, many functions: each return is told as that of its own. */
TEST_F_TIMEOUT(registration, many_return, TIME_LIMIT)
{
	int counters = counters_create(MANY), link;
	const void *addresses[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		addresses[i] = numbered_function(i);
	link = probe_attach_each_return(addresses, MANY, counters);
	for (unsigned int i = 0; i < MANY; i++)
		for (unsigned int j = 0; j <= i; j++)
			call(i);
	for (unsigned int i = 0; i < MANY; i++)
		EXPECT_EQ(counters_read(counters, i), i + 1);
	close(link);
	call(0);
	EXPECT_EQ(counters_read(counters, 0), 1);
	EXPECT_TRUE(xol_area_mapped());
	close(counters);
}

/* One breakpoint, several consumers: all of them hear of every hit. */
TEST_F_TIMEOUT(registration, several_consumers, TIME_LIMIT)
{
	int probes[3];

	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i] = probe_attach(numbered_function(NUMBER),
					 program_count(self->counters, i));
	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++) {
		for (unsigned int j = 0; j < 100; j++)
			call(NUMBER);
		close(probes[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++)
		EXPECT_EQ(counters_read(self->counters, i), 100 * (i + 1));
}

/* The step outlives its probe. */
TEST_F_TIMEOUT(registration, goes_during_a_step, TIME_LIMIT)
{
	int probe = blocked_attach(2, self->counters, 0);
	struct blocked *blocked;

	ASSERT_TRUE(blocked_start(&blocked, 8, 2, PATIENCE));
	close(probe);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 8);
}

static int closed_inside;

static int close_inside(void)
{
	return close(closed_inside);
}

/* Variables that others may change: calls through them cannot be inlined. */
int (*close_function)(void) = close_inside;

TEST_F_TIMEOUT(registration, goes_before_the_return, TIME_LIMIT)
{
	closed_inside = probe_attach_return(close_inside,
					    program_count(self->counters, 0));
	EXPECT_EQ(close_function(), 0);
	/* nobody is left to be told of the return, which worked all the same */
	EXPECT_EQ(counters_read(self->counters, 0), 0);
}

static unsigned int nested(unsigned int depth);
unsigned int (*nested_function)(unsigned int depth) = nested;

static unsigned int nested(unsigned int depth)
{
	return depth > 1 ? nested_function(depth - 1) + 1 : 1;
}

TEST_F_TIMEOUT(registration, nested_returns, TIME_LIMIT)
{
	int entry = probe_attach(nested, program_count(self->counters, 0));
	int ret = probe_attach_return(nested, program_count(self->counters, 1));

	EXPECT_EQ(nested_function(DEPTH_TRACKED), DEPTH_TRACKED);
	EXPECT_EQ(counters_read(self->counters, 0), DEPTH_TRACKED);
	EXPECT_EQ(counters_read(self->counters, 1), DEPTH_TRACKED);

	/* the innermost ones return as if they were not probed */
	EXPECT_EQ(nested_function(DEPTH), DEPTH);
	EXPECT_EQ(counters_read(self->counters, 0), DEPTH_TRACKED + DEPTH);
	EXPECT_EQ(counters_read(self->counters, 1), 2 * DEPTH_TRACKED);
	close(entry);
	close(ret);
}

/* Initialized, to be in the file; and only the kernel changes it. */
unsigned short probe_references[4] = { 0x1234, 0, 0, 0x1234 };

static unsigned short references(void)
{
	return __atomic_load_n(&probe_references[1], __ATOMIC_RELAXED);
}

TEST_F_TIMEOUT(registration, reference_counter, TIME_LIMIT)
{
	struct probe_at at = {
		.path = EXECUTABLE,
		.offset = probe_file_offset(numbered_function(NUMBER)),
		.ref_ctr_offset = probe_file_offset(&probe_references[1]),
	};
	int probe;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(references(), 0);
		probe = probe_attach_at(&at, program_count(self->counters, 0));
		EXPECT_EQ(references(), 1);
		call(NUMBER);
		close(probe);
	}
	EXPECT_EQ(references(), 0);
	EXPECT_EQ(counters_read(self->counters, 0), ROUNDS);
	EXPECT_EQ(probe_references[0], 0x1234);
	EXPECT_EQ(probe_references[2], 0);
}

/* A copy of this program, to change what it is probed in */
FIXTURE(file) {
	int counters;
	char path[32], other_path[32];
	uint64_t offset, size;
	int file;
};

/* @path: a template for mkstemp() */
static int copy_executable(char *path)
{
	char buffer[65536];
	ssize_t length;
	int from, to;

	to = mkstemp(path);
	from = open(EXECUTABLE, O_RDONLY);
	if (to < 0 || from < 0)
		ksft_exit_fail_perror(path);
	while ((length = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, length) != length)
			ksft_exit_fail_perror(path);
	close(from);
	return to;
}

FIXTURE_SETUP(file)
{
	struct stat stat;

	self->counters = counters_create(1);
	self->offset = probe_file_offset(numbered_function(NUMBER));
	strcpy(self->path, "/tmp/uprobes-XXXXXX");
	strcpy(self->other_path, self->path);
	self->file = copy_executable(self->path);
	close(copy_executable(self->other_path));
	ASSERT_EQ(fstat(self->file, &stat), 0);
	self->size = stat.st_size;
}

FIXTURE_TEARDOWN(file)
{
	unlink(self->path);
	unlink(self->other_path);
	close(self->file);
}

static const char *map_file(int file, uint64_t size)
{
	const char *mapping = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE,
				   file, 0);

	if (mapping == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return mapping;
}

TEST_F_TIMEOUT(file, replaced, TIME_LIMIT)
{
	struct probe_at at = { .path = self->path, .offset = self->offset };
	const char *mapping = map_file(self->file, self->size), *other;
	int probe, other_file;

	probe = probe_attach_at(&at, program_count(self->counters, 0));
	EXPECT_EQ(call_numbered_at(mapping + self->offset), NUMBER);
	EXPECT_EQ(counters_read(self->counters, 0), 1);

	/* the old file has the probe, the new one has the name */
	ASSERT_EQ(rename(self->other_path, self->path), 0);
	other_file = open(self->path, O_RDONLY);
	ASSERT_GE(other_file, 0);
	other = map_file(other_file, self->size);
	EXPECT_EQ(call_numbered_at(mapping + self->offset), NUMBER);
	EXPECT_EQ(call_numbered_at(other + self->offset), NUMBER);
	EXPECT_EQ(counters_read(self->counters, 0), 2);

	close(probe);
	EXPECT_EQ(call_numbered_at(mapping + self->offset), NUMBER);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	close(other_file);
}

/* Mapped again and again, the probe is there from the first moment. */
TEST_F_TIMEOUT(file, mapped_while_probed, TIME_LIMIT)
{
	struct probe_at at = { .path = self->path, .offset = self->offset };
	int probe = probe_attach_at(&at, program_count(self->counters, 0));

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const char *mapping = map_file(self->file, self->size);

		EXPECT_EQ(call_numbered_at(mapping + self->offset), NUMBER);
		EXPECT_EQ(munmap((void *)mapping, self->size), 0);
	}
	EXPECT_EQ(counters_read(self->counters, 0), ROUNDS);
	close(probe);
}

/*
 * A thread is blocked in a step when the probe goes, and the file that it was in,
 * and the filesystem that the file was in.
 */
TEST_F_TIMEOUT(file, unmounted_during_a_step, TIME_LIMIT)
{
	char folder[] = "/tmp/uprobes-XXXXXX", path[64];
	struct probe_at at = {
		.path = path,
		.offset = probe_file_offset(numbered_loads),
	};
	time_t limit = time(NULL) + PATIENCE;
	struct blocked *blocked;
	const char *mapping;
	int probe, file;
	void *copy;

	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	ASSERT_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ASSERT_NE(mkdtemp(folder), NULL);
	ASSERT_EQ(mount("uprobes", folder, "tmpfs", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/XXXXXX", folder);
	file = copy_executable(path);
	mapping = map_file(file, self->size);
	probe = probe_attach_at(&at, program_count(self->counters, 0));
	ASSERT_TRUE(blocked_start_in(&blocked, mapping + at.offset, 1, 1, PATIENCE));

	/* code to return to, of no file */
	copy = mmap((void *)mapping, self->size, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(copy, mapping);
	ASSERT_EQ(pread(file, copy, self->size, 0), self->size);
	__builtin___clear_cache(copy, (char *)copy + self->size);
	close(file);
	close(probe);
	/* the kernel drops the probe's reference to the file in its own time */
	while (umount(folder)) {
		ASSERT_EQ(errno, EBUSY);
		ASSERT_LT(time(NULL), limit);
		give_way();
	}
	rmdir(folder);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
}

static sigjmp_buf jump;

static void leave_call(int signal)
{
	siglongjmp(jump, signal);
}

static int call_and_catch(const char *address)
{
	int caught;

	signal(SIGBUS, leave_call);
	caught = sigsetjmp(jump, 1);
	if (!caught && call_numbered_at(address) != NUMBER)
		caught = -1;
	return caught;
}

TEST_F_TIMEOUT(file, truncated, TIME_LIMIT)
{
	struct probe_at at = { .path = self->path, .offset = self->offset };
	const char *mapping = map_file(self->file, self->size), *again;
	int probe = probe_attach_at(&at, program_count(self->counters, 0));

	EXPECT_EQ(call_and_catch(mapping + self->offset), 0);
	ASSERT_EQ(ftruncate(self->file, 0), 0);
	/*
	 * The page with the breakpoint is the process's own, but truncation
	 * takes that as well.
	 */
	EXPECT_EQ(call_and_catch(mapping + self->offset), SIGBUS);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	again = map_file(self->file, self->size);
	EXPECT_EQ(call_and_catch(again + self->offset), SIGBUS);
	close(probe);
	call(NUMBER);
	EXPECT_EQ(wrong_results, 0);
}

TEST_HARNESS_MAIN
