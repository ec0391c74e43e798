// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and steps. Those that come from outside wait until a step is over;
 * their handlers may return, jump away, hit probes, and run on a stack of their
 * own. Those that the stepped instruction raises tell of the original
 * instruction, exactly as without a probe.
 */
#include <fcntl.h>
#include <pthread.h>
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

static int sent_signal = SIGUSR1;

/* One after the other: as many as possible arrive while a step is under way. */
static void *send_signals(void *argument)
{
	pthread_t target = *(pthread_t *)argument;

	for (unsigned int i = 0; i < SIGNALS; i++) {
		if (pthread_kill(target, sent_signal))
			abort();
		while (signals_handled() == i)
			give_way();
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

static struct xol_mappings areas;

static bool in_area(uintptr_t address)
{
	return xol_mappings_hold(&areas, address);
}

/* Who sent the signal, and that the thread is where it was interrupted */
static void handler_knows_sender(int signal, siginfo_t *info, void *context)
{
	uintptr_t ip = *context_ip(context);

	if (info->si_code != SI_TKILL || info->si_pid != getpid() ||
	    in_area(ip))
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	count_signal();
}

/* An instruction that might raise the same signal raises none. */
TEST_F_TIMEOUT(signals, sent_sigsegv, TIME_LIMIT)
{
	const uint64_t word = 0x5a;
	unsigned long calls = 0;

	call(NUMBER);
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	set_handler(SIGSEGV, handler_knows_sender, 0);
	sent_signal = SIGSEGV;
	ASSERT_EQ(pthread_create(&self->sender, NULL, send_signals, &self->self), 0);
	while (signals_handled() < SIGNALS) {
		EXPECT_EQ(call_load(0, &word), 0x5a);
		calls++;
	}
	pthread_join(self->sender, NULL);
	EXPECT_EQ(signals_handled(), SIGNALS);
	EXPECT_EQ(counters_read(self->counters, 2), calls);
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

	set_handler(SIGUSR1, handler_knows_sender, 0);
	ASSERT_TRUE(blocked_start(&blocked, 1, 1, 60));
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	blocked_signal(blocked, SIGUSR1);
	/* a step is not interrupted, so this is for the time after it */
	call(NUMBER);
	blocked_serve(blocked);
	EXPECT_EQ(blocked_join(blocked), 0);
	EXPECT_EQ(signals_handled(), 1);
	EXPECT_EQ(counters_read(self->counters, 2), 1);
}

/* The same for a stop. The page is served by a process that does not stop. */
TEST_F_TIMEOUT(signals, stopped_during_a_step, TIME_LIMIT)
{
	int blocks[2], stops[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe(blocks), 0);
	ASSERT_EQ(pipe(stops), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct blocked *blocked;
		pid_t server;

		if (!blocked_start(&blocked, 1, 1, 60))
			_exit(KSFT_FAIL);
		server = fork();
		if (!server) {
			if (read(stops[0], &byte, 1) == 1)
				blocked_serve(blocked);
			_exit(KSFT_PASS);
		}
		if (server < 0 || write(blocks[1], "", 1) != 1)
			_exit(KSFT_FAIL);
		_exit(blocked_join(blocked) ? KSFT_FAIL : KSFT_PASS);
	}
	close(blocks[1]);
	EXPECT_EQ(read(blocks[0], &byte, 1), 1);
	EXPECT_EQ(kill(pid, SIGSTOP), 0);
	/* whoever is stepped stops when the step is over, and not before */
	EXPECT_EQ(write(stops[1], "", 1), 1);
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(kill(pid, SIGCONT), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 2), 1);
	call(NUMBER);
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
	counters_wait_for(self->counters, 0, 100);
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
	uintptr_t ip, sp;
};

static struct fault faults[64];
static unsigned int fault_number;
static const uint64_t valid_word = 0x1234;

/* Checks of alignment may be on, which is no matter of handlers. */
static void check_no_alignment(void)
{
#if defined(__x86_64__)
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~FLAG_ALIGNED);
#endif
}

