// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and steps. Those that come from outside wait until a step is over;
 * their handlers may return, jump away, hit probes, and run on a stack of their
 * own. Those that the stepped instruction raises tell of the original
 * instruction, exactly as without a probe.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"
#include "registers.h"
#include "threads.h"

#define NUMBER		11
#define IN_HANDLER	12
#define SIGNALS		100
#define TIME_LIMIT	300

static void set_handler(int signal, void (*handler)(int, siginfo_t *, void *),
			int flags)
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | flags,
	};

	if (sigaction(signal, &action, NULL))
		ksft_exit_fail_perror("sigaction");
}

/* Signals from outside */

static unsigned int handled, wrong_results;
static sigjmp_buf jump;
static char *alternate_stack;
static size_t alternate_stack_size;

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void count_signal(void)
{
	__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
}

static unsigned int signals_handled(void)
{
	return __atomic_load_n(&handled, __ATOMIC_RELAXED);
}

static void handler_returns(int signal, siginfo_t *info, void *context)
{
	count_signal();
}

static void handler_hits(int signal, siginfo_t *info, void *context)
{
	call(IN_HANDLER);
	count_signal();
}

static void handler_jumps(int signal, siginfo_t *info, void *context)
{
	count_signal();
	siglongjmp(jump, 1);
}

static void handler_on_other_stack(int signal, siginfo_t *info, void *context)
{
	char *here = (char *)&here;

	if (here < alternate_stack || here >= alternate_stack + alternate_stack_size)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	call(IN_HANDLER);
	count_signal();
}

static void handler_rearms(int signal, siginfo_t *info, void *context)
{
	/* once at a time, or a slow machine would do nothing else */
	struct itimerval timer = { .it_value.tv_usec = 200 };

	count_signal();
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* One after the other: as many as possible arrive while a step is under way. */
static void *send_signals(void *argument)
{
	pthread_t target = *(pthread_t *)argument;

	for (unsigned int i = 0; i < SIGNALS; i++) {
		if (pthread_kill(target, SIGUSR1))
			abort();
		while (signals_handled() == i)
			sched_yield();
	}
	return NULL;
}

FIXTURE(signals) {
	int counters;
	int probe, handler_probe, load_probe;
	pthread_t self, sender;
};

FIXTURE_SETUP(signals)
{
	self->counters = counters_create(3);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, 0));
	self->handler_probe = probe_attach(numbered_function(IN_HANDLER),
					   program_count(self->counters, 1));
	self->load_probe = blocked_attach(1, self->counters, 2);
	self->self = pthread_self();
}

FIXTURE_TEARDOWN(signals)
{
	EXPECT_EQ(wrong_results, 0);
	EXPECT_TRUE(xol_area_mapped());
	close(self->probe);
	close(self->handler_probe);
	close(self->load_probe);
}

TEST_F_TIMEOUT(signals, handler_returns, TIME_LIMIT)
{
	unsigned long calls = 0;

	set_handler(SIGUSR1, handler_returns, 0);
	ASSERT_EQ(pthread_create(&self->sender, NULL, send_signals, &self->self), 0);
	while (signals_handled() < SIGNALS) {
		call(NUMBER);
		calls++;
	}
	pthread_join(self->sender, NULL);
	EXPECT_EQ(counters_read(self->counters, 0), calls);
}

TEST_F_TIMEOUT(signals, handler_hits_probes, TIME_LIMIT)
{
	unsigned long calls = 0;

	set_handler(SIGUSR1, handler_hits, 0);
	ASSERT_EQ(pthread_create(&self->sender, NULL, send_signals, &self->self), 0);
	while (signals_handled() < SIGNALS) {
		call(NUMBER);
		calls++;
	}
	pthread_join(self->sender, NULL);
	EXPECT_EQ(counters_read(self->counters, 0), calls);
	EXPECT_EQ(counters_read(self->counters, 1), SIGNALS);
}

/* Kept from the jump, which may lose what is in registers */
static unsigned long calls_made;

