// SPDX-License-Identifier: GPL-2.0
/*
 * A runtime with its own scheduler, as Go's: more routines than threads. A signal preempts
 * a routine at any moment of a loop over probed instructions. The handler saves the
 * registers, and returns to the thread's scheduler on another stack. Later, any thread
 * goes on with these registers, on the same stack or on a copy of it at another address.
 * Every execution is counted once and has its effect.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "mixed.h"
#include "probe.h"
#include "registers.h"
#include "saved_registers.h"
#include "threads.h"
#include "timers.h"

#define THREADS		4
#define ROUTINES	8
/* Rounds in one call of mixed_function() */
#define ROUNDS		1500
#define STACK_SIZE	65536
/* Then routines run freely: on a slow machine, they would get on only slowly. */
#define MOST_PREEMPTIONS	2000
/* Seconds a thread may take to block */
#define PATIENCE	60
#define TIME_LIMIT	600

/* Routines */

struct routine {
	struct context context;
	char *stack;
	uint64_t argument, result;
	bool ended;
	/* The last thread that executed it, and how often another one went on with it */
	unsigned int thread, migrations;
};

/* The registers of this thread's scheduler, and the routine that the thread executes */
static __thread struct {
	struct context home;
	struct routine *routine;
} own;

/* Registers of a thread that is no routine */
static struct context any_context;
static struct xol_mappings areas;
static unsigned int preemptions, seen_in_area, seen_stepping;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void switch_context(int signal, siginfo_t *info, void *context)
{
	if (!own.routine) {
		context_save(&any_context, context);
	} else if (own.routine->ended) {
		context_restore(&own.home, context);
	} else {
		context_save(&own.home, context);
		context_restore(&own.routine->context, context);
	}
}

static void raise_switch(void)
{
	if (syscall(__NR_tgkill, getpid(), gettid(), SIGUSR1))
		abort();
}

/* Executes a routine until it is preempted or has ended. */
static void routine_resume(struct routine *routine)
{
	own.routine = routine;
	raise_switch();
	own.routine = NULL;
}

/* Where a routine returns to, on its own stack */
__noreturn void routine_ended(uint64_t result)
{
	own.routine->result = result;
	own.routine->ended = true;
	raise_switch();
	abort();
}

#if defined(__x86_64__)
extern const char routine_returns[];

asm(".pushsection .text\n"
	"routine_returns:\n"
	"	mov	%rax, %rdi\n"
	"	call	routine_ended\n"
	".popsection\n");
#endif

static char *stack_map(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return stack;
}

/* Makes a routine that begins with a call of @function(@argument, @second, @third). */
static void routine_make(struct routine *routine, const void *function, uint64_t argument,
			 uint64_t second, const void *third)
{
	struct context *context = &routine->context;

	memset(routine, 0, sizeof(*routine));
	*context = any_context;
	routine->stack = stack_map();
	routine->argument = argument;
#if defined(__x86_64__)
	context->general[REG_RSP] = (uintptr_t)routine->stack + STACK_SIZE - 24;
	*(const void **)context->general[REG_RSP] = routine_returns;
	context->general[REG_RIP] = (uintptr_t)function;
	context->general[REG_RDI] = argument;
	context->general[REG_RSI] = second;
	context->general[REG_RDX] = (uintptr_t)third;
	context->general[REG_RAX] = -1;
#elif defined(__aarch64__)
	context->sp = (uintptr_t)routine->stack + STACK_SIZE;
	context->general[30] = (uintptr_t)routine_ended;
	context->pc = (uintptr_t)function;
	context->general[0] = argument;
	context->general[1] = second;
	context->general[2] = (uintptr_t)third;
#elif defined(__riscv)
	context->all.__gregs[REG_SP] = (uintptr_t)routine->stack + STACK_SIZE;
	context->all.__gregs[REG_RA] = (uintptr_t)routine_ended;
	context->all.__gregs[REG_PC] = (uintptr_t)function;
	context->all.__gregs[REG_A0] = argument;
	context->all.__gregs[REG_A0 + 1] = second;
	context->all.__gregs[REG_A0 + 2] = (uintptr_t)third;
#endif
}

/* Copies the stack of a routine that is not executed to another address. */
static void routine_move(struct routine *routine)
{
	char *stack = stack_map(), *end = routine->stack + STACK_SIZE;
	uintptr_t *sp = saved_sp(&routine->context);
	size_t used = (uintptr_t)end - *sp;

	if (used + RED_ZONE <= STACK_SIZE)
		used += RED_ZONE;
	memcpy(stack + STACK_SIZE - used, end - used, used);
	*sp += stack - routine->stack;
	if (munmap(routine->stack, STACK_SIZE))
		ksft_exit_fail_perror("munmap");
	routine->stack = stack;
}

/* Can a routine be there? All other code belongs to the thread. */
static bool in_routine(uintptr_t ip)
{
	return (ip >= (uintptr_t)mixed_function && ip < (uintptr_t)mixed_function_end) ||
	       (ip >= (uintptr_t)numbered_load(0) &&
		ip < (uintptr_t)numbered_load(NUMBERED_FUNCTIONS));
}

/* In a handler: the thread goes on with its scheduler. */
static void preempt(ucontext_t *context)
{
	uintptr_t ip = *context_ip(context);

	if (xol_mappings_hold(&areas, ip))
		add(&seen_in_area);
	if (context_steps(context))
		add(&seen_stepping);
	if (!own.routine || !in_routine(ip) ||
	    __atomic_load_n(&preemptions, __ATOMIC_RELAXED) >= MOST_PREEMPTIONS)
		return;
	context_save(&own.routine->context, context);
	context_restore(&own.home, context);
	add(&preemptions);
}