static void note_fault(siginfo_t *info, void *context)
{
	check_no_alignment();
	if (fault_number == ARRAY_SIZE(faults))
		_exit(KSFT_FAIL);
	faults[fault_number].signal = info->si_signo;
	faults[fault_number].code = info->si_code;
	faults[fault_number].address = info->si_addr;
	faults[fault_number].ip = *context_ip(context);
	faults[fault_number].sp = *context_sp(context);
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

static char *unmapped, *not_permitted, *beyond_file;
/* A page that may be written, between two that are not there */
static char *lone_page;
static size_t page_size;
static uint64_t word;

static uint64_t load_not_permitted(void)
{
	return call_load(0, not_permitted);
}

static uint64_t load_valid(void)
{
	return call_load(0, &valid_word);
}

static uint64_t store_unmapped(void)
{
	word = 0;
	store_function((uint64_t *)unmapped, valid_word);
	return word;
}

static uint64_t store_not_permitted(void)
{
	word = 0;
	store_function((uint64_t *)&valid_word, valid_word);
	return word;
}

static uint64_t store_valid(void)
{
	store_function(&word, valid_word);
	return word;
}

static void mend_address(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = (uintptr_t)&word;
}

static uint64_t pop_unmapped(void)
{
	return pop_function((uint64_t *)unmapped);
}

static uint64_t pop_valid(void)
{
	return pop_function(&valid_word);
}

static void mend_stack(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_popped(context) = (uintptr_t)&valid_word;
}

static uint64_t test_beyond_file(void)
{
	return test_function((uint64_t *)beyond_file, 0x10);
}

static uint64_t test_valid(void)
{
	return test_function(&valid_word, 0x10);
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
/* Raises what tells neither an address nor that it was this instruction */
static uint64_t load_not_canonical(void)
{
	return call_load(0, (void *)(1UL << 62));
}

static uint64_t load_not_aligned(void)
{
	return aligned_load_function((char *)&valid_word + 1);
}

static uint64_t load_aligned(void)
{
	return aligned_load_function(&valid_word);
}

static uint64_t divide_well(void)
{
	return divide_function(7);
}

static uint64_t set_no_flag(void)
{
	popf_function(0x202);
	return valid_word;
}

static void mend_divisor(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = 7;
}

static uint64_t divide_by_zero(void)
{
	return divide_function(0);
}

#define NOT_CANONICAL	((const void *)(1UL << 62))
#define KERNEL_ADDRESS	((const void *)-4096UL)

static const void *return_stack[] = { returned_site };
static const void *call_operand = called_site;
static const void *jump_operand = jumped_site;
static const void *not_canonical = NOT_CANONICAL;
static const void *kernel_address = KERNEL_ADDRESS;
static uint64_t call_stack[16];
#define CALL_STACK	(call_stack + ARRAY_SIZE(call_stack))

static uint64_t return_well(void)
{
	return return_function(return_stack);
}

static uint64_t return_unmapped(void)
{
	return return_function(unmapped);
}

/* The return address lies in two pages, of which the second one is not there. */
static uint64_t return_across_end(void)
{
	return return_function(lone_page + page_size - 4);
}

static uint64_t return_to_not_canonical(void)
{
	return return_function(&not_canonical);
}

static uint64_t return_to_kernel(void)
{
	return return_function(&kernel_address);
}

/* An access by a stack pointer that is not canonical raises another exception. */
static uint64_t return_by_not_canonical(void)
{
	return return_function(NOT_CANONICAL);
}

static void mend_return(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_sp(context) = (uintptr_t)return_stack;
	/* where it is not, if the target cannot be executed */
	*context_ip(context) = (uintptr_t)return_site;
}

static uint64_t call_well(void)
{
	return call_function(&call_operand, CALL_STACK);
}

static uint64_t call_unmapped(void)
{
	return call_function(unmapped, CALL_STACK);
}

static uint64_t call_beyond_file(void)
{
	return call_function(beyond_file, CALL_STACK);
}

static uint64_t call_with_full_stack(void)
{
	return call_function(&call_operand, lone_page);
}

/* The return address would lie in two pages. */
static uint64_t call_across_start(void)
{
	return call_function(&call_operand, lone_page + 4);
}

static uint64_t call_with_constant_stack(void)
{
	return call_function(&call_operand, (void *)(&valid_word + 1));
}

static uint64_t call_not_canonical(void)
{
	return call_function(&not_canonical, CALL_STACK);
}

static uint64_t call_kernel(void)
{
	return call_function(&kernel_address, CALL_STACK);
}

static void mend_call(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = (uintptr_t)&call_operand;
	*context_sp(context) = (uintptr_t)CALL_STACK;
	*context_ip(context) = (uintptr_t)call_site;
}

static uint64_t jump_well(void)
{
	return jump_function(&jump_operand);
}

static uint64_t jump_unmapped(void)
{
	return jump_function(unmapped);
}

static uint64_t jump_to_not_canonical(void)
{
	return jump_function(&not_canonical);
}

static uint64_t jump_to_kernel(void)
{
	return jump_function(&kernel_address);
}

static void mend_jump(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	*context_argument(context) = (uintptr_t)&jump_operand;
	*context_ip(context) = (uintptr_t)jump_site;
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

/*
 * @harmless does the same as @function with the same result and no signal, by the
 * same instruction, if that is possible.
 */
FIXTURE_VARIANT(raised) {
	int signal;
	void (*handler)(int signal, siginfo_t *info, void *context);
	const void *site;
	uint64_t (*function)(void);
	uint64_t (*harmless)(void);
	uint64_t result;
	unsigned int hits;
};

FIXTURE_VARIANT_ADD(raised, sigsegv) {
	.signal = SIGSEGV, .handler = mend_argument, .site = numbered_loads,
	.function = load_not_permitted, .harmless = load_valid,
	.result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_kernel_address) {
	.signal = SIGSEGV, .handler = mend_argument, .site = numbered_loads,
	.function = load_kernel, .harmless = load_valid, .result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_store) {
	.signal = SIGSEGV, .handler = mend_address, .site = store_function,
	.function = store_unmapped, .harmless = store_valid,
	.result = 0x1234, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_store_to_constants) {
	.signal = SIGSEGV, .handler = mend_address, .site = store_function,
	.function = store_not_permitted, .harmless = store_valid,
	.result = 0x1234, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_pop) {
	.signal = SIGSEGV, .handler = mend_stack, .site = pop_site,
	.function = pop_unmapped, .harmless = pop_valid,
	.result = 0x1234, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus) {
	.signal = SIGBUS, .handler = mend_argument, .site = numbered_loads,
	.function = load_beyond_file, .harmless = load_valid,
	.result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus_of_a_test) {
	.signal = SIGBUS, .handler = mend_argument, .site = test_function,
	.function = test_beyond_file, .harmless = test_valid,
	.result = true, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigill) {
	.signal = SIGILL, .handler = skip_instruction, .site = illegal_function,
	.function = illegal, .result = 0x1234, .hits = 1,
};

#if defined(__x86_64__)
FIXTURE_VARIANT_ADD(raised, sigsegv_of_no_address) {
	.signal = SIGSEGV, .handler = mend_argument, .site = numbered_loads,
	.function = load_not_canonical, .harmless = load_valid,
	.result = 0x34, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus_of_alignment) {
	.signal = SIGBUS, .handler = mend_argument, .site = aligned_load_site,
	.function = load_not_aligned, .harmless = load_aligned,
	.result = 0x1234, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigfpe) {
	.signal = SIGFPE, .handler = mend_divisor, .site = divide_site,
	.function = divide_by_zero, .harmless = divide_well,
	.result = 100 / 7, .hits = 2,
};

/* Branches, which are emulated if nothing is raised. The stack pointer is right, too. */
FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_return) {
	.signal = SIGSEGV, .handler = mend_return, .site = return_site,
	.function = return_unmapped, .harmless = return_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_return_across_pages) {
	.signal = SIGSEGV, .handler = mend_return, .site = return_site,
	.function = return_across_end, .harmless = return_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_return_to_no_address) {
	.signal = SIGSEGV, .handler = mend_return, .site = return_site,
	.function = return_to_not_canonical, .harmless = return_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_return_to_the_kernel) {
	.signal = SIGSEGV, .handler = mend_return, .site = return_site,
	.function = return_to_kernel, .harmless = return_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus_of_a_return) {
	.signal = SIGBUS, .handler = mend_return, .site = return_site,
	.function = return_by_not_canonical, .harmless = return_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_unmapped, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call_without_stack) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_with_full_stack, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call_across_pages) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_across_start, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call_with_constant_stack) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_with_constant_stack, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call_of_no_address) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_not_canonical, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_call_of_the_kernel) {
	.signal = SIGSEGV, .handler = mend_call, .site = call_site,
	.function = call_kernel, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigbus_of_a_call) {
	.signal = SIGBUS, .handler = mend_call, .site = call_site,
	.function = call_beyond_file, .harmless = call_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_jump) {
	.signal = SIGSEGV, .handler = mend_jump, .site = jump_site,
	.function = jump_unmapped, .harmless = jump_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_jump_to_no_address) {
	.signal = SIGSEGV, .handler = mend_jump, .site = jump_site,
	.function = jump_to_not_canonical, .harmless = jump_well, .result = BRANCHED, .hits = 2,
};