TEST_F_TIMEOUT(signals, handler_jumps_away, TIME_LIMIT)
{
	uint64_t hits;

	set_handler(SIGUSR1, handler_jumps, 0);
	/* made before the jump's target, which the handler needs from the start */
	if (!sigsetjmp(jump, 1)) {
		ASSERT_EQ(pthread_create(&self->sender, NULL, send_signals,
					 &self->self), 0);
	}
	while (signals_handled() < SIGNALS) {
		call(NUMBER);
		__atomic_add_fetch(&calls_made, 1, __ATOMIC_RELAXED);
	}
	pthread_join(self->sender, NULL);

	/* a call that was left by a jump may or may not have hit */
	hits = counters_read(self->counters, 0);
	EXPECT_GE(hits, calls_made);
	EXPECT_LE(hits, calls_made + SIGNALS);
}

TEST_F_TIMEOUT(signals, handler_on_other_stack, TIME_LIMIT)
{
	unsigned long calls = 0;
	stack_t stack = {};

	alternate_stack_size = SIGSTKSZ + 65536;
	alternate_stack = malloc(alternate_stack_size);
	ASSERT_NE(alternate_stack, NULL);
	stack.ss_sp = alternate_stack;
	stack.ss_size = alternate_stack_size;
	ASSERT_EQ(sigaltstack(&stack, NULL), 0);

	set_handler(SIGUSR1, handler_on_other_stack, SA_ONSTACK);
	ASSERT_EQ(pthread_create(&self->sender, NULL, send_signals, &self->self), 0);
	while (signals_handled() < SIGNALS) {
		call(NUMBER);
		calls++;
	}
	pthread_join(self->sender, NULL);
	EXPECT_EQ(counters_read(self->counters, 0), calls);
	EXPECT_EQ(counters_read(self->counters, 1), SIGNALS);
}

TEST_F_TIMEOUT(signals, interval_timer, TIME_LIMIT)
{
	unsigned long calls = 0;

	set_handler(SIGALRM, handler_rearms, 0);
	raise(SIGALRM);
	while (signals_handled() < SIGNALS) {
		call(NUMBER);
		calls++;
	}
	signal(SIGALRM, SIG_IGN);
	EXPECT_EQ(counters_read(self->counters, 0), calls);
}

/* For certain in the middle of a step: the thread is blocked there. */
TEST_F_TIMEOUT(signals, during_a_step, TIME_LIMIT)
{
	struct blocked *blocked;

	set_handler(SIGUSR1, handler_returns, 0);
	ASSERT_TRUE(blocked_start(&blocked, 1, 1, 60));
	blocked_signal(blocked, SIGUSR1);
	/* a step is not interrupted, so this is for the time after it */
	call(NUMBER);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	EXPECT_EQ(signals_handled(), 1);
	EXPECT_EQ(counters_read(self->counters, 2), 1);
}

TEST_F_TIMEOUT(signals, stopped_and_continued, TIME_LIMIT)
{
	const unsigned int calls = 20000, max_stops = 500;
	unsigned int stops = 0;
	int status = 0;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (unsigned int i = 0; i < calls; i++)
			call(NUMBER);
		_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
	}
	while (counters_read(self->counters, 0) < 100)
		sched_yield();
	/* then it runs freely: a stop may leave it time for a single call */
	do {
		if (stops < max_stops)
			ASSERT_EQ(kill(pid, SIGSTOP), 0);
		ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
		if (WIFSTOPPED(status)) {
			stops++;
			ASSERT_EQ(kill(pid, SIGCONT), 0);
		}
	} while (WIFSTOPPED(status));
	EXPECT_GE(stops, 1);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), calls);
	call(NUMBER);
}

/* Signals that the stepped instruction raises */

struct fault {
	int signal, code;
	const void *address;
	uintptr_t ip;
};

static struct fault faults[64];
static unsigned int fault_number;
static const uint64_t valid_word = 0x1234;

static void note_fault(siginfo_t *info, void *context)
{
	if (fault_number == ARRAY_SIZE(faults))
		_exit(KSFT_FAIL);
	faults[fault_number].signal = info->si_signo;
	faults[fault_number].code = info->si_code;
	faults[fault_number].address = info->si_addr;
	faults[fault_number].ip = *context_ip(context);
	fault_number++;
}

/* The instruction is executed again, and then succeeds. */
static void mend_argument(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = (uintptr_t)&valid_word;
}

static void skip_instruction(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_ip(context) = (uintptr_t)illegal_function_end;
}

static char *unmapped, *beyond_file;

static uint64_t load_unmapped(void)
{
	return call_load(0, unmapped);
}

static uint64_t load_kernel(void)
{
	return call_load(0, (void *)-4096L);
}

