// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted slots lie in mappings near the text that they serve: very many probes, what
 * these take and give back, text that no such mapping can be near to, limits of the
 * process, text that comes and goes, and operands that are relative to ip. Every
 * execution is counted once and has its effect.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "clock.h"
#include "near.h"
#include "probe.h"
#include "registers.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"

#define TIME_LIMIT	600
#define PATIENCE	120
/* Functions of this program that it calls when it is executed with this argument */
#define CALL_ARGUMENT	"call-and-exit"
#define CALLED		64
/* Milliseconds for which no slot is asked for after there was no room */
#define RETRY_AFTER	100

/* Code that is made: function number n returns n. */

#define FUNCTION_SIZE	16

struct code {
	char path[32];
	int file;
	unsigned int number;
	const char *text;
};

#if defined(__aarch64__)
/* ldr w0, [sp] */
#define LOAD_INSN	0xb94003e0
#endif

static void write_function(void *at, uint32_t number)
{
#if defined(__x86_64__)
	/* mov $number, %eax; ret */
	uint8_t bytes[] = { 0xb8, number, number >> 8, number >> 16, number >> 24, 0xc3 };

	memcpy(at, bytes, sizeof(bytes));
#elif defined(__aarch64__)
	/* the load; movz w0, number; movk w0, number >> 16, lsl 16; ret */
	uint32_t insns[] = {
		LOAD_INSN, 0x52800000 | (number & 0xffff) << 5, 0x72a00000 | number >> 16 << 5,
		0xd65f03c0,
	};

	memcpy(at, insns, sizeof(insns));
#elif defined(__riscv)
	/* lui a0, number + 0x800 >> 12; addiw a0, a0, number; ret */
	uint32_t insns[] = {
		0x00000537 | ((number + 0x800) & 0xfffff000), 0x0005051b | number << 20, 0x00008067,
	};

	memcpy(at, insns, sizeof(insns));
#endif
}

static size_t code_size(const struct code *code)
{
	size_t page_size = sysconf(_SC_PAGESIZE);

	return (code->number * FUNCTION_SIZE + page_size - 1) & -page_size;
}

static void write_file(struct code *code, const void *content, size_t size)
{
	strcpy(code->path, "/tmp/uprobes-XXXXXX");
	code->file = mkstemp(code->path);
	if (code->file < 0 || write(code->file, content, size) != size)
		ksft_exit_fail_perror(code->path);
}

static void code_make(struct code *code, unsigned int number)
{
	char *content;

	code->number = number;
	content = calloc(1, code_size(code));
	if (!content)
		ksft_exit_fail_msg("no memory for %u functions\n", number);
	for (unsigned int i = 0; i < number; i++)
		write_function(content + i * FUNCTION_SIZE, i);
	write_file(code, content, code_size(code));
	free(content);
}

/* Maps the code at @at, or anywhere if that is NULL. */
static void code_map(struct code *code, void *at)
{
	void *text = mmap(at, code_size(code), PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | (at ? MAP_FIXED : 0), code->file, 0);

	if (text == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	code->text = text;
}

/* Counts in @counters[i] for function @first + i. */
static int code_attach(const struct code *code, unsigned int first, unsigned int number,
		       int counters)
{
	uint64_t *offsets = calloc(number, sizeof(*offsets));
	int link;

	if (!offsets)
		ksft_exit_fail_msg("no memory for %u probes\n", number);
	for (unsigned int i = 0; i < number; i++)
		offsets[i] = (first + i) * FUNCTION_SIZE;
	link = probe_attach_each_at(code->path, offsets, number, counters);
	free(offsets);
	return link;
}

/* Calls functions; returns how many of them returned something else. */
static unsigned int code_call(const struct code *code, unsigned int first, unsigned int number)
{
	unsigned int wrong = 0;

	for (unsigned int i = first; i < first + number; i++)
		if (((uint32_t (*)(void))(code->text + i * FUNCTION_SIZE))() != i)
			wrong++;
	return wrong;
}

static void code_remove(struct code *code)
{
	close(code->file);
	unlink(code->path);
}

static unsigned long count(const char *name)
{
	unsigned long value = 0;

	xol_count(name, &value);
	return value;
}

/* Counts of all processes, as they were before the test */
struct counts {
	unsigned long boosted, unboosted, pages, areas;
};

static void counts_read(struct counts *counts)
{
	counts->boosted = count("boosted");
	counts->unboosted = count("unboosted");
	counts->pages = count("boost_pages");
	counts->areas = count("boost_areas");
}

FIXTURE(near) {
	struct counts before;
	struct code code;
};

FIXTURE_SETUP(near)
{
	unsigned long pages;

	if (!boost_is_on() || !xol_count("boost_pages", &pages))
		SKIP(return, "no boosted slots: needs CONFIG_UPROBES_XOL_BOOST");
	xol_counts_settle();
	counts_read(&self->before);
}

FIXTURE_TEARDOWN(near)
{
	if (self->code.text)
		code_remove(&self->code);
}

/* Boosted slots whose probes are gone, and their pages, are given back. */
#define EXPECT_GIVEN_BACK() do {					\
	EXPECT_EQ(xol_count_wait("boosted", self->before.boosted),	\
		  self->before.boosted);				\
	EXPECT_EQ(xol_count_wait("boost_pages", self->before.pages),	\
		  self->before.pages);					\
} while (0)

