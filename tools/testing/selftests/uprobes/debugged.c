// SPDX-License-Identifier: GPL-2.0
/*
 * Debuggers' means, with probes in what is debugged: steps of one instruction and of
 * a block, a trap flag that the program itself sets, and breakpoints on data. What
 * is told is what would be told without the probes.
 */
#include <errno.h>
#include <stddef.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/ptrace.h>
#include <asm/ptrace.h>
#endif
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/perf_event.h>
#include <linux/hw_breakpoint.h>

#include "kselftest_harness.h"
#include "breakpoint.h"
#include "functions.h"
#include "probe.h"
#include "registers.h"
#include "rounds.h"
#include "slots.h"

#define ARGUMENT	0x1234
#define MOST_PLACES	64
#define MOST_STEPS	100000
#define TIME_LIMIT	120

#ifndef PTRACE_SINGLEBLOCK
#define PTRACE_SINGLEBLOCK	33
#endif

/* Where an execution of round_function was seen, in turn */
struct trace {
	unsigned int number;
	uintptr_t places[MOST_PLACES];
};

static void trace_add(struct trace *trace, uintptr_t ip)
{
	if (ip < (uintptr_t)round_function || ip >= (uintptr_t)round_function_end)
		return;
	if (trace->number < MOST_PLACES)
		trace->places[trace->number] = ip - (uintptr_t)round_function;
	trace->number++;
}

#define EXPECT_SAME_TRACE(one, other) do {				\
	EXPECT_EQ((one)->number, (other)->number);			\
	ASSERT_LE((one)->number, MOST_PLACES);				\
	for (unsigned int i = 0; i < (one)->number; i++)		\
		EXPECT_EQ((one)->places[i], (other)->places[i]);	\
} while (0)

FIXTURE(debugged) {
	int counters;
	unsigned int sites;
};

FIXTURE_SETUP(debugged)
{
	self->sites = round_sites();
	self->counters = counters_create(self->sites);
}

FIXTURE_TEARDOWN(debugged)
{
}

static int attach(int counters)
{
	return probe_attach_each(__start_round_sites, round_sites(), counters);
}

#define EXPECT_COUNTED(rounds) do {					\
	for (unsigned int site = 0; site < self->sites; site++) {	\
		EXPECT_EQ(counters_read(self->counters, site), rounds)	\
			TH_LOG("instruction %u of round_function", site); \
	}								\
} while (0)

/* It has an area, if it has probes, and waits to be debugged. */
static pid_t start_traced(void)
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		round_function(ARGUMENT);
		raise(SIGSTOP);
		_exit(round_function(ARGUMENT) == round_result(ARGUMENT) ?
		      KSFT_PASS : KSFT_FAIL);
	}
	return pid;
}

/*
 * Steps a new process by @request to its end; false if it ends too early, or in
 * another way.
 */