static uint64_t load_beyond_file(void)
{
	return call_load(0, beyond_file);
}

static uint64_t illegal(void)
{
	return illegal_function(valid_word);
}

#if defined(__x86_64__)
static void mend_divisor(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = 7;
}

static uint64_t divide_by_zero(void)
{
	return divide_function(0);
}

static void note_trap(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
}

static uint64_t set_trap_flag(void)
{
	popf_function(FLAG_TRAP | 0x202);
	return valid_word;
}
#endif

FIXTURE(raised) {
	int counters;
};

FIXTURE_VARIANT(raised) {
	int signal;
	void (*handler)(int signal, siginfo_t *info, void *context);
	const void *site;
	uint64_t (*function)(void);
	uint64_t result;
	unsigned int hits;
};

FIXTURE_VARIANT_ADD(raised, sigsegv) {
	.signal = SIGSEGV, .handler = mend_argument, .site = numbered_loads,
	.function = load_unmapped, .result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_kernel_address) {
	.signal = SIGSEGV, .handler = mend_argument, .site = numbered_loads,
	.function = load_kernel, .result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus) {
	.signal = SIGBUS, .handler = mend_argument, .site = numbered_loads,
	.function = load_beyond_file, .result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigill) {
	.signal = SIGILL, .handler = skip_instruction, .site = illegal_function,
	.function = illegal, .result = 0x1234, .hits = 1,
};

#if defined(__x86_64__)
FIXTURE_VARIANT_ADD(raised, sigfpe) {
	.signal = SIGFPE, .handler = mend_divisor, .site = divide_site,
	.function = divide_by_zero, .result = 100 / 7, .hits = 2,
};

/* popf sets the trap flag: the traps come after the instructions behind it. */
FIXTURE_VARIANT_ADD(raised, sigtrap) {
	.signal = SIGTRAP, .handler = note_trap, .site = popf_site,
	.function = set_trap_flag, .result = 0x1234, .hits = 1,
};
#endif

FIXTURE_SETUP(raised)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	int file;

	self->counters = counters_create(1);
	unmapped = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	file = memfd_create("empty", MFD_CLOEXEC);
	ASSERT_GE(file, 0);
	beyond_file = mmap(NULL, page_size, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(beyond_file, MAP_FAILED);
	set_handler(variant->signal, variant->handler, 0);
}

FIXTURE_TEARDOWN(raised)
{
}

TEST_F_TIMEOUT(raised, tells_of_the_original_instruction, TIME_LIMIT)
{
	struct fault unprobed[ARRAY_SIZE(faults)];
	unsigned int unprobed_number, i;
	int probe;

	ASSERT_EQ(variant->function(), variant->result);
	ASSERT_GE(fault_number, 1);
	EXPECT_EQ(faults[0].signal, variant->signal);
	memcpy(unprobed, faults, sizeof(unprobed));
	unprobed_number = fault_number;

	fault_number = 0;
	probe = probe_attach(variant->site, program_count(self->counters, 0));
	EXPECT_EQ(variant->function(), variant->result);
	EXPECT_TRUE(xol_area_mapped());
	close(probe);

	EXPECT_EQ(counters_read(self->counters, 0), variant->hits);
	ASSERT_EQ(fault_number, unprobed_number);
	for (i = 0; i < fault_number; i++) {
		EXPECT_EQ(faults[i].signal, unprobed[i].signal);
		EXPECT_EQ(faults[i].code, unprobed[i].code);
		EXPECT_EQ(faults[i].ip, unprobed[i].ip);
	}
#if defined(__aarch64__)
	if (variant->signal == SIGILL && faults[0].address != unprobed[0].address &&
	    !_metadata->exit_code)
		EXPECTED_FAILURE(return, "si_addr is the slot's address");
#endif
	for (i = 0; i < fault_number; i++)
		EXPECT_EQ(faults[i].address, unprobed[i].address);
}

/* By default, they are fatal. */
TEST_F_TIMEOUT(raised, kills, TIME_LIMIT)
{
	int probe = probe_attach(variant->site, program_count(self->counters, 0));
	int status;
	pid_t pid;

	signal(variant->signal, SIG_DFL);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		variant->function();
		_exit(KSFT_FAIL);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), variant->signal);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	close(probe);
}

TEST_HARNESS_MAIN