/* How many of these counters are not @hits */
static unsigned int different_from(uint64_t hits, int counters, unsigned int number)
{
	unsigned int different = 0;

	for (unsigned int i = 0; i < number; i++)
		different += counters_read(counters, i) != hits;
	return different;
}

#define EXPECT_EACH(counters, number, hits)				\
	EXPECT_EQ(different_from(hits, counters, number), 0)

/* Very many probes */

#define BATCH		10000
#define BATCHES		10
#define MANY		(BATCH * BATCHES)
/* Hits that need not be boosted */
#define MOST_STEPPED	(MANY / 100)
/* Of memory for a probe, at most */
#define BYTES		48

TEST_F_TIMEOUT(near, hundred_thousand, TIME_LIMIT)
{
	int counters[BATCHES], links[BATCHES];
	struct counts now;
	unsigned long pages;

	code_make(&self->code, MANY);
	for (unsigned int i = 0; i < BATCHES; i++) {
		counters[i] = counters_create(BATCH);
		links[i] = code_attach(&self->code, i * BATCH, BATCH, counters[i]);
	}
	code_map(&self->code, NULL);
	EXPECT_EQ(code_call(&self->code, 0, MANY), 0);
	for (unsigned int i = 0; i < BATCHES; i++)
		EXPECT_EACH(counters[i], BATCH, 1);

	/* A hit that meets the search for slots of unmapped text gets a slot the next time. */
	EXPECT_EQ(code_call(&self->code, 0, MANY), 0);
	counts_read(&now);
	pages = now.pages - self->before.pages;
	ksft_print_msg("%lu slots in %lu pages of %lu areas, %lu hits not boosted\n",
		       now.boosted - self->before.boosted, pages,
		       now.areas - self->before.areas,
		       now.unboosted - self->before.unboosted);
	EXPECT_EQ(now.boosted - self->before.boosted, MANY);
	EXPECT_LE(now.unboosted - self->before.unboosted, MOST_STEPPED);
	/* Each page has one with records. */
	EXPECT_LE(pages * 2 * sysconf(_SC_PAGESIZE), BYTES * MANY);
	for (unsigned int i = 0; i < BATCHES; i++)
		close(links[i]);
	EXPECT_GIVEN_BACK();
	EXPECT_EQ(code_call(&self->code, 0, MANY), 0);
	for (unsigned int i = 0; i < BATCHES; i++)
		EXPECT_EACH(counters[i], BATCH, 2);
}

/* Every page of the mappings can be read */

/* How many bytes were read in another way and differ; the page may be refused there. */
static unsigned int differ(const char *page, const char *copy, ssize_t copied, size_t size)
{
	unsigned int different = 0;

	for (ssize_t i = 0; i < copied && i < size; i++)
		different += page[i] != copy[i];
	return different;
}

static unsigned int read_everywhere(unsigned int *pages)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *copy = malloc(page_size), *page_copy = malloc(page_size);
	unsigned int different = 0;
	struct xol_mappings areas;

	if (!copy || !page_copy || memory < 0)
		ksft_exit_fail_perror("/proc/self/mem");
	xol_mappings_find(getpid(), &areas);
	*pages = 0;
	for (unsigned int i = 0; i < areas.number; i++) {
		for (uintptr_t at = areas.of[i].start; at < areas.of[i].end; at += page_size) {
			struct iovec local = { copy, page_size };
			struct iovec remote = { (void *)at, page_size };

			for (size_t j = 0; j < page_size; j++)
				page_copy[j] = ((volatile char *)at)[j];
			different += differ(page_copy, copy,
					    pread(memory, copy, page_size, at), page_size);
			different += differ(page_copy, copy,
					    process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
					    page_size);
			++*pages;
		}
	}
	close(memory);
	free(copy);
	free(page_copy);
	return different;
}

#define READABLE	600

TEST_F_TIMEOUT(near, all_can_be_read, TIME_LIMIT)
{
	int counters = counters_create(READABLE), probes;
	unsigned int pages;

	code_make(&self->code, READABLE);
	code_map(&self->code, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		probes = code_attach(&self->code, 0, READABLE, counters);
		EXPECT_EQ(code_call(&self->code, 0, 1), 0);
		EXPECT_EQ(read_everywhere(&pages), 0);
		ksft_print_msg("%u pages can be read\n", pages);
		EXPECT_EQ(code_call(&self->code, 0, READABLE), 0);
		EXPECT_EQ(read_everywhere(&pages), 0);
		close(probes);
		EXPECT_GIVEN_BACK();
		EXPECT_EQ(read_everywhere(&pages), 0);
	}
	EXPECT_EQ(counters_read(counters, 0), 4);
	for (unsigned int i = 1; i < READABLE; i++)
		EXPECT_EQ(counters_read(counters, i), 2);
}

/* The same for stepped slots, of which there are fewer pages at first */
TEST_F_TIMEOUT(near, all_stepped_can_be_read, TIME_LIMIT)
{
	int counters = counters_create(READABLE), probes;
	unsigned int pages;

	code_make(&self->code, READABLE);
	code_map(&self->code, NULL);
	probes = code_attach(&self->code, 0, READABLE, counters);
	boost_switch(false);
	EXPECT_EQ(code_call(&self->code, 0, READABLE), 0);
	boost_switch(true);
	EXPECT_EQ(read_everywhere(&pages), 0);
	close(probes);
	EXPECT_EQ(read_everywhere(&pages), 0);
	EXPECT_EACH(counters, READABLE, 1);
}

