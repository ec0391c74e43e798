// SPDX-License-Identifier: GPL-2.0
/*
 * Layouts of the address space: this program executes itself as a process without
 * randomization, as one with an unlimited stack, as one with the layout of old kernels,
 * and as a position-independent one, also with text at the highest address. In all of
 * these layouts, hits are boosted, each of them is counted, and the heap can grow.
 *
 * layouts_pie is the same program, position-independent.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "probe.h"
#include "rounds.h"
#include "slots.h"

#define FUNCTIONS	100
/* Calls of each function by a process */
#define CALLS		10
/* Bytes of the stack, if it is limited */
#define STACK_SIZE	(8UL << 20)
/* Bytes by which the heap can grow after hits */
#define HEAP_SIZE	(64UL << 20)
/* Seconds for a process and its child */
#define PATIENCE	200
#define TIME_LIMIT	600

#define PIE_PROGRAM	"layouts_pie"
/* The first argument of a process that the test has started; a layout follows. */
#define ATTACH		"attach-and-call"
#define CALL		"call"

/* Makes personality() change nothing */
#define QUERY		0xffffffff

#define UNLIMITED_STACK	1
#define PIE		2
#define TEXT_AT_TOP	4

struct layout {
	unsigned int personality;
	unsigned int flags;
};

#if defined(__x86_64__)
#define UNLIMITED_STACK_IS_LEGACY	false
#define TOP				((1UL << 47) - 65536)
#elif defined(__aarch64__)
#define UNLIMITED_STACK_IS_LEGACY	true
#define TOP				((1UL << 48) - 65536)
#elif defined(__riscv)
#define UNLIMITED_STACK_IS_LEGACY	true
#define TOP				((1UL << 47) - 65536)
#endif

/* Attempts to map text, from the top downwards */
#define TRIES		100000

static bool maps_upwards(void)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char *first = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *second = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool upwards = second > first;

	munmap(first, size);
	munmap(second, size);
	return upwards;
}

/* A position-independent program lies where the kernel maps files. */
static bool is_pie(void)
{
	return (uintptr_t)many_functions > UINT_MAX;
}

static bool has_layout(const struct layout *layout)
{
	bool legacy = layout->personality & ADDR_COMPAT_LAYOUT ||
		      (layout->flags & UNLIMITED_STACK && UNLIMITED_STACK_IS_LEGACY);
	struct rlimit stack;

	return !getrlimit(RLIMIT_STACK, &stack) &&
	       (stack.rlim_cur == RLIM_INFINITY) == !!(layout->flags & UNLIMITED_STACK) &&
	       (personality(QUERY) & layout->personality) == layout->personality &&
	       maps_upwards() == legacy && is_pie() == !!(layout->flags & PIE);
}

/* Another copy of the text, as high as possible */
static const char *map_at_top(void)
{
	int file = open(EXECUTABLE, O_RDONLY | O_CLOEXEC);
	size_t size = sysconf(_SC_PAGESIZE);
	uint64_t offset = probe_file_offset(many_functions);
	char *at = (char *)TOP;

	if (file < 0)
		give_up(KSFT_FAIL, EXECUTABLE ": %s", strerror(errno));
	for (unsigned int i = 0; i < TRIES; i++, at -= size) {
		if (mmap(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
			 file, offset) == at)
			return at;
	}
	give_up(KSFT_FAIL, "no text can be mapped below %#lx", TOP);
}

/* Calls all functions in the text at @text; returns how many calls went wrong. */
static unsigned int call_in(const char *text)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < CALLS * FUNCTIONS; i++) {
		unsigned int number = i % FUNCTIONS;
		wrong += call_many_at(text + number * MANY_FUNCTION_SIZE, number) != number;
	}
	return wrong;
}

static unsigned int texts(const struct layout *layout)
{
	return layout->flags & TEXT_AT_TOP ? 2 : 1;
}

/* A fault in the process with a layout, which the test does not have to itself */
static bool is_wrong(bool condition, const char *text)
{
	if (condition)
		ksft_print_msg("%s\n", text);
	return condition;
}

static int call_in_layout(const struct layout *layout)
{
	unsigned long boosted = 0, unboosted = 0, boosted_after, unboosted_after;
	bool boosts = boost_is_on() && boost_counts(&boosted, &unboosted);

	if (is_wrong(!has_layout(layout), "this is not the layout") ||
	    is_wrong(call_in(many_functions), "a function returned something else") ||
	    (layout->flags & TEXT_AT_TOP &&
	     is_wrong(call_in(map_at_top()), "a function at the top returned something else")) ||
	    is_wrong(!xol_area_mapped(), "there is no [uprobes]") ||
	    is_wrong(sbrk(HEAP_SIZE) == (void *)-1, "the heap cannot grow"))
		return KSFT_FAIL;
	if (!boosts)
		return KSFT_PASS;
	boost_counts(&boosted_after, &unboosted_after);
	if (unboosted_after != unboosted)
		ksft_print_msg("%lu hits were not boosted\n", unboosted_after - unboosted);
	if (boosted_after - boosted != texts(layout) * FUNCTIONS)
		ksft_print_msg("%lu slots of %u functions\n", boosted_after - boosted,
			       texts(layout) * FUNCTIONS);
	return unboosted_after == unboosted &&
	       boosted_after - boosted == texts(layout) * FUNCTIONS ? KSFT_PASS : KSFT_FAIL;
}

