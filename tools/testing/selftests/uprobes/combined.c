// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that probes and other features of the kernel that act on single instructions
 * leave each other alone: seccomp, syscall user dispatch, protection keys, and
 * breakpoints of perf that raise a signal.
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "kselftest_harness.h"
#include "breakpoint.h"
#include "combined.h"
#include "probe.h"

/* Enough for boosted slots after the first hits */
#define CALLS		20
#define TIME_LIMIT	300

/* Access to memory with key 0 is disabled. */
#define PKRU_DENY_0	1
#ifndef TRAP_PERF
#define TRAP_PERF	6
#endif
#define FEATURE_OSPKE	(1 << 4)

/* What the kernel refuses; no call of the C library is one. */
#define REFUSED		__NR_getppid
#define REFUSAL		123

FIXTURE(combined) {
	int counters;
	int probes;
};

enum {
	NUMBER,
	CALLED,
	ADD,
	SITES
};

FIXTURE_SETUP(combined)
{
	const void *sites[SITES] = {
		[NUMBER] = number_site, [CALLED] = called_site, [ADD] = add_site,
	};

	self->counters = counters_create(SITES);
	self->probes = probe_attach_each(sites, SITES, self->counters);
}

FIXTURE_TEARDOWN(combined)
{
	close(self->probes);
}

static int refuse_call(const void *argument)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, REFUSED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | REFUSAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return errno == EINVAL ? KSFT_SKIP : KSFT_FAIL;
	for (unsigned int i = 0; i < CALLS; i++)
		if (call_kernel(REFUSED) != -REFUSAL)
			return KSFT_FAIL;
	return KSFT_PASS;
}

/* Checks that a filter of seccomp sees a call once, whose neighbours are probed. */
TEST_F_TIMEOUT(combined, seccomp_filter, TIME_LIMIT)
{
	int result = run_isolated(refuse_call, NULL, TIME_LIMIT);

	if (result == KSFT_SKIP)
		SKIP(return, "the kernel has no seccomp");
	EXPECT_EQ(result, KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, NUMBER), CALLS);
	EXPECT_EQ(counters_read(self->counters, CALLED), CALLS);
}

static int call_strictly(const void *argument)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return errno == EINVAL ? KSFT_SKIP : KSFT_FAIL;
	/* exit(), whose status is its number */
	return call_kernel(__NR_exit);
}

/* Checks that hits need no call that seccomp denies. */
TEST_F_TIMEOUT(combined, seccomp_strict, TIME_LIMIT)
{
	int result = run_isolated(call_strictly, NULL, TIME_LIMIT);

	if (result == KSFT_SKIP)
		SKIP(return, "the kernel has no seccomp");
	EXPECT_EQ(result, __NR_exit);
	EXPECT_EQ(counters_read(self->counters, NUMBER), 1);
}

static struct {
	char selector;
	unsigned int number, wrong;
} dispatched;

static void note_dispatched(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	dispatched.selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	dispatched.number++;
	dispatched.wrong += info->si_call_addr != called_site ||
			    info->si_syscall != REFUSED ||
			    at->uc_mcontext.gregs[REG_RIP] != (greg_t)called_site;
	at->uc_mcontext.gregs[REG_RAX] = -REFUSAL;
}

static bool dispatch_outside(const char *start, const char *end)
{
	return !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, start, end - start,
		      &dispatched.selector);
}

/* Checks that a call is dispatched by its own address, not by that of a slot. */
TEST_F_TIMEOUT(combined, user_dispatch, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = note_dispatched,
		.sa_flags = SA_SIGINFO,
	};
	long parent = getppid();
	unsigned int wrong = 0;

	ASSERT_EQ(sigaction(SIGSYS, &action, NULL), 0);
	if (!dispatch_outside(call_kernel_end, call_kernel_end + 1))
		SKIP(return, "no dispatch to user space: %s", strerror(errno));
	for (unsigned int i = 0; i < CALLS; i++) {
		dispatched.selector = SYSCALL_DISPATCH_FILTER_BLOCK;
		wrong += call_kernel(REFUSED) != -REFUSAL;
	}
	EXPECT_EQ(dispatched.number, CALLS);
	EXPECT_EQ(dispatched.wrong, 0);

	ASSERT_TRUE(dispatch_outside(number_site, call_kernel_end));
	dispatched.selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	for (unsigned int i = 0; i < CALLS; i++)
		wrong += call_kernel(REFUSED) != parent;
	dispatched.selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	EXPECT_EQ(dispatched.number, CALLS);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(counters_read(self->counters, NUMBER), 2 * CALLS);
	EXPECT_EQ(counters_read(self->counters, CALLED), 2 * CALLS);
}

static bool has_protection_keys(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & FEATURE_OSPKE;
}

static unsigned int protection_keys(void)
{
	unsigned int keys, ignored;

	asm volatile("rdpkru" : "=a" (keys), "=d" (ignored) : "c" (0));
	return keys;
}

/* The kernel stores the number of the CPU there, whatever the protection keys are. */
static bool leave_restartable_sequences(void)
{
	void *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	/* The C library registers the size of the first version, if that is larger. */
	return !__rseq_size ||
	       !syscall(__NR_rseq, area, sizeof(struct rseq), 1 /* unregister */, RSEQ_SIG) ||
	       !syscall(__NR_rseq, area, __rseq_size, 1, RSEQ_SIG);
}

/* Checks that a hit and its slot need no memory that protection keys deny. */
TEST_F_TIMEOUT(combined, key_of_all_memory_denied, TIME_LIMIT)
{
	unsigned int keys, wrong = 0;

	if (!has_protection_keys())
		SKIP(return, "no protection keys");
	ASSERT_TRUE(leave_restartable_sequences());
	keys = protection_keys();
	for (unsigned int i = 0; i < CALLS; i++)
		wrong += add_with_keys(i, keys | PKRU_DENY_0) != i + 1;
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(protection_keys(), keys);
	EXPECT_EQ(counters_read(self->counters, ADD), CALLS);
}

static struct {
	unsigned int number, wrong;
} breaks;

static void note_break(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *at = context;

	breaks.number++;
	breaks.wrong += info->si_code != TRAP_PERF ||
			at->uc_mcontext.gregs[REG_RIP] != (greg_t)add_site;
}

/* Checks that a breakpoint on a probed instruction is hit once, as the probe is. */
TEST_F_TIMEOUT(combined, breakpoint_raises_signal, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = note_break,
		.sa_flags = SA_SIGINFO,
	};
	unsigned int wrong = 0;
	int event;

	if (!has_protection_keys())
		SKIP(return, "no protection keys, which the probed function needs");
	ASSERT_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	event = breakpoint_open(HW_BREAKPOINT_X, add_site, sizeof(long), true);
	if (event < 0)
		SKIP(return, "no breakpoint that raises a signal: %s", strerror(errno));
	for (unsigned int i = 0; i < CALLS; i++)
		wrong += add_with_keys(i, protection_keys()) != i + 1;
	close(event);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(breaks.number, CALLS);
	EXPECT_EQ(breaks.wrong, 0);
	EXPECT_EQ(counters_read(self->counters, ADD), CALLS);
}

TEST_HARNESS_MAIN
