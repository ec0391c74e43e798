// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that the kernel emulates, where it cannot, or where other parts of the
 * kernel change what they find: memory that only a fault of the program brings,
 * memory that is shared with a child, return addresses that return probes replaced,
 * and shadow stacks. The effect is that of the same instruction without a probe.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>
#include <asm/prctl.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"

#define NUMBER		21
/* Where the ret of a numbered function is, after its mov */
#define RETURN_OFFSET	5
#define CALLS		1000
#define STACK_WORDS	64
#define TIME_LIMIT	120

#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE	0x5001
#define ARCH_SHSTK_DISABLE	0x5002
#define ARCH_SHSTK_SHSTK	1UL
#endif

static const void *const call_operand = called_site;
static const void *const jump_operand = jumped_site;
static uint64_t other_stack[STACK_WORDS];

/*
 * A page that is missing until the program itself accesses it: no access by the kernel
 * is served. At its start is the operand of a branch, at its end the address that a
 * ret finds.
 */
struct missing_page {
	int uffd;
	void *page, *content;
	size_t size;
	unsigned int served;
};

static void *serve_page(void *argument)
{
	struct missing_page *missing = argument;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)missing->page,
		.src = (uintptr_t)missing->content,
		.len = missing->size,
	};
	struct uffd_msg message;

	if (read(missing->uffd, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_PAGEFAULT)
		return NULL;
	missing->served++;
	if (ioctl(missing->uffd, UFFDIO_COPY, &copy))
		ksft_exit_fail_perror("UFFDIO_COPY");
	return NULL;
}

static void missing_page_create(struct missing_page *missing, const void *operand)
{
	missing->size = sysconf(_SC_PAGESIZE);
	missing->uffd = missing_memory(&missing->page, missing->size, UFFD_USER_MODE_ONLY);
	missing->content = aligned_alloc(missing->size, missing->size);
	if (!missing->content)
		ksft_exit_fail_msg("no memory for a page\n");
	memset(missing->content, 0, missing->size);
	memcpy(missing->content, &operand, sizeof(operand));
	operand = returned_site;
	memcpy(missing->content + missing->size - sizeof(operand), &operand,
	       sizeof(operand));
}

static uint64_t push_there(const struct missing_page *missing)
{
	return push_function(BRANCHED, missing->page + missing->size);
}

static uint64_t return_there(const struct missing_page *missing)
{
	return return_function(missing->page + missing->size - sizeof(void *));
}

static uint64_t call_by_operand_there(const struct missing_page *missing)
{
	return call_function(missing->page, other_stack + STACK_WORDS);
}

static uint64_t call_with_stack_there(const struct missing_page *missing)
{
	return call_function(&call_operand, missing->page + missing->size);
}

/* The operand is read from the word where the return address goes. */
static uint64_t call_with_both_there(const struct missing_page *missing)
{
	return call_function(missing->page, missing->page + sizeof(void *));
}

static uint64_t jump_by_operand_there(const struct missing_page *missing)
{
	return jump_function(missing->page);
}

FIXTURE(missing) {
	struct missing_page page;
	int counters, probe;
	pthread_t server;
};

FIXTURE_VARIANT(missing) {
	const void *site, *operand;
	uint64_t (*function)(const struct missing_page *missing);
};

FIXTURE_VARIANT_ADD(missing, stack_of_push) {
	.site = push_site, .function = push_there,
};

FIXTURE_VARIANT_ADD(missing, stack_of_ret) {
	.site = return_site, .function = return_there,
};

FIXTURE_VARIANT_ADD(missing, operand_of_call) {
	.site = call_site, .operand = called_site, .function = call_by_operand_there,
};

FIXTURE_VARIANT_ADD(missing, stack_of_call) {
	.site = call_site, .operand = called_site, .function = call_with_stack_there,
};

FIXTURE_VARIANT_ADD(missing, stack_and_operand_of_call) {
	.site = call_site, .operand = called_site, .function = call_with_both_there,
};

FIXTURE_VARIANT_ADD(missing, operand_of_jump) {
	.site = jump_site, .operand = jumped_site, .function = jump_by_operand_there,
};

FIXTURE_SETUP(missing)
{
	self->counters = counters_create(1);
	self->probe = probe_attach(variant->site, program_count(self->counters, 0));
	missing_page_create(&self->page, variant->operand);
	ASSERT_EQ(pthread_create(&self->server, NULL, serve_page, &self->page), 0);
}

FIXTURE_TEARDOWN(missing)
{
	close(self->probe);
}

/* Checks that what the kernel cannot access is executed by the program itself. */
TEST_F_TIMEOUT(missing, page_served_in_user_mode, TIME_LIMIT)
{
	EXPECT_EQ(variant->function(&self->page), BRANCHED);
	EXPECT_EQ(self->page.served, 1);
	EXPECT_EQ(counters_read(self->counters, 0), 1);

	/* and from now on, the page is there */
	memcpy(self->page.page, self->page.content, self->page.size);
	EXPECT_EQ(variant->function(&self->page), BRANCHED);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	pthread_join(self->server, NULL);
}

FIXTURE(branches) {
	int counters;
	int probes[3];
};

FIXTURE_SETUP(branches)
{
	self->counters = counters_create(4);
	self->probes[0] = probe_attach(return_site, program_count(self->counters, 0));
	self->probes[1] = probe_attach(call_site, program_count(self->counters, 1));
	self->probes[2] = probe_attach(jump_site, program_count(self->counters, 2));
}

FIXTURE_TEARDOWN(branches)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(self->probes); i++)
		close(self->probes[i]);
}