/* No mapping is near */

/* More than a jump reaches, in both directions */
#define SURROUNDINGS	(5UL << 30)
#define HALF		(SURROUNDINGS / 2)
#define FEW		100

static char *take_surroundings(void)
{
	char *start = mmap(NULL, SURROUNDINGS, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return start;
}

TEST_F_TIMEOUT(near, no_room_within_reach, TIME_LIMIT)
{
	int counters = counters_create(FEW), probes;
	char *start = take_surroundings();
	struct xol_mappings areas;
	struct counts now;

	code_make(&self->code, FEW);
	code_map(&self->code, start + HALF);
	probes = code_attach(&self->code, 0, FEW, counters);
	EXPECT_EQ(code_call(&self->code, 0, FEW), 0);
	counts_read(&now);
	EXPECT_EQ(now.boosted, self->before.boosted);
	EXPECT_EQ(now.areas, self->before.areas);
	EXPECT_EQ(now.unboosted - self->before.unboosted, FEW);
	/* stepped */
	EXPECT_TRUE(xol_mappings_find(getpid(), &areas));
	EXPECT_EQ(areas.number, 1);

	/* There is room now. */
	ASSERT_EQ(munmap(start, HALF), 0);
	sleep_milliseconds(2 * RETRY_AFTER);
	EXPECT_EQ(code_call(&self->code, 0, FEW), 0);
	EXPECT_EQ(count("boosted") - self->before.boosted, FEW);
	EXPECT_EQ(count("boost_areas") - self->before.areas, 1);
	EXPECT_TRUE(xol_mappings_find(getpid(), &areas));
	EXPECT_EQ(areas.number, 2);
	EXPECT_TRUE(xol_mappings_hold(&areas, areas.of[0].start));
	EXPECT_EACH(counters, FEW, 2);
	close(probes);
	EXPECT_GIVEN_BACK();
}

/* Another process has room where this one has none, for the same probes. */
TEST_F_TIMEOUT(near, no_room_in_one_process, TIME_LIMIT)
{
	int counters = counters_create(FEW), probes, status;
	char *start = take_surroundings();
	pid_t pid;

	code_make(&self->code, FEW);
	code_map(&self->code, start + HALF);
	probes = code_attach(&self->code, 0, FEW, counters);
	EXPECT_EQ(code_call(&self->code, 0, FEW), 0);
	EXPECT_EQ(count("boosted"), self->before.boosted);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (munmap(start, HALF) || code_call(&self->code, 0, FEW))
			_exit(KSFT_FAIL);
		_exit(count("boosted") - self->before.boosted == FEW ? KSFT_PASS : KSFT_FAIL);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_EACH(counters, FEW, 2);
	close(probes);
}

#if defined(__x86_64__)
/* Bytes from the text to its data above, and to the only hole, which is below */
#define DATA_DISTANCE	(1UL << 30)
#define HOLE_DISTANCE	(3UL << 29)
#define HOLE_SIZE	(1UL << 20)
#define DATA		0x123456789abcdef

/* The slot is within reach of the text, and the operand is, but one is not of the other. */
TEST_F_TIMEOUT(near, operand_out_of_reach, TIME_LIMIT)
{
	/* mov disp(%rip), %rax; ret */
	uint8_t code[] = { 0x48, 0x8b, 0x05, 0, 0, 0, 0, 0xc3 };
	struct probe_at at = { .path = self->code.path };
	size_t page_size = sysconf(_SC_PAGESIZE);
	int counters = counters_create(1), probe;
	char *start = take_surroundings(), *text = start + HALF;
	uint32_t distance = DATA_DISTANCE - 7;
	uint64_t *data;

	data = mmap(text + DATA_DISTANCE, page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_NE(data, MAP_FAILED);
	*data = DATA;
	memcpy(code + 3, &distance, sizeof(distance));
	self->code.number = 1;
	write_file(&self->code, code, sizeof(code));
	code_map(&self->code, text);
	ASSERT_EQ(munmap(text - HOLE_DISTANCE, HOLE_SIZE), 0);
	probe = probe_attach_at(&at, program_count(counters, 0));
	for (unsigned int i = 0; i < FEW; i++)
		EXPECT_EQ(((uint64_t (*)(void))text)(), DATA);
	EXPECT_EQ(counters_read(counters, 0), FEW);
	EXPECT_EQ(count("boost_areas") - self->before.areas, 1);
	EXPECT_EQ(count("unboosted") - self->before.unboosted, FEW);
	close(probe);
	EXPECT_GIVEN_BACK();
}
#endif

/* Limits of the process are not exceeded for what it did not ask for */

static int counters_of_limits;

static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t pages;

	if (!file || fscanf(file, "%zu", &pages) != 1)
		ksft_exit_fail_perror("/proc/self/statm");
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

struct limited {
	struct code *code;
	size_t left, wanted;
};

static int call_with_little_left(const void *argument)
{
	const struct limited *limited = argument;
	struct rlimit limit = { .rlim_max = RLIM_INFINITY };
	unsigned int wrong;
	void *own;

	limit.rlim_cur = address_space() + limited->left;
	if (setrlimit(RLIMIT_AS, &limit))
		return KSFT_FAIL;
	wrong = code_call(limited->code, 0, FEW);
	own = mmap(NULL, limited->wanted, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED && limited->wanted)
		ksft_print_msg("%zu bytes of %zu cannot be mapped\n", limited->wanted,
			       limited->left);
	return wrong || (own == MAP_FAILED && limited->wanted) ? KSFT_FAIL : KSFT_PASS;
}

FIXTURE(limited) {
	struct code code;
	int probes;
};

FIXTURE_VARIANT(limited) {
	/* KiB that are left, and that the process maps itself after hits */
	size_t left, wanted;
};

FIXTURE_VARIANT_ADD(limited, to_nothing) { .left = 0, .wanted = 0 };
FIXTURE_VARIANT_ADD(limited, to_128_KiB) { .left = 128, .wanted = 64 };
FIXTURE_VARIANT_ADD(limited, to_1_MiB) { .left = 1024, .wanted = 512 };

FIXTURE_SETUP(limited)
{
	if (!boost_is_on())
		SKIP(return, "no boosted slots: needs CONFIG_UPROBES_XOL_BOOST");
	code_make(&self->code, FEW);
	code_map(&self->code, NULL);
	counters_of_limits = counters_create(FEW);
	self->probes = code_attach(&self->code, 0, FEW, counters_of_limits);
}

FIXTURE_TEARDOWN(limited)
{
	close(self->probes);
	code_remove(&self->code);
}

TEST_F_TIMEOUT(limited, address_space, TIME_LIMIT)
{
	struct limited limited = {
		.code = &self->code, .left = variant->left << 10, .wanted = variant->wanted << 10,
	};

	EXPECT_EQ(run_isolated(call_with_little_left, &limited, PATIENCE), KSFT_PASS);
	EXPECT_EACH(counters_of_limits, FEW, 1);
}

static unsigned long most_mappings(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long most;

	if (!file || fscanf(file, "%lu", &most) != 1)
		ksft_exit_fail_perror("/proc/sys/vm/max_map_count");
	fclose(file);
	return most;
}

/* Every second page differs from its neighbours, so that each is a mapping. */
static int call_with_all_mappings(const void *argument)
{
	unsigned long most = most_mappings(), unboosted = count("unboosted"), i;
	size_t page_size = sysconf(_SC_PAGESIZE);
	const struct code *code = argument;
	unsigned int wrong;
	char *pages;

	pages = mmap(NULL, (most + 2) * page_size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pages == MAP_FAILED)
		return KSFT_FAIL;
	for (i = 1; i < most; i += 2)
		if (mprotect(pages + i * page_size, page_size, PROT_READ))
			break;
	/* The last one may have been left, as a page makes two more of them. */
	mmap(NULL, page_size, PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mmap(NULL, page_size, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return KSFT_FAIL;
	wrong = code_call(code, 0, FEW);
	if (count("unboosted") - unboosted != FEW)
		ksft_print_msg("%lu hits were not boosted\n", count("unboosted") - unboosted);

	/* One for [uprobes], and one for the process */
	if (mprotect(pages + page_size, page_size, PROT_NONE))
		return KSFT_FAIL;
	if (mmap(NULL, page_size, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
		ksft_print_msg("the process can map nothing any more\n");
		return KSFT_FAIL;
	}
	return wrong || count("unboosted") - unboosted != FEW ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(near, mappings_limited, TIME_LIMIT)
{
	int counters = counters_create(FEW), probes;

	if (most_mappings() > 1000000)
		SKIP(return, "too many mappings to make");
	code_make(&self->code, FEW);
	code_map(&self->code, NULL);
	probes = code_attach(&self->code, 0, FEW, counters);
	EXPECT_EQ(run_isolated(call_with_all_mappings, &self->code, PATIENCE), KSFT_PASS);
	EXPECT_EACH(counters, FEW, 1);
	close(probes);
}

/* Text that comes and goes, at an address that is new each time */

#define LOADED		1024
#define LOADS		100
/* Fewer areas than all slots would take if none was ever reclaimed: 7 */
#define LOADED_AREAS	5

static int load_and_unload(const void *argument)
{
	struct code *code = (struct code *)argument;
	size_t size = code_size(code);
	char *room = mmap(NULL, LOADS * size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned long areas = count("boost_areas");
	unsigned int wrong = 0;

	if (room == MAP_FAILED)
		return KSFT_FAIL;
	for (unsigned int i = 0; i < LOADS; i++) {
		code_map(code, room + i * size);
		wrong += code_call(code, 0, LOADED);
		wrong += code_call(code, 0, LOADED);
		if (munmap(room + i * size, size))
			return KSFT_FAIL;
	}
	areas = count("boost_areas") - areas;
	ksft_print_msg("%lu areas after %u loads of %u probes\n", areas, LOADS, LOADED);
	return wrong || areas > LOADED_AREAS ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(near, text_comes_and_goes, TIME_LIMIT)
{
	int counters = counters_create(LOADED), probes;

	code_make(&self->code, LOADED);
	probes = code_attach(&self->code, 0, LOADED, counters);
	EXPECT_EQ(run_isolated(load_and_unload, &self->code, TIME_LIMIT), KSFT_PASS);
	self->code.text = "";
	ksft_print_msg("%lu hits were not boosted\n",
		       count("unboosted") - self->before.unboosted);
	EXPECT_EACH(counters, LOADED, 2 * LOADS);
	close(probes);
	EXPECT_GIVEN_BACK();
	EXPECT_EQ(xol_count_wait("boost_areas", self->before.areas), self->before.areas);
}

/* Other text where text was: the slots are those of other probes. */
TEST_F_TIMEOUT(near, other_text_at_the_same_address, TIME_LIMIT)
{
	int counters[2] = { counters_create(FEW), counters_create(FEW) }, probes[2];
	char *room = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct code other;
	char *content;

	ASSERT_NE(room, MAP_FAILED);
	code_make(&self->code, FEW);
	/* The second file has the functions in reverse order. */
	other.number = FEW;
	content = calloc(1, code_size(&other));
	ASSERT_NE(content, NULL);
	for (unsigned int i = 0; i < FEW; i++)
		write_function(content + i * FUNCTION_SIZE, FEW - 1 - i);
	write_file(&other, content, code_size(&other));
	probes[0] = code_attach(&self->code, 0, FEW, counters[0]);
	probes[1] = code_attach(&other, 0, FEW, counters[1]);
	for (unsigned int round = 0; round < FEW; round++) {
		code_map(round % 2 ? &other : &self->code, room);
		for (unsigned int i = 0; i < FEW; i++)
			EXPECT_EQ(((uint32_t (*)(void))(room + i * FUNCTION_SIZE))(),
				  round % 2 ? FEW - 1 - i : i);
	}
	for (unsigned int i = 0; i < 2; i++) {
		EXPECT_EACH(counters[i], FEW, FEW / 2);
		close(probes[i]);
	}
	code_remove(&other);
	free(content);
	EXPECT_EQ(munmap(room, sysconf(_SC_PAGESIZE)), 0);
	EXPECT_EQ(count("unboosted"), self->before.unboosted);
}

#if defined(__aarch64__)
static sigjmp_buf branch;

static void leave_branch(int signal)
{
	siglongjmp(branch, signal);
}

/* Branches indirectly to @address; returns the signal that this raises, or 0. */
static int branch_and_catch(const void *address)
{
	int caught;

	signal(SIGILL, leave_branch);
	caught = sigsetjmp(branch, 1);
	if (!caught)
		((void (*)(void))address)();
	signal(SIGILL, SIG_DFL);
	return caught;
}

/* The first boosted slot with the instruction of functions, in the first page of an area */
static const uint32_t *find_slot(uint32_t insn)
{
	struct xol_mappings mappings;

	if (!xol_mappings_find(getpid(), &mappings))
		return NULL;
	for (unsigned int i = 0; i < mappings.number; i++) {
		const uint32_t *start = (const uint32_t *)mappings.of[i].start;

		for (size_t at = 0; at < sysconf(_SC_PAGESIZE) / sizeof(*start); at += 2)
			if (start[at] == insn)
				return start + at;
	}
	return NULL;
}

/*
 * Checks that an indirect branch cannot lead to a boosted slot, and that one may lead to
 * a probed instruction of a text that is not guarded.
 */
TEST_F_TIMEOUT(near, slots_are_no_landing_pads, TIME_LIMIT)
{
	int counters = counters_create(1), link;
	const uint32_t *slot;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI))
		SKIP(return, "this machine does not check indirect branches");
	code_make(&self->code, 1);
	code_map(&self->code, NULL);
	link = code_attach(&self->code, 0, 1, counters);
	EXPECT_EQ(code_call(&self->code, 0, 1), 0);
	EXPECT_EACH(counters, 1, 1);

	slot = find_slot(LOAD_INSN);
	ASSERT_NE(slot, NULL);
	EXPECT_EQ(branch_and_catch(slot), SIGILL);
	EXPECT_EACH(counters, 1, 1);
	EXPECT_EQ(code_call(&self->code, 0, 1), 0);
	close(link);
}
#endif

/* Threads and processes that begin and end while slots are reclaimed */

#define CALLERS		4
#define SET		100
#define REMOVALS	20

static unsigned int wrong;
static bool stop;

static void call_many(unsigned int first, unsigned int number)
{
	for (unsigned int i = first; i < first + number; i++)
		if (call_many_function(i) != i)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static void call_until_stopped(unsigned int index)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		call_many(index * SET / CALLERS, SET / CALLERS);
		/* leaves time to what replaces probes */
		sleep_milliseconds(1);
	}
}

static void call_once(unsigned int index)
{
	call_many(0, SET);
}

/* fork, vfork and exec, threads that end, and a process that is killed */
static bool begin_and_end(unsigned int kind)
{
	char *const arguments[] = { "near", CALL_ARGUMENT, NULL };
	pid_t pid;
	int status;

	switch (kind % 5) {
	case 0:
		threads_run(CALLERS, call_once);
		return true;
	case 1:
		pid = fork();
		if (!pid) {
			call_many(0, SET);
			_exit(wrong ? KSFT_FAIL : KSFT_PASS);
		}
		return exits_with(pid, KSFT_PASS);
	case 2:
		return !posix_spawn(&pid, EXECUTABLE, NULL, NULL, arguments, NULL) &&
		       exits_with(pid, KSFT_PASS);
	case 3:
		pid = vfork();
		if (!pid) {
			/* in the parent's slots */
			call_many(0, SET);
			execv(EXECUTABLE, arguments);
			_exit(KSFT_FAIL);
		}
		return exits_with(pid, KSFT_PASS);
	default:
		pid = fork();
		if (!pid)
			for (;;)
				call_many(0, SET);
		sleep_milliseconds(5);
		return pid > 0 && !kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid;
	}
}

static int call_while_removed(const void *argument)
{
	int counters = *(const int *)argument;
	static const void *addresses[SET];
	struct threads *threads = threads_start(CALLERS, call_until_stopped);
	bool well = true;

	for (unsigned int i = 0; i < SET; i++)
		addresses[i] = many_function(i);
	for (unsigned int i = 0; i < REMOVALS; i++) {
		uint64_t before = counters_read(counters, 0);
		int probes = probe_attach_many(addresses, SET, counters, 0);

		counters_wait_for(counters, 0, before + SET);
		close(probes);
		well &= begin_and_end(i);
		/* once more with probes, and at another moment of the work */
		probes = probe_attach_many(addresses, SET, counters, 0);
		sleep_milliseconds(i);
		well &= begin_and_end(i);
		close(probes);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
	return well && !wrong ? KSFT_PASS : KSFT_FAIL;
}

TEST_F_TIMEOUT(near, processes_begin_and_end, TIME_LIMIT)
{
	int counters = counters_create(1);

	EXPECT_EQ(run_isolated(call_while_removed, &counters, TIME_LIMIT), KSFT_PASS);
	EXPECT_GIVEN_BACK();
	EXPECT_EQ(xol_count_wait("boost_areas", self->before.areas), self->before.areas);
}

#if defined(__x86_64__)
/* Operands that are relative to ip */

#define MOST_OPERANDS	100

static unsigned int operands(void)
{
	return __stop_near_operands - __start_near_operands;
}

static uint64_t offset_of(const char *address)
{
	return address - near_text;
}

static int attach_to_operands(const struct code *code, int counters)
{
	uint64_t offsets[MOST_OPERANDS] = {};

	for (unsigned int i = 0; i < operands(); i++)
		offsets[i] = offset_of(__start_near_operands[i].site);
	return probe_attach_each_at(code->path, offsets, operands(), counters);
}

FIXTURE(operand) {
	struct counts before;
	struct code code;
	size_t size;
	char *at;
	int counters;
	int probes;
};

/* Between two pages of data */
FIXTURE_SETUP(operand)
{
	self->size = near_text_end - near_text;
	write_file(&self->code, near_text, self->size);
	self->at = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->at, MAP_FAILED);
	ASSERT_NE(mmap(self->at + NEAR_PAGE, self->size - 2 * NEAR_PAGE, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_FIXED, self->code.file, NEAR_PAGE), MAP_FAILED);
	self->counters = counters_create(operands());
	xol_counts_settle();
	counts_read(&self->before);
}

FIXTURE_TEARDOWN(operand)
{
	close(self->probes);
	code_remove(&self->code);
}

#define ARGUMENT	0x1122334455667788

static uint64_t call_operand(const char *at, unsigned int index)
{
	const char *function = at + offset_of(__start_near_operands[index].function);

	return ((uint64_t (*)(uint64_t))function)(ARGUMENT);
}

static void fill_data(char *page)
{
	/* not a random number, but also one of floating point */
	for (unsigned int i = 0; i < NEAR_PAGE; i++)
		page[i] = i * 37 + 11;
}

/* What an instruction leaves behind in registers and memory */
struct effect {
	uint64_t result;
	char below[NEAR_PAGE], above[NEAR_PAGE];
};

static void note_effect(struct effect *effect, char *at, size_t size, unsigned int index)
{
	fill_data(at);
	fill_data(at + size - NEAR_PAGE);
	effect->result = call_operand(at, index);
	memcpy(effect->below, at, NEAR_PAGE);
	memcpy(effect->above, at + size - NEAR_PAGE, NEAR_PAGE);
}

TEST_F_TIMEOUT(operand, same_effect, TIME_LIMIT)
{
	struct effect *unprobed = calloc(operands(), sizeof(*unprobed));
	unsigned int boosted = 0;
	struct effect probed;

	ASSERT_NE(unprobed, NULL);
	for (unsigned int i = 0; i < operands(); i++)
		note_effect(&unprobed[i], self->at, self->size, i);
	self->probes = attach_to_operands(&self->code, self->counters);
	for (unsigned int i = 0; i < 2 * operands(); i++) {
		unsigned int index = i % operands();

		note_effect(&probed, self->at, self->size, index);
		EXPECT_EQ(memcmp(&probed, &unprobed[index], sizeof(probed)), 0)
			TH_LOG("%s", __start_near_operands[index].text);
	}
	EXPECT_EACH(self->counters, operands(), 2);
	for (unsigned int i = 0; i < operands(); i++)
		boosted += !__start_near_operands[i].emulated;
	if (boost_is_on()) {
		EXPECT_EQ(count("boosted") - self->before.boosted, boosted);
		EXPECT_EQ(count("unboosted"), self->before.unboosted);
	}
	free(unprobed);
}

/* For certain at the start of the slot: a page of data is left to userfaultfd. */

static char *operand_at;
static unsigned int operand_index;
static uint64_t operand_result;
static uintptr_t handler_ip;
static unsigned int handled;

static void *call_blocked_operand(void *unused)
{
	operand_result = call_operand(operand_at, operand_index);
	return NULL;
}

static int leave_to_userfaultfd(char *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range = { (uintptr_t)page, NEAR_PAGE },
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (uffd < 0)
		return -1;
	/* absent */
	if (madvise(page, NEAR_PAGE, MADV_DONTNEED) || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &range))
		ksft_exit_fail_perror("userfaultfd");
	return uffd;
}

static bool wait_for_fault(int uffd)
{
	struct pollfd fd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;
	int ready;

	do
		ready = poll(&fd, 1, PATIENCE * 1000);
	while (ready < 0 && errno == EINTR);
	return ready == 1 && read(uffd, &message, sizeof(message)) == sizeof(message);
}

static void serve(int uffd, char *page)
{
	static char content[NEAR_PAGE];
	struct uffdio_copy data = {
		.dst = (uintptr_t)page, .src = (uintptr_t)content, .len = NEAR_PAGE,
	};

	fill_data(content);
	if (ioctl(uffd, UFFDIO_COPY, &data))
		ksft_exit_fail_perror("UFFDIO_COPY");
}

/*
 * Sends SIGUSR1 to a thread that runs @call(@page), while its access to the page waits.
 * Returns whether there is userfaultfd.
 */
static bool signal_at_fault(struct __test_metadata *_metadata, void *(*call)(void *), char *page)
{
	struct uffdio_range range = { (uintptr_t)page, NEAR_PAGE };
	int uffd = leave_to_userfaultfd(page);
	pthread_t thread;

	if (uffd < 0)
		return false;
	handled = 0;
	ASSERT_EQ(pthread_create(&thread, NULL, call, page), 0);
	ASSERT_TRUE(wait_for_fault(uffd));
	ASSERT_EQ(pthread_kill(thread, SIGUSR1), 0);
	sleep_milliseconds(2);
	serve(uffd, page);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	ASSERT_EQ(ioctl(uffd, UFFDIO_UNREGISTER, &range), 0);
	close(uffd);
	return true;
}

/* The page that the instruction accesses: those of the table come in two halves. */
static char *page_of(char *at, size_t size, unsigned int index)
{
	return index < operands() / 2 ? at : at + size - NEAR_PAGE;
}

static uintptr_t next_of(const char *at, unsigned int index)
{
	return (uintptr_t)at + offset_of(__start_near_operands[index].next);
}

static void note_signal(int signal, siginfo_t *info, void *context)
{
	handler_ip = *context_ip(context);
	handled++;
}

TEST_F_TIMEOUT(operand, signal_at_the_slot, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = note_signal,
		.sa_flags = SA_SIGINFO,
	};
	static struct effect effect;

	self->probes = attach_to_operands(&self->code, self->counters);
	operand_at = self->at;
	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	for (operand_index = 0; operand_index < operands(); operand_index++) {
		char *page = page_of(self->at, self->size, operand_index);
		uint64_t hits;

		if (__start_near_operands[operand_index].emulated)
			continue;
		note_effect(&effect, self->at, self->size, operand_index);
		hits = counters_read(self->counters, operand_index);
		fill_data(self->at);
		fill_data(self->at + self->size - NEAR_PAGE);
		if (!signal_at_fault(_metadata, call_blocked_operand, page))
			SKIP(return, "needs CONFIG_USERFAULTFD");
		EXPECT_EQ(handled, 1);
		EXPECT_EQ(handler_ip, next_of(self->at, operand_index))
			TH_LOG("%s", __start_near_operands[operand_index].text);
		EXPECT_EQ(operand_result, effect.result)
			TH_LOG("%s", __start_near_operands[operand_index].text);
		EXPECT_EQ(memcmp(self->at, effect.below, NEAR_PAGE), 0);
		EXPECT_EQ(memcmp(self->at + self->size - NEAR_PAGE, effect.above, NEAR_PAGE), 0);
		EXPECT_EQ(counters_read(self->counters, operand_index), hits + 1);
	}
}

/* A process that is blocked in the slot tells that, and is served when it is told so. */
static pid_t start_blocked(char *at, size_t size, unsigned int index, int blocked, int go,
			   uint64_t result)
{
	pid_t pid = fork(), server;
	char *page = page_of(at, size, index), byte;
	int uffd;

	if (pid)
		return pid;
	fill_data(at);
	fill_data(at + size - NEAR_PAGE);
	uffd = leave_to_userfaultfd(page);
	server = fork();
	if (!server) {
		if (!wait_for_fault(uffd) || write(blocked, "", 1) != 1 ||
		    read(go, &byte, 1) != 1)
			_exit(KSFT_FAIL);
		serve(uffd, page);
		_exit(KSFT_PASS);
	}
	_exit(call_operand(at, index) == result ? KSFT_PASS : KSFT_FAIL);
}

TEST_F_TIMEOUT(operand, tracer_at_the_slot, TIME_LIMIT)
{
	static struct effect effect;
	int blocked[2], go[2], uffd;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		SKIP(return, "needs CONFIG_USERFAULTFD");
	close(uffd);
	self->probes = attach_to_operands(&self->code, self->counters);
	ASSERT_EQ(pipe(blocked), 0);
	ASSERT_EQ(pipe(go), 0);
	for (unsigned int i = 0; i < operands(); i++) {
		struct user_regs_struct regs = {};
		char byte;
		int status;
		pid_t pid;

		if (__start_near_operands[i].emulated)
			continue;
		note_effect(&effect, self->at, self->size, i);
		pid = start_blocked(self->at, self->size, i, blocked[1], go[0], effect.result);
		ASSERT_GE(pid, 0);
		ASSERT_EQ(read(blocked[0], &byte, 1), 1);
		ASSERT_EQ(ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_EXITKILL), 0);
		ASSERT_EQ(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
		sleep_milliseconds(2);
		ASSERT_EQ(write(go[1], "", 1), 1);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
		EXPECT_EQ(regs.rip, next_of(self->at, i))
			TH_LOG("%s", __start_near_operands[i].text);
		EXPECT_EQ(regs.eflags & FLAG_TRAP, 0);
		EXPECT_EQ(regs.rdi, ARGUMENT);
		/* or it would stop when its server ends */
		ASSERT_EQ(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS)
			TH_LOG("%s", __start_near_operands[i].text);
	}
}

static sigjmp_buf jump;

static void leave_fault(int signal, siginfo_t *info, void *context)
{
	handler_ip = *context_ip(context);
	siglongjmp(jump, 1);
}

/* The operand is not there: the signal tells of the program's instruction. */
TEST_F_TIMEOUT(operand, not_mapped, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = leave_fault,
		.sa_flags = SA_SIGINFO,
	};

	self->probes = attach_to_operands(&self->code, self->counters);
	ASSERT_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	ASSERT_EQ(mprotect(self->at, NEAR_PAGE, PROT_NONE), 0);
	ASSERT_EQ(mprotect(self->at + self->size - NEAR_PAGE, NEAR_PAGE, PROT_NONE), 0);
	for (unsigned int i = 0; i < operands(); i++) {
		if (__start_near_operands[i].emulated)
			continue;
		handler_ip = 0;
		if (!sigsetjmp(jump, 1))
			call_operand(self->at, i);
		EXPECT_EQ(handler_ip, (uintptr_t)self->at +
			  offset_of(__start_near_operands[i].site))
			TH_LOG("%s", __start_near_operands[i].text);
		EXPECT_EQ(counters_read(self->counters, i), 1);
	}
}

/* Text at address 0, which root may map */

/* Another copy of the text is here, and has slots that the one at address 0 can use. */
#define REACHES_0	0x60000000UL
/* The kernel has higher addresses. */
#define MOST_OF_USER	(1UL << 56)

/* mov (%rdi), %rax; ret */
static const uint8_t load_code[] = { 0x48, 0x8b, 0x07, 0xc3 };
#define LOAD_NEXT	3

static uint64_t load_by(const void *at, const void *data)
{
	const void *volatile text = at;

	return ((uint64_t (*)(const void *))text)(data);
}

static bool map_load_code(struct code *code, uintptr_t at)
{
	return mmap((void *)at, NEAR_PAGE, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_FIXED_NOREPLACE, code->file, 0) == (void *)at;
}

FIXTURE(at_0) {
	struct code code;
	int counters, probe;
};

FIXTURE_SETUP(at_0)
{
	struct probe_at at = { .path = self->code.path };

	write_file(&self->code, load_code, sizeof(load_code));
	if (!map_load_code(&self->code, 0)) {
		code_remove(&self->code);
		SKIP(return, "address 0 cannot be mapped: %s", strerror(errno));
	}
	self->counters = counters_create(1);
	self->probe = probe_attach_at(&at, program_count(self->counters, 0));
}

FIXTURE_TEARDOWN(at_0)
{
	close(self->probe);
	munmap(NULL, NEAR_PAGE);
	code_remove(&self->code);
}

/* Checks that slots for this text are mapped where user space may map something. */
TEST_F_TIMEOUT(at_0, has_slots_in_user_space, TIME_LIMIT)
{
	const uint64_t data = DATA;
	struct xol_mappings areas;

	for (unsigned int i = 0; i < FEW; i++)
		EXPECT_EQ(load_by(NULL, &data), DATA);
	EXPECT_EQ(counters_read(self->counters, 0), FEW);
	EXPECT_TRUE(xol_mappings_find(getpid(), &areas));
	for (unsigned int i = 0; i < areas.number; i++)
		EXPECT_LT(areas.of[i].end, MOST_OF_USER);
}

static void *load_at_0(void *page)
{
	operand_result = load_by(NULL, page);
	return NULL;
}

/* Checks that a signal handler is never shown the slot of a breakpoint at address 0. */
TEST_F_TIMEOUT(at_0, signal_at_the_slot, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = note_signal,
		.sa_flags = SA_SIGINFO,
	};
	const uint64_t data = DATA;
	unsigned long boosted;
	char *page;

	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	page = mmap(NULL, NEAR_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(page, MAP_FAILED);
	ASSERT_TRUE(map_load_code(&self->code, REACHES_0));
	EXPECT_EQ(load_by((void *)REACHES_0, &data), DATA);
	boosted = count("boosted");
	EXPECT_EQ(load_by(NULL, &data), DATA);
	if (boost_is_on())
		EXPECT_EQ(count("boosted"), boosted + 1);

	if (!signal_at_fault(_metadata, load_at_0, page))
		SKIP(return, "needs CONFIG_USERFAULTFD");
	EXPECT_EQ(handled, 1);
	EXPECT_EQ(handler_ip, LOAD_NEXT);
	EXPECT_EQ(memcmp(&operand_result, page, sizeof(operand_result)), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 3);
}
#endif

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], CALL_ARGUMENT)) {
		call_many(0, CALLED);
		return wrong ? KSFT_FAIL : KSFT_PASS;
	}
	return test_harness_run(argc, argv);
}
