// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that fault, and whose signal is handled by a jump over them, as runtimes
 * handle null pointers and divisions by zero. The handler sees the program's registers,
 * and the program goes on at the next instruction, which has a probe, too. Every
 * execution is counted once.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "probe.h"
#include "registers.h"
#include "skipped.h"
#include "threads.h"

#define THREADS		4
/* Calls of each function by a thread, of which every other one faults */
#define CALLS		200
#define TIME_LIMIT	600

#define VALUE		0x40
#define DIVISOR		7
/* For the stack of handlers: that of the functions may be inaccessible */
#define STACK_SIZE	(SIGSTKSZ + 65536)

static const struct skipped *stop = __stop_skipped;

static unsigned int functions(void)
{
	return stop - __start_skipped;
}

/* Index of the first site of each function */
static unsigned int first_site(const struct skipped *function)
{
	unsigned int index = 0;

	for (const struct skipped *other = __start_skipped; other < function; other++)
		index += other->sites + 1;
	return index;
}

/* Upstream's kernel refuses probes on loads of literals, which the last function has. */
static void leave_out_refused(void)
{
	struct probe_at at = { .path = EXECUTABLE };

	if (!(stop[-1].flags & ALWAYS_FAULTS))
		return;
	at.offset = probe_file_offset(stop[-1].start);
	if (probe_refusal_at(&at))
		stop--;
}

/* Accessible up to here, and not beyond */
static char *boundary;

/* The function that this thread executes, and its faults so far */
static __thread struct {
	const struct skipped *function;
	unsigned int first, faults;
	uintptr_t sp;
} own;

static unsigned int wrong_states, wrong_results, wrong_numbers;
static unsigned long calls;
static bool hits_in_handlers;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Calls a function with an argument that makes no instruction fault. */
static void call_well(const struct skipped *function)
{
	uint64_t words[8] = { [4] = VALUE };
	uint64_t argument = (uintptr_t)&words[4];

#if defined(__x86_64__)
	words[3] = (uintptr_t)skipped_call_target;
#endif
	if (function->flags & DIVIDES)
		argument = DIVISOR;
	if (function->function(argument) != function->result)
		add(&wrong_results);
}

static void call_and_fault(const struct skipped *function)
{
	uint64_t argument = (uintptr_t)boundary + 64;

	if (function->flags & DIVIDES)
		argument = 0;
	if (function->flags & REPEATS)
		argument = (uintptr_t)boundary - 8;
	own.function = function;
	own.first = first_site(function);
	own.faults = 0;
	if (function->function(argument) != function->skipped_result)
		add(&wrong_results);
	if (own.faults != function->sites)
		add(&wrong_numbers);
}

static void skip(int signal, siginfo_t *info, void *context)
{
	const void * const *site = &__start_skipped_sites[own.first + own.faults];
	uintptr_t *ip = context_ip(context), sp = *context_sp(context);

	/* Without this, a fault elsewhere would be raised again and again. */
	if (own.faults == own.function->sites || *ip != (uintptr_t)*site)
		ksft_exit_fail_msg("%s: signal %d at %#lx\n", own.function->text, signal, *ip);
	if (context_steps(context) || (own.faults && sp != own.sp))
		add(&wrong_states);
	own.sp = sp;
	own.faults++;
	if (hits_in_handlers && !(own.function->flags & ALWAYS_FAULTS))
		call_well(own.function);
	*ip = (uintptr_t)site[1];
}

/* Are functions called whose instructions repeat, or all others? */
static bool repeats;

static bool is_called(const struct skipped *function)
{
	return repeats == !!(function->flags & REPEATS);
}

static void call_all(unsigned int index)
{
	stack_t stack = { .ss_size = STACK_SIZE };

	stack.ss_sp = malloc(stack.ss_size);
	if (!stack.ss_sp || sigaltstack(&stack, NULL))
		ksft_exit_fail_perror("sigaltstack");
	for (unsigned int i = 0; i < CALLS; i++) {
		for (unsigned int j = 0; j < functions(); j++) {
			/* not all threads the same at the same time */
			const struct skipped *function = __start_skipped +
							 (j + index) % functions();

			if (!is_called(function))
				continue;
			if (i % 2 && !(function->flags & ALWAYS_FAULTS))
				call_well(function);
			else
				call_and_fault(function);
		}
	}
	__atomic_add_fetch(&calls, CALLS, __ATOMIC_RELAXED);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	free(stack.ss_sp);
}

/* How often handlers called a function, in all threads */
static unsigned long calls_in_handlers(const struct skipped *function)
{
	if (!hits_in_handlers || function->flags & ALWAYS_FAULTS)
		return 0;
	return THREADS * CALLS / 2 * function->sites;
}

FIXTURE(skipped) {
	int counters;
	int probes;
};

FIXTURE_VARIANT(skipped) {
	bool hits_in_handlers;
};

FIXTURE_VARIANT_ADD(skipped, at_once) { .hits_in_handlers = false };
/* The handler first executes the instruction that has faulted, without a fault. */
FIXTURE_VARIANT_ADD(skipped, after_hits) { .hits_in_handlers = true };

FIXTURE_SETUP(skipped)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	struct sigaction action = {
		.sa_sigaction = skip,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	hits_in_handlers = variant->hits_in_handlers;
	boundary = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(boundary, MAP_FAILED);
	boundary += page_size;
	ASSERT_EQ(mprotect(boundary, page_size, PROT_NONE), 0);
#if defined(__aarch64__)
	ASSERT_EQ(mprotect(skipped_page, skipped_page_end - skipped_page, PROT_NONE), 0);
#endif
	ASSERT_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	ASSERT_EQ(sigaction(SIGFPE, &action, NULL), 0);
	leave_out_refused();
	self->counters = counters_create(first_site(stop));
	self->probes = probe_attach_each(__start_skipped_sites, first_site(stop), self->counters);
}

FIXTURE_TEARDOWN(skipped)
{
	close(self->probes);
}

static void expect_counted_once(struct __test_metadata *_metadata, int counters)
{
	threads_run(THREADS, call_all);
	EXPECT_EQ(wrong_states, 0);
	EXPECT_EQ(wrong_results, 0);
	EXPECT_EQ(wrong_numbers, 0);
	EXPECT_EQ(calls, THREADS * CALLS);
	for (const struct skipped *function = __start_skipped; function < stop; function++) {
		unsigned int first = first_site(function);

		if (!is_called(function))
			continue;
		for (unsigned int i = first; i <= first + function->sites; i++) {
			EXPECT_EQ(counters_read(counters, i),
				  calls + calls_in_handlers(function))
				TH_LOG("instruction %u of %s", i - first, function->text);
		}
	}
}

/* Checks all instructions that do not repeat. */
TEST_F_TIMEOUT(skipped, is_counted_once, TIME_LIMIT)
{
	expect_counted_once(_metadata, self->counters);
}

#if defined(__x86_64__)
/* Checks a string instruction that faults after some of its repetitions. */
TEST_F_TIMEOUT(skipped, is_counted_once_with_repetitions, TIME_LIMIT)
{
	repeats = true;
	expect_counted_once(_metadata, self->counters);
}
#endif

TEST_HARNESS_MAIN