/* How many of @rounds go wrong */
static unsigned int branch(unsigned int rounds)
{
	static const void *const return_stack[] = { returned_site };
	unsigned int wrong = 0;

	while (rounds--) {
		wrong += return_function(return_stack) != BRANCHED;
		wrong += call_function(&call_operand, other_stack + STACK_WORDS) != BRANCHED;
		wrong += jump_function(&jump_operand) != BRANCHED;
	}
	return wrong;
}

/* Checks that a stack that is shared with a child is written to like any other. */
TEST_F_TIMEOUT(branches, after_fork, TIME_LIMIT)
{
	const unsigned int forks = 20, rounds = 10;

	for (unsigned int i = 0; i < forks; i++) {
		int status;
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(branch(rounds) ? KSFT_FAIL : KSFT_PASS);
		EXPECT_EQ(branch(rounds), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(self->probes); i++)
		EXPECT_EQ(counters_read(self->counters, i), 2 * forks * rounds);
}

/* Checks that a probed ret goes where a return probe has sent it, and from there on. */
TEST_F_TIMEOUT(branches, returns_that_are_probed_twice, TIME_LIMIT)
{
	const char *function = numbered_function(NUMBER);
	int on_return = probe_attach_return(function, program_count(self->counters, 0));
	int ret = probe_attach(function + RETURN_OFFSET, program_count(self->counters, 1));
	int entry = probe_attach(function, program_count(self->counters, 2));

	for (unsigned int i = 0; i < CALLS; i++)
		ASSERT_EQ(call_numbered(NUMBER), NUMBER);
	close(on_return);
	for (unsigned int i = 0; i < CALLS; i++)
		ASSERT_EQ(call_numbered(NUMBER), NUMBER);
	close(ret);
	close(entry);
	EXPECT_EQ(counters_read(self->counters, 0), CALLS);
	EXPECT_EQ(counters_read(self->counters, 1), 2 * CALLS);
	EXPECT_EQ(counters_read(self->counters, 2), 2 * CALLS);
}

/* Makes this thread's shadow stack, or ends it, without a return. */
#define shadow_stack(option) ({						\
	long result_ = __NR_arch_prctl;					\
									\
	asm volatile("syscall" : "+a" (result_) :			\
		     "D" (option), "S" (ARCH_SHSTK_SHSTK) :		\
		     "rcx", "r11", "memory", "cc");			\
	result_;							\
})

/* Whether all went well; -1 if there are no shadow stacks */
static __attribute_noinline__ int call_with_shadow_stack(unsigned int calls)
{
	bool well = true;

	if (shadow_stack(ARCH_SHSTK_ENABLE))
		return -1;
	for (unsigned int i = 0; i < calls; i++) {
		well &= call_numbered(NUMBER) == NUMBER;
		well &= call_pointer_function(emulated_function) == BRANCHED;
		well &= read_ip_function() == BRANCHED;
	}
	shadow_stack(ARCH_SHSTK_DISABLE);
	return well;
}

static int shadow_stack_process(const void *argument)
{
	const unsigned int *calls = argument;
	int well = call_with_shadow_stack(*calls);

	return well < 0 ? KSFT_SKIP : well ? KSFT_PASS : KSFT_FAIL;
}

/*
 * Checks that ret, call * and call +0 leave the shadow stack as the CPU does: the
 * returns without a probe would fail otherwise. A return probe changes it, too.
 */
TEST_F_TIMEOUT(branches, shadow_stack, TIME_LIMIT)
{
	const char *function = numbered_function(NUMBER);
	const unsigned int calls = CALLS;
	int probes[] = {
		probe_attach(function + RETURN_OFFSET, program_count(self->counters, 0)),
		probe_attach(call_pointer_site, program_count(self->counters, 1)),
		probe_attach(read_ip_site, program_count(self->counters, 2)),
		probe_attach_return(function, program_count(self->counters, 3)),
	};
	int result = run_isolated(shadow_stack_process, &calls, TIME_LIMIT);

	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++)
		close(probes[i]);
	if (result == KSFT_SKIP)
		SKIP(return, "no shadow stacks on this machine");
	EXPECT_EQ(result, KSFT_PASS);
	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++)
		EXPECT_EQ(counters_read(self->counters, i), CALLS);
}

/* What a return to an address that is not on the shadow stack raises */
static siginfo_t violation;
static uintptr_t violation_ip;

static void note_violation(int signal, siginfo_t *info, void *context)
{
	violation = *info;
	violation_ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	_exit(info->si_code == SEGV_CPERR && violation_ip == (uintptr_t)return_site ?
	      KSFT_PASS : KSFT_FAIL);
}

static __attribute_noinline__ int violate_shadow_stack(const void *argument)
{
	static const void *const return_stack[] = { returned_site };
	struct sigaction action = {
		.sa_sigaction = note_violation, .sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t stack = { .ss_size = 65536, .ss_sp = malloc(65536) };

	if (!stack.ss_sp || sigaltstack(&stack, NULL) || sigaction(SIGSEGV, &action, NULL))
		return KSFT_FAIL;
	if (shadow_stack(ARCH_SHSTK_ENABLE))
		return KSFT_SKIP;
	return_function(return_stack);
	_exit(KSFT_FAIL);
}

/* Checks that a return which the shadow stack forbids is not emulated. */
TEST_F_TIMEOUT(branches, shadow_stack_violated, TIME_LIMIT)
{
	int result = run_isolated(violate_shadow_stack, NULL, TIME_LIMIT);

	if (result == KSFT_SKIP)
		SKIP(return, "no shadow stacks on this machine");
	EXPECT_EQ(result, KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
}

TEST_HARNESS_MAIN