static bool step_process(int request, struct trace *trace, unsigned int *in_area)
{
	struct xol_mappings areas;
	uintptr_t ip;
	pid_t pid = start_traced();
	int status;

	memset(trace, 0, sizeof(*trace));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return false;
	for (unsigned int i = 0; i < MOST_STEPS; i++) {
		if (ptrace(request, pid, NULL, NULL)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		ip = traced_ip(pid);
		/* the first step of a hit adds a mapping */
		xol_mappings_find(pid, &areas);
		*in_area += xol_mappings_hold(&areas, ip);
		trace_add(trace, ip);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS;
}

TEST_F_TIMEOUT(debugged, single_stepped, TIME_LIMIT)
{
	struct trace unprobed, probed;
	unsigned int in_area = 0;
	int probes;

	if (steps_lack())
		SKIP(return, "debuggers' steps need %s", steps_lack());
	ASSERT_TRUE(step_process(PTRACE_SINGLESTEP, &unprobed, &in_area));
	EXPECT_GT(unprobed.number, self->sites);
	probes = attach(self->counters);
	EXPECT_TRUE(step_process(PTRACE_SINGLESTEP, &probed, &in_area));
	close(probes);
	EXPECT_EQ(in_area, 0);
	EXPECT_COUNTED(2);
	EXPECT_SAME_TRACE(&probed, &unprobed);
}

/*
 * The kernel's step of one instruction ends what was left of the block: a debugger
 * may be told of places inside of it.
 */
TEST_F_TIMEOUT(debugged, block_stepped, TIME_LIMIT)
{
	struct trace unprobed, probed;
	unsigned int in_area = 0;
	int probes;

	if (!step_process(PTRACE_SINGLEBLOCK, &unprobed, &in_area))
		SKIP(return, "no steps of blocks on this machine");
	probes = attach(self->counters);
	EXPECT_TRUE(step_process(PTRACE_SINGLEBLOCK, &probed, &in_area));
	close(probes);
	EXPECT_EQ(in_area, 0);
	EXPECT_GE(probed.number, unprobed.number);
	EXPECT_COUNTED(2);
}

#if defined(__x86_64__)
static struct trace own_trace;
static struct xol_mappings areas;
static unsigned int seen_in_area;

static void note_trap(int signal, siginfo_t *info, void *context)
{
	uintptr_t ip = *context_ip(context);

	seen_in_area += xol_mappings_hold(&areas, ip);
	trace_add(&own_trace, ip);
}

static void set_handler(void)
{
	struct sigaction action = {
		.sa_sigaction = note_trap,
		.sa_flags = SA_SIGINFO,
	};

	if (sigaction(SIGTRAP, &action, NULL))
		ksft_exit_fail_perror("sigaction");
}

static uint64_t do_round_with_trap_flag(void)
{
	uint64_t result;

	own_trace.number = 0;
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | FLAG_TRAP);
	result = round_function(ARGUMENT);
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~FLAG_TRAP);
	return result;
}

TEST_F_TIMEOUT(debugged, steps_itself, TIME_LIMIT)
{
	struct trace unprobed;
	int probes;

	set_handler();
	EXPECT_EQ(do_round_with_trap_flag(), round_result(ARGUMENT));
	EXPECT_GT(own_trace.number, self->sites);
	unprobed = own_trace;

	probes = attach(self->counters);
	/* as a hit that is boosted, and as one that is stepped */
	round_function(ARGUMENT);
	EXPECT_EQ(do_round_with_trap_flag(), round_result(ARGUMENT));
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	EXPECT_EQ(do_round_with_trap_flag(), round_result(ARGUMENT));
	/* and not any more */
	own_trace.number = 0;
	EXPECT_EQ(round_function(ARGUMENT), round_result(ARGUMENT));
	EXPECT_EQ(own_trace.number, 0);
	EXPECT_EQ(do_round_with_trap_flag(), round_result(ARGUMENT));
	close(probes);
	EXPECT_SAME_TRACE(&own_trace, &unprobed);
	EXPECT_EQ(seen_in_area, 0);
	EXPECT_COUNTED(5);
}

static uint64_t watched;

#define HYPERVISOR_LEAF		0x40000000
#define TRANSLATOR_SIGNATURE	"TCGTCGTCGTCG"

/*
 * QEMU's translator makes two exceptions of a step and a breakpoint on data that are
 * due after the same instruction. The second one is taken before the first one's
 * handler has saved anything, and the processor runs in a circle.
 */
static bool steps_hang_on_data(void)
{
	unsigned int registers[4];

	if (boost_is_on())
		return false;
	__cpuid(HYPERVISOR_LEAF, registers[0], registers[1], registers[2], registers[3]);
	return !memcmp(&registers[1], TRANSLATOR_SIGNATURE, strlen(TRANSLATOR_SIGNATURE));
}

static struct {
	unsigned int number;
	uintptr_t ip;
} watch_traps;

static void note_watch(int signal, siginfo_t *info, void *context)
{
	uintptr_t ip = *context_ip(context);

	seen_in_area += xol_mappings_hold(&areas, ip);
	watch_traps.ip = ip;
	watch_traps.number++;
}