FIXTURE_VARIANT_ADD(raised, sigsegv_of_a_jump_to_the_kernel) {
	.signal = SIGSEGV, .handler = mend_jump, .site = jump_site,
	.function = jump_to_kernel, .harmless = jump_well, .result = BRANCHED, .hits = 2,
};

/* popf sets the trap flag: the traps come after the instructions behind it. */
FIXTURE_VARIANT_ADD(raised, sigtrap) {
	.signal = SIGTRAP, .handler = note_trap, .site = popf_site,
	.function = set_trap_flag, .harmless = set_no_flag,
	.result = 0x1234, .hits = 1,
};
#endif

FIXTURE_SETUP(raised)
{
	stack_t stack = { .ss_size = SIGSTKSZ + 65536 };
	int file;

	page_size = sysconf(_SC_PAGESIZE);
	self->counters = counters_create(1);
	stack.ss_sp = malloc(stack.ss_size);
	ASSERT_NE(stack.ss_sp, NULL);
	ASSERT_EQ(sigaltstack(&stack, NULL), 0);
	not_permitted = mmap(NULL, 4 * page_size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(not_permitted, MAP_FAILED);
	file = memfd_create("empty", MFD_CLOEXEC);
	ASSERT_GE(file, 0);
	beyond_file = mmap(NULL, page_size, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(beyond_file, MAP_FAILED);
	/* when nothing else comes to be mapped there */
	unmapped = not_permitted + page_size;
	lone_page = unmapped + page_size;
	ASSERT_EQ(mprotect(lone_page, page_size, PROT_READ | PROT_WRITE), 0);
	ASSERT_EQ(munmap(unmapped, page_size), 0);
	/* What a stack pointer that is not canonical raises: QEMU TCG 10 has no #SS */
	set_handler(SIGSEGV, variant->handler, SA_ONSTACK);
	set_handler(variant->signal, variant->handler, SA_ONSTACK);

	variant->function();
	if (!fault_number)
		SKIP(return, "without a probe, nothing is raised either");
	if (faults[0].signal != variant->signal)
		SKIP(return, "without a probe, signal %d is raised", faults[0].signal);
	if (variant->signal != SIGSEGV)
		signal(SIGSEGV, SIG_DFL);
	fault_number = 0;
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
		EXPECT_EQ(faults[i].sp, unprobed[i].sp);
	}
	for (i = 0; i < fault_number; i++)
		EXPECT_EQ(faults[i].address, unprobed[i].address);
}

static void (*handler)(int signal, siginfo_t *info, void *context);

static void handler_notes_and_jumps(int signal, siginfo_t *info, void *context)
{
	note_fault(info, context);
	siglongjmp(jump, 1);
}

/* Often, as nothing must be left behind */
TEST_F_TIMEOUT(raised, handler_jumps_away, TIME_LIMIT)
{
	int probe = probe_attach(variant->site, program_count(self->counters, 0));
	static unsigned int rounds;

	set_handler(variant->signal, handler_notes_and_jumps, SA_ONSTACK);
	for (rounds = 0; rounds < ARRAY_SIZE(faults); rounds++)
		if (!sigsetjmp(jump, 1))
			variant->function();
	EXPECT_EQ(fault_number, ARRAY_SIZE(faults));
	EXPECT_EQ(counters_read(self->counters, 0), ARRAY_SIZE(faults));

	/* from where another instruction is executed as itself */
	fault_number = 0;
	set_handler(variant->signal, variant->handler, SA_ONSTACK);
	EXPECT_EQ(variant->function(), variant->result);
	EXPECT_EQ(counters_read(self->counters, 0), ARRAY_SIZE(faults) + variant->hits);
	close(probe);
}

static uint64_t (*harmless)(void);
static uint64_t harmless_result;

static void handler_hits_same_probe(int signal, siginfo_t *info, void *context)
{
	uint64_t word_before = word;

	check_no_alignment();
	harmless_result = harmless();
	word = word_before;
	handler(signal, info, context);
}

TEST_F_TIMEOUT(raised, handler_hits_same_probe, TIME_LIMIT)
{
	int probe;

	if (!variant->harmless)
		SKIP(return, "the instruction cannot but raise the signal");
	probe = probe_attach(variant->site, program_count(self->counters, 0));
	harmless = variant->harmless;
	handler = variant->handler;
	set_handler(variant->signal, handler_hits_same_probe, SA_ONSTACK);
	EXPECT_EQ(variant->function(), variant->result);
	EXPECT_EQ(harmless_result, variant->result);
	EXPECT_GE(fault_number, 1);
	EXPECT_EQ(counters_read(self->counters, 0), variant->hits + fault_number);
	close(probe);
}

static bool faults_over;
static unsigned long signals_sent;

static void *send_signals_until_over(void *argument)
{
	pthread_t target = *(pthread_t *)argument;

	while (!__atomic_load_n(&faults_over, __ATOMIC_ACQUIRE)) {
		if (pthread_kill(target, SIGUSR1))
			abort();
		signals_sent++;
		while (signals_handled() < signals_sent)
			give_way();
	}
	return NULL;
}

static void handler_counts(int signal, siginfo_t *info, void *context)
{
	check_no_alignment();
	count_signal();
}

/* What is raised and what is sent may be pending at the same time. */
TEST_F_TIMEOUT(raised, while_signals_are_sent, TIME_LIMIT)
{
	int probe = probe_attach(variant->site, program_count(self->counters, 0));
	pthread_t target = pthread_self(), sender;
	unsigned int rounds, faults_expected;

	variant->function();
	faults_expected = fault_number;
	set_handler(SIGUSR1, handler_counts, SA_ONSTACK);
	ASSERT_EQ(pthread_create(&sender, NULL, send_signals_until_over, &target), 0);
	for (rounds = 1; signals_handled() < SIGNALS; rounds++) {
		fault_number = 0;
		EXPECT_EQ(variant->function(), variant->result);
		EXPECT_EQ(fault_number, faults_expected);
		/* nothing is raised, and the signals go on */
		if (variant->harmless)
			EXPECT_EQ(variant->harmless(), variant->result);
	}
	__atomic_store_n(&faults_over, true, __ATOMIC_RELEASE);
	pthread_join(sender, NULL);
	EXPECT_EQ(counters_read(self->counters, 0),
		  variant->hits * rounds + (variant->harmless ? rounds - 1 : 0));
	close(probe);
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

#if defined(__x86_64__)
FIXTURE(alignment) {
	int counters;
};

FIXTURE_SETUP(alignment)
{
	self->counters = counters_create(2);
	set_handler(SIGBUS, mend_argument, 0);
	load_not_aligned();
	if (!fault_number)
		SKIP(return, "without a probe, nothing is raised for what is not aligned");
	signal(SIGBUS, SIG_DFL);
}

FIXTURE_TEARDOWN(alignment)
{
}

/* Nothing that the kernel adds to the instruction accesses what is not aligned. */
TEST_F_TIMEOUT(alignment, is_checked, TIME_LIMIT)
{
	int load = probe_attach(aligned_load_site, program_count(self->counters, 0));
	int next = probe_attach(aligned_site, program_count(self->counters, 1));

	for (unsigned int i = 0; i < SIGNALS; i++)
		EXPECT_EQ(aligned_load_function(&valid_word), valid_word);
	EXPECT_EQ(counters_read(self->counters, 0), SIGNALS);
	EXPECT_EQ(counters_read(self->counters, 1), SIGNALS);
	close(load);
	close(next);
}
#endif

TEST_HARNESS_MAIN
