// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that instructions which a hash without a random key would put into one bucket
 * are executed and counted exactly, when there are more of them than slots. A process
 * could choose such instructions.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "probe.h"
#include "slots.h"
#include "threads.h"

/* Of such a hash: the factor and the number of buckets */
#define FACTOR		0x9e3779b97f4a7c15UL
#define BUCKETS		512
#define BUCKET		7
/* Instructions beyond the slots, so that slots are taken away from others */
#define EXCESS		200
#define THREADS		4
#define ROUNDS		3
/* Bytes of a function in the file */
#define FUNCTION_SIZE	16
#define TIME_LIMIT	300

/* mov $value, %eax; ret */
static const uint8_t function_code[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

static unsigned int bucket_of(uint32_t value)
{
	uint8_t bytes[16] = { function_code[0] };
	uint64_t words[2], hash = 0;

	/* what followed the instruction was zero */
	memcpy(bytes + 1, &value, sizeof(value));
	memcpy(words, bytes, sizeof(words));
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		hash = (hash ^ words[i]) * FACTOR;
		hash ^= hash >> 30;
	}
	return (hash * FACTOR >> 48) % BUCKETS;
}

FIXTURE(collisions) {
	char path[32];
	unsigned int number;
	int counters;
	int probes;
};

static const uint8_t *code;
static uint32_t *values;
static unsigned int functions;
static unsigned int wrong;

FIXTURE_SETUP(collisions)
{
	uint64_t *offsets;
	uint32_t value = 0;
	uint8_t *text;
	size_t size;
	int file;

	self->number = xol_slots() + EXCESS;
	size = self->number * FUNCTION_SIZE;
	values = calloc(self->number, sizeof(*values));
	offsets = calloc(self->number, sizeof(*offsets));
	text = calloc(1, size);
	ASSERT_TRUE(values && offsets && text);
	for (unsigned int i = 0; i < self->number; i++, value++) {
		while (bucket_of(value) != BUCKET)
			value++;
		values[i] = value;
		offsets[i] = i * FUNCTION_SIZE;
		memcpy(text + offsets[i], function_code, sizeof(function_code));
		memcpy(text + offsets[i] + 1, &value, sizeof(value));
	}
	strcpy(self->path, "/tmp/uprobes-XXXXXX");
	file = mkstemp(self->path);
	ASSERT_GE(file, 0);
	ASSERT_EQ(write(file, text, size), size);
	code = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	ASSERT_NE(code, MAP_FAILED);
	close(file);
	functions = self->number;
	self->counters = counters_create(self->number);
	self->probes = probe_attach_each_at(self->path, offsets, self->number,
					    self->counters);
	free(offsets);
	free(text);
}

FIXTURE_TEARDOWN(collisions)
{
	close(self->probes);
	unlink(self->path);
}

static void call_all(unsigned int index)
{
	for (unsigned int i = 0; i < functions; i++) {
		unsigned int one = (i + index * (functions / THREADS)) % functions;
		const uint8_t *function = code + one * FUNCTION_SIZE;

		if (((uint32_t (*)(void))function)() != values[one])
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
}

static int call_in_threads(const void *unused)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		threads_run(THREADS, call_all);
	return wrong || !xol_area_mapped() ? KSFT_FAIL : KSFT_PASS;
}

TEST_F_TIMEOUT(collisions, exact, TIME_LIMIT)
{
	unsigned long recycles_before = 0, recycles = 0, pages_before = 0, pages = 0;
	bool tells = xol_count("recycles", &recycles_before) &&
		     xol_count("pages", &pages_before);

	EXPECT_EQ(run_isolated(call_in_threads, NULL, TIME_LIMIT), KSFT_PASS);
	for (unsigned int i = 0; i < self->number; i++) {
		ASSERT_EQ(counters_read(self->counters, i), ROUNDS * THREADS)
			TH_LOG("hits of mov $%#x, %%eax", values[i]);
	}
	if (tells) {
		ASSERT_TRUE(xol_count("recycles", &recycles));
		EXPECT_GT(recycles, recycles_before);
		do
			give_way();
		while (xol_count("pages", &pages) && pages > pages_before);
	}
}

/* About steps: boosted slots are found by the address of the probe. */
int main(int argc, char **argv)
{
	boost_leave_off();
	return test_harness_run(argc, argv);
}