/* Nothing but the probed instruction accesses what is watched. */
#define WATCHED_STORES	100

/* The trap comes after the instruction, and tells of the next one. */
TEST_F_TIMEOUT(debugged, data_watched, TIME_LIMIT)
{
	struct sigaction action = {
		.sa_sigaction = note_watch,
		.sa_flags = SA_SIGINFO,
	};
	uintptr_t unprobed_ip;
	int event, probe;

	if (steps_hang_on_data())
		SKIP(return, "QEMU hangs when it steps to a breakpoint on data");
	event = breakpoint_open(HW_BREAKPOINT_RW, &watched, sizeof(watched), true);
	if (event < 0)
		SKIP(return, "no breakpoint on data that raises a signal: %s", strerror(errno));
	ASSERT_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	store_function(&watched, 1);
	ASSERT_EQ(watch_traps.number, 1);
	unprobed_ip = watch_traps.ip;

	probe = probe_attach(store_function, program_count(self->counters, 0));
	ASSERT_EQ(ioctl(event, PERF_EVENT_IOC_DISABLE, 0), 0);
	store_function(&watched, 2);
	ASSERT_TRUE(xol_mappings_find(getpid(), &areas));
	ASSERT_EQ(ioctl(event, PERF_EVENT_IOC_ENABLE, 0), 0);
	watch_traps.number = 0;
	for (unsigned int i = 0; i < WATCHED_STORES; i++)
		store_function(&watched, i);
	ASSERT_EQ(ioctl(event, PERF_EVENT_IOC_DISABLE, 0), 0);
	close(probe);
	close(event);

	EXPECT_EQ(watched, WATCHED_STORES - 1);
	EXPECT_EQ(counters_read(self->counters, 0), 1 + WATCHED_STORES);
	EXPECT_EQ(seen_in_area, 0);
	if (!boost_is_on() && !watch_traps.number)
		EXPECTED_FAILURE(return, "the trap of the step hides that of the breakpoint");
	EXPECT_EQ(watch_traps.number, WATCHED_STORES);
	EXPECT_EQ(watch_traps.ip, unprobed_ip);
}

#define DEBUG_REGISTER(number)	offsetof(struct user, u_debugreg[number])
/* 8 bytes, read or written, of the address in the first register */
#define WATCH_FIRST	0xb0001UL
#define HIT_FIRST	0x1UL

/* Stores while a debugger watches; returns where it was told of that, or 0. */
static uintptr_t watched_by_debugger(bool *in_area)
{
	struct xol_mappings areas;
	uintptr_t ip = 0;
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		store_function(&watched, 1);
		raise(SIGSTOP);
		store_function(&watched, 2);
		_exit(KSFT_PASS);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 0;
	if (!ptrace(PTRACE_POKEUSER, pid, DEBUG_REGISTER(0), &watched) &&
	    !ptrace(PTRACE_POKEUSER, pid, DEBUG_REGISTER(7), WATCH_FIRST)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
		    WSTOPSIG(status) == SIGTRAP &&
		    ptrace(PTRACE_PEEKUSER, pid, DEBUG_REGISTER(6), NULL) & HIT_FIRST) {
			ip = traced_ip(pid);
			xol_mappings_find(pid, &areas);
			*in_area |= xol_mappings_hold(&areas, ip);
		}
	}
	if (WIFSTOPPED(status)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		waitpid(pid, &status, 0);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS ? ip : 0;
}