static void handle_preemption(int signal, siginfo_t *info, void *context)
{
	preempt(context);
}

static void set_handler(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	if (sigaction(signal, &action, NULL))
		ksft_exit_fail_perror("sigaction");
}

/* Routines that wait for a thread */
static struct {
	pthread_mutex_t lock;
	unsigned int first, number, ended;
	struct routine *of[ROUTINES];
} ready = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void ready_add(struct routine *routine)
{
	pthread_mutex_lock(&ready.lock);
	ready.of[(ready.first + ready.number++) % ROUTINES] = routine;
	pthread_mutex_unlock(&ready.lock);
}

/* NULL when all routines have ended */
static struct routine *ready_take(void)
{
	struct routine *routine = NULL;
	bool over = false;

	while (!routine && !over) {
		give_way();
		pthread_mutex_lock(&ready.lock);
		over = ready.ended == ROUTINES;
		if (ready.number) {
			routine = ready.of[ready.first++ % ROUTINES];
			ready.number--;
		}
		pthread_mutex_unlock(&ready.lock);
	}
	return routine;
}

static bool stacks_move;
/* Of all routines, about: they do not wait for each other to add to it. */
static uint64_t progress;
static struct routine routines[ROUTINES];

static void schedule(unsigned int index)
{
	struct routine *routine;

	timer_start(&progress);
	while ((routine = ready_take())) {
		routine->migrations += routine->thread != index;
		routine->thread = index;
		routine_resume(routine);
		if (routine->ended) {
			pthread_mutex_lock(&ready.lock);
			ready.ended++;
			pthread_mutex_unlock(&ready.lock);
			continue;
		}
		if (stacks_move)
			routine_move(routine);
		ready_add(routine);
	}
	timer_stop();
}

FIXTURE(preempted) {
	int counters;
	int probes;
	struct mixed_sites sites;
};

FIXTURE_VARIANT(preempted) {
	bool stacks_move;
};

FIXTURE_VARIANT_ADD(preempted, stacks_stay) { .stacks_move = false };
FIXTURE_VARIANT_ADD(preempted, stacks_move) { .stacks_move = true };

FIXTURE_SETUP(preempted)
{
	self->sites = mixed_sites_accepted(__start_mixed_sites, __stop_mixed_sites);
	self->counters = counters_create(self->sites.number);
	self->probes = probe_attach_each(self->sites.of, self->sites.number, self->counters);
	set_handler(SIGUSR1, switch_context);
	raise_switch();
}

FIXTURE_TEARDOWN(preempted)
{
	EXPECT_EQ(seen_in_area, 0);
	EXPECT_EQ(seen_stepping, 0);
	close(self->probes);
}

/* Checks routines that timers preempt, and that any thread goes on with. */
TEST_F_TIMEOUT(preempted, by_timers, TIME_LIMIT)
{
	unsigned int migrations = 0;

	/* to know where [uprobes] is */
	ASSERT_EQ(mixed_function(0, 1, &progress), mixed_result(0, 1));
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	stacks_move = variant->stacks_move;
	for (unsigned int i = 0; i < ROUTINES; i++) {
		routine_make(&routines[i], mixed_function, i, ROUNDS, &progress);
		routines[i].thread = i % THREADS;
		ready_add(&routines[i]);
	}
	timers_prepare(preempt);
	threads_run(THREADS, schedule);
	for (unsigned int i = 0; i < ROUTINES; i++) {
		EXPECT_TRUE(routines[i].ended);
		EXPECT_EQ(routines[i].result, mixed_result(i, ROUNDS));
		migrations += routines[i].migrations;
	}
	ksft_print_msg("%u preemptions, %u migrations\n", preemptions, migrations);
	EXPECT_GE(preemptions, THREADS);
	EXPECT_GE(migrations, 1);
	EXPECT_SITES_COUNTED(&self->sites, self->counters, ROUTINES * ROUNDS + 1);
}

static void *resume_in_thread(void *routine)
{
	routine_resume(routine);
	return NULL;
}

/*
 * Checks a routine that is in a slot, for certain, when the signal comes. The thread that
 * goes on with it begins after the instruction.
 */
TEST_F_TIMEOUT(preempted, in_a_slot, TIME_LIMIT)
{
	int loads = blocked_attach(1, self->counters, 0);
	size_t size = sysconf(_SC_PAGESIZE);
	struct routine *routine = &routines[0];
	pthread_t thread;
	void *page;
	int uffd;

	set_handler(SIGUSR2, handle_preemption);
	uffd = missing_memory(&page, size, O_NONBLOCK | UFFD_USER_MODE_ONLY);
	routine_make(routine, numbered_load(0), (uintptr_t)page, 0, NULL);
	ASSERT_EQ(pthread_create(&thread, NULL, resume_in_thread, routine), 0);
	ASSERT_TRUE(missing_memory_wait(uffd, PATIENCE));
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	ASSERT_EQ(pthread_kill(thread, SIGUSR2), 0);
	/* The signal waits for the step, which waits for the page once more. */
	ASSERT_TRUE(missing_memory_wait(uffd, PATIENCE));
	EXPECT_EQ(preemptions, 0);
	missing_memory_serve(uffd, page, size);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(preemptions, 1);
	EXPECT_FALSE(routine->ended);
	EXPECT_GT(saved_ip(&routine->context), (uintptr_t)numbered_load(0));
	EXPECT_LT(saved_ip(&routine->context), (uintptr_t)numbered_load(1));

	if (variant->stacks_move)
		routine_move(routine);
	routine_resume(routine);
	EXPECT_TRUE(routine->ended);
	EXPECT_EQ(routine->result, 0);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	close(loads);
	close(uffd);
}

TEST_HARNESS_MAIN