static __noreturn void execute(const char *path, const char *what, const struct layout *layout)
{
	char personality[16], flags[16];

	snprintf(personality, sizeof(personality), "%u", layout->personality);
	snprintf(flags, sizeof(flags), "%u", layout->flags);
	execl(path, path, what, personality, flags, NULL);
	give_up(KSFT_FAIL, "%s: %s", path, strerror(errno));
}

static int execute_again(const void *layout)
{
	execute(EXECUTABLE, CALL, layout);
}

/*
 * Attaches the probes while the text is mapped, and has another process with the same
 * layout map it when they are attached.
 */
static int attach_and_call(const struct layout *layout)
{
	const void *addresses[FUNCTIONS];
	int counters = counters_create(FUNCTIONS), probes, result, again;

	for (unsigned int i = 0; i < FUNCTIONS; i++)
		addresses[i] = many_function(i);
	probes = probe_attach_each(addresses, FUNCTIONS, counters);
	result = call_in_layout(layout);
	again = run_isolated(execute_again, layout, PATIENCE);
	for (unsigned int i = 0; i < FUNCTIONS; i++) {
		uint64_t hits = counters_read(counters, i);

		if (hits == 2 * CALLS * texts(layout))
			continue;
		ksft_print_msg("function %u: %lu hits\n", i, (unsigned long)hits);
		result = KSFT_FAIL;
	}
	close(probes);
	return result == KSFT_PASS ? again : result;
}

/* In a process of its own: takes the layout on, which the next program has. */
static int execute_in(const void *argument)
{
	const struct layout *layout = argument;
	const struct rlimit stack = {
		.rlim_cur = layout->flags & UNLIMITED_STACK ? RLIM_INFINITY : STACK_SIZE,
		.rlim_max = RLIM_INFINITY,
	};
	char path[PATH_MAX] = EXECUTABLE;

	if (layout->flags & PIE)
		find_program(PIE_PROGRAM, path, sizeof(path));
	if (personality(personality(QUERY) | layout->personality) < 0 ||
	    setrlimit(RLIMIT_STACK, &stack))
		give_up(KSFT_FAIL, "no such layout: %s", strerror(errno));
	execute(path, ATTACH, layout);
}

FIXTURE(layout) {
	unsigned long boosted;
};

FIXTURE_VARIANT(layout) {
	struct layout layout;
};

FIXTURE_VARIANT_ADD(layout, usual) { };
FIXTURE_VARIANT_ADD(layout, not_randomized) {
	.layout = { .personality = ADDR_NO_RANDOMIZE },
};
FIXTURE_VARIANT_ADD(layout, unlimited_stack) {
	.layout = { .flags = UNLIMITED_STACK },
};
FIXTURE_VARIANT_ADD(layout, compat) {
	.layout = { .personality = ADDR_COMPAT_LAYOUT },
};
FIXTURE_VARIANT_ADD(layout, compat_not_randomized) {
	.layout = { .personality = ADDR_COMPAT_LAYOUT | ADDR_NO_RANDOMIZE },
};
FIXTURE_VARIANT_ADD(layout, text_at_top) {
	.layout = { .flags = TEXT_AT_TOP },
};
FIXTURE_VARIANT_ADD(layout, pie) {
	.layout = { .flags = PIE },
};
FIXTURE_VARIANT_ADD(layout, pie_not_randomized) {
	.layout = { .flags = PIE, .personality = ADDR_NO_RANDOMIZE },
};
FIXTURE_VARIANT_ADD(layout, pie_compat_and_text_at_top) {
	.layout = { .flags = PIE | TEXT_AT_TOP, .personality = ADDR_COMPAT_LAYOUT },
};

FIXTURE_SETUP(layout)
{
	unsigned long unboosted;

	boost_counts(&self->boosted, &unboosted);
}

FIXTURE_TEARDOWN(layout)
{
	unsigned long boosted;

	if (xol_count("boosted", &boosted))
		EXPECT_EQ(xol_count_wait("boosted", self->boosted), self->boosted);
}

/* Checks hits in a process that attaches the probes, and in one that begins with them. */
TEST_F_TIMEOUT(layout, is_boosted, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(execute_in, &variant->layout, 2 * PATIENCE), KSFT_PASS);
}

int main(int argc, char **argv)
{
	if (argc == 4) {
		struct layout layout = {
			.personality = strtoul(argv[2], NULL, 10),
			.flags = strtoul(argv[3], NULL, 10),
		};

		if (!strcmp(argv[1], CALL))
			return call_in_layout(&layout);
		if (!strcmp(argv[1], ATTACH))
			return attach_and_call(&layout);
	}
	/* Slots of earlier programs must not be given back during a test. */
	xol_counts_settle();
	return test_harness_run(argc, argv);
}