TEST_F_TIMEOUT(debugged, data_watched_by_debugger, TIME_LIMIT)
{
	bool in_area = false;
	uintptr_t unprobed, probed;
	int probe;

	if (steps_hang_on_data())
		SKIP(return, "QEMU hangs when it steps to a breakpoint on data");
	unprobed = watched_by_debugger(&in_area);
	if (!unprobed)
		SKIP(return, "no breakpoint on data on this machine");
	probe = probe_attach(store_function, program_count(self->counters, 0));
	probed = watched_by_debugger(&in_area);
	close(probe);

	EXPECT_EQ(counters_read(self->counters, 0), 2);
	EXPECT_FALSE(in_area);
	if (!boost_is_on() && !probed)
		EXPECTED_FAILURE(return, "the trap of the step hides that of the breakpoint");
	EXPECT_EQ(probed, unprobed);
}
#elif defined(__aarch64__)
TEST_F(debugged, steps_itself)
{
	SKIP(return, "no program can step itself here");
}

TEST_F(debugged, data_watched)
{
	SKIP(return, "the trap comes before the access: the kernel has to step to go on");
}

#define STORES	100

static int store_at_breakpoint(const void *argument)
{
	const int *counters = argument;
	static uint64_t stored;
	int event = breakpoint_open(HW_BREAKPOINT_X, store_function, sizeof(long), false);

	if (event < 0)
		return KSFT_SKIP;
	probe_attach(store_function, program_count(*counters, 0));
	for (uint64_t i = 1; i <= STORES; i++) {
		store_function(&stored, i);
		if (stored != i)
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

/*
 * Checks that the step by which the kernel resumes a breakpoint, and that of the
 * probe at the same address, are both ended.
 */
TEST_F_TIMEOUT(debugged, breakpoint_at_the_probe, TIME_LIMIT)
{
	int result = run_isolated(store_at_breakpoint, &self->counters, TIME_LIMIT / 2);

	if (result == KSFT_SKIP)
		SKIP(return, "no breakpoints on this machine");
	EXPECT_EQ(result, KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), STORES);
}

static uint64_t watched;

/* Stores of 8 bytes by user space, as DBGWCR_EL1 has it */
#define WATCH_STORES	(0xff << 5 | 2 << 3 | 2 << 1 | 1)

static bool watch(pid_t pid, uint32_t control)
{
	struct user_hwdebug_state state = {
		.dbg_regs[0] = { .addr = (uintptr_t)&watched, .ctrl = control },
	};
	struct iovec iov = {
		.iov_base = &state,
		.iov_len = offsetof(struct user_hwdebug_state, dbg_regs[1]),
	};

	return !ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_HW_WATCH, &iov);
}

/*
 * Stores while a debugger watches, which then goes on without watching. Returns
 * where the debugger was told of the store, or 0.
 */
static uintptr_t watched_by_debugger(bool *in_area)
{
	uintptr_t start = 0, end = 0, ip = 0;
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		store_function(&watched, 1);
		raise(SIGSTOP);
		store_function(&watched, 2);
		_exit(watched == 2 ? KSFT_PASS : KSFT_FAIL);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 0;
	xol_area_range(pid, &start, &end);
	if (watch(pid, WATCH_STORES)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
		    WSTOPSIG(status) == SIGTRAP && watch(pid, 0)) {
			ip = traced_ip(pid);
			*in_area |= ip >= start && ip < end;
		}
	}
	if (WIFSTOPPED(status)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		waitpid(pid, &status, 0);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS ? ip : 0;
}

/*
 * Checks that a debugger is told before the access, as without the probe. When the
 * program goes on, the probe is hit once more.
 */
TEST_F_TIMEOUT(debugged, data_watched_by_debugger, TIME_LIMIT)
{
	bool in_area = false;
	uintptr_t unprobed, probed;
	int probe;

	unprobed = watched_by_debugger(&in_area);
	if (!unprobed)
		SKIP(return, "no breakpoint on data on this machine");
	EXPECT_EQ(unprobed, (uintptr_t)store_function);
	probe = probe_attach(store_function, program_count(self->counters, 0));
	probed = watched_by_debugger(&in_area);
	close(probe);

	EXPECT_EQ(probed, unprobed);
	EXPECT_FALSE(in_area);
	EXPECT_EQ(counters_read(self->counters, 0), 3);
}
#endif

TEST_HARNESS_MAIN
