// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that probed instructions that raise #GP and are then emulated by the kernel
 * (User-Mode Instruction Prevention, UMIP) do what they do without a probe: each is
 * executed once, nothing behind it is executed in its slot, and faults, debuggers and
 * the removal of a probe in the middle of it make no difference.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "probe.h"
#include "registers.h"
#include "threads.h"
#include "umip.h"

/* Bytes for results of instructions, and for counters */
#define RESULTS		0x200
#define COUNTERS	0x200
/* Any page size is a multiple of it. */
#define CANARY		4096
/* Such as zeroes would add to where rax points: its low byte is not zero. */
#define CANARY_OFFSET	0x40
#define CANARY_BYTE	0xa5
/* Carry, parity, adjust, zero, sign, overflow, and the bit that is always set */
#define FLAGS		0x8d7UL
/* Seconds: many times what one case takes, even with every debug option */
#define PATIENCE	60
#define TIME_LIMIT	300
#define MOST_STEPS	100000
#define MOST_PLACES	64

/* All that an instruction and the code behind it can change */
struct world {
	struct umip_state state;
	uint8_t results[RESULTS];
	uint8_t counters[COUNTERS];
	uint8_t relative[sizeof(umip_result)];

	_Alignas(64) uint8_t canary[CANARY];
};

/* Shared with the processes that execute the cases */
static struct world *world;
static bool *has_area;

static void make_world(void)
{
	world = mmap(NULL, sizeof(*world) + sizeof(*has_area), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	has_area = (bool *)(world + 1);
}

static void reset_world(void)
{
	memset(world, 0, sizeof(*world));
	memset(world->canary, CANARY_BYTE, sizeof(world->canary));
	*has_area = false;
	world->state.rax = (uintptr_t)world->canary + CANARY_OFFSET;
	world->state.rcx = (uintptr_t)world->counters;
	world->state.rsi = (uintptr_t)world->results;
	world->state.rdx = ~0UL;
	world->state.flags = FLAGS;
}

static int execute(const void *argument)
{
	const struct umip_case *one = argument;

	memset(umip_result, 0, sizeof(umip_result));
	one->function(&world->state);
	memcpy(world->relative, umip_result, sizeof(umip_result));
	*has_area = xol_area_mapped();
	return KSFT_PASS;
}

/* Executes @one in a process of its own; returns whether that got to its end. */
static bool run(const struct umip_case *one, struct world *after)
{
	bool done;

	reset_world();
	done = run_isolated(execute, one, PATIENCE) == KSFT_PASS;
	memcpy(after, world, sizeof(*after));
	return done;
}

static bool has_umip(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool found = false;
	char line[4096];

	if (!file)
		ksft_exit_fail_perror("/proc/cpuinfo");
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "flags", 5) && strstr(line, " umip");
	fclose(file);
	return found;
}

static const struct umip_case *find_case(const char *text, const char *next_kind)
{
	const struct umip_case *one;

	for_each_umip_case(one)
		if (!strcmp(one->text, text) && !strcmp(one->next_kind, next_kind))
			return one;
	ksft_exit_fail_msg("%s, %s: no such case\n", text, next_kind);
}

FIXTURE(umip) {
	int counters;
};

FIXTURE_VARIANT(umip) {
	const char *next_kind;
};

FIXTURE_VARIANT_ADD(umip, next_counts) { .next_kind = "count" };
FIXTURE_VARIANT_ADD(umip, next_is_probed) { .next_kind = "probed" };
FIXTURE_VARIANT_ADD(umip, next_tells_its_address) { .next_kind = "address" };
FIXTURE_VARIANT_ADD(umip, next_calls) { .next_kind = "call" };
FIXTURE_VARIANT_ADD(umip, next_is_long) { .next_kind = "long" };
FIXTURE_VARIANT_ADD(umip, next_returns) { .next_kind = "return" };

FIXTURE_SETUP(umip)
{
	if (!has_umip())
		SKIP(return, "nothing is emulated: needs a CPU with UMIP, and CONFIG_X86_UMIP");
	make_world();
}

FIXTURE_TEARDOWN(umip)
{
}

/*
 * Checks that registers, flags, memory and the code behind the instruction are as
 * without a probe, and that each probe is hit once.
 */
TEST_F_TIMEOUT(umip, same_effect_once, TIME_LIMIT)
{
	bool next_is_probed = !strcmp(variant->next_kind, "probed");
	const struct umip_case *one;

	for_each_umip_case(one) {
		static struct world unprobed, probed;
		int counters, probe, next_probe = -1;

		if (strcmp(one->next_kind, variant->next_kind))
			continue;
		ASSERT_TRUE(run(one, &unprobed))
			TH_LOG("%s, unprobed", one->text);
		EXPECT_FALSE(*has_area);

		counters = counters_create(2);
		probe = probe_attach(one->site, program_count(counters, 0));
		if (next_is_probed)
			next_probe = probe_attach(one->next, program_count(counters, 1));
		EXPECT_TRUE(run(one, &probed))
			TH_LOG("%s does not come to its end", one->text);
		EXPECT_TRUE(*has_area)
			TH_LOG("%s is not executed out of line", one->text);
		EXPECT_EQ(counters_read(counters, 0), 1)
			TH_LOG("hits of %s", one->text);
		EXPECT_EQ(counters_read(counters, 1), next_is_probed)
			TH_LOG("hits of the instruction behind %s", one->text);
		EXPECT_EQ(memcmp(&probed.state, &unprobed.state, sizeof(probed.state)), 0)
			TH_LOG("%s: registers or flags differ", one->text);
		EXPECT_EQ(memcmp(probed.results, unprobed.results, RESULTS), 0)
			TH_LOG("%s: its result differs", one->text);
		EXPECT_EQ(memcmp(probed.relative, unprobed.relative,
				 sizeof(probed.relative)), 0)
			TH_LOG("%s: its result differs", one->text);
		EXPECT_EQ(memcmp(probed.counters, unprobed.counters, COUNTERS), 0)
			TH_LOG("%s: what the next instruction stores differs", one->text);
		EXPECT_EQ(memcmp(probed.canary, unprobed.canary, CANARY), 0)
			TH_LOG("%s: memory at (%%rax) is overwritten", one->text);
		if (next_is_probed)
			close(next_probe);
		close(probe);
		close(counters);
	}
}

FIXTURE(fault) {
	int counters;
};

FIXTURE_SETUP(fault)
{
	if (!has_umip())
		SKIP(return, "nothing is emulated: needs a CPU with UMIP, and CONFIG_X86_UMIP");
	make_world();
	self->counters = counters_create(1);
}

FIXTURE_TEARDOWN(fault)
{
}

static struct {
	unsigned int number;
	int code;
	const void *address;
	uintptr_t ip;
	bool steps;
} seen_fault;

/* The instruction is executed again, and then succeeds. */
static void note_and_repair(int signal, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;

	if (seen_fault.number++)
		_exit(KSFT_FAIL);
	seen_fault.code = info->si_code;
	seen_fault.address = info->si_addr;
	seen_fault.ip = *context_ip(context);
	seen_fault.steps = context_steps(context);
	context->uc_mcontext.gregs[REG_RSI] = (uintptr_t)world->results;
}

static int fault_then_succeed(const void *argument)
{
	const struct umip_case *one = argument;
	void *unmapped = mmap(NULL, CANARY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = {
		.sa_sigaction = note_and_repair,
		.sa_flags = SA_SIGINFO,
	};

	if (unmapped == MAP_FAILED || sigaction(SIGSEGV, &action, NULL))
		return KSFT_FAIL;
	world->state.rsi = (uintptr_t)unmapped;
	one->function(&world->state);
	*has_area = xol_area_mapped();
	return seen_fault.number == 1 && seen_fault.ip == (uintptr_t)one->site &&
	       seen_fault.address == unmapped && seen_fault.code == SEGV_MAPERR &&
	       !seen_fault.steps ? KSFT_PASS : KSFT_FAIL;
}

/*
 * Checks that SIGSEGV tells of the instruction when its result cannot be stored, and
 * that the instruction is executed again when the handler returns.
 */
TEST_F_TIMEOUT(fault, result_cannot_be_stored, TIME_LIMIT)
{
	static const char * const texts[] = { "sgdt (%rsi)", "smsw (%rsi)", "str (%rsi)" };
	static struct world unprobed;

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct umip_case *one = find_case(texts[i], "call");
		uint64_t before = counters_read(self->counters, 0);
		int probe;

		reset_world();
		ASSERT_EQ(run_isolated(fault_then_succeed, one, PATIENCE), KSFT_PASS)
			TH_LOG("%s, unprobed", one->text);
		EXPECT_FALSE(*has_area);
		memcpy(&unprobed, world, sizeof(unprobed));

		probe = probe_attach(one->site, program_count(self->counters, 0));
		reset_world();
		EXPECT_EQ(run_isolated(fault_then_succeed, one, PATIENCE), KSFT_PASS)
			TH_LOG("%s", one->text);
		close(probe);
		EXPECT_TRUE(*has_area);
		EXPECT_EQ(memcmp(world, &unprobed, sizeof(unprobed)), 0)
			TH_LOG("%s: its effect differs", one->text);
		/* the attempt that faulted, and the one that succeeded */
		EXPECT_EQ(counters_read(self->counters, 0) - before, 2)
			TH_LOG("hits of %s", one->text);
	}
}

FIXTURE(debugger) {
	int counters;
	const struct umip_case *one;
};

FIXTURE_VARIANT(debugger) {
	const char *text;
};

FIXTURE_VARIANT_ADD(debugger, sgdt) { .text = "sgdt (%rsi)" };
FIXTURE_VARIANT_ADD(debugger, smsw) { .text = "smsw %edx" };

FIXTURE_SETUP(debugger)
{
	if (!has_umip())
		SKIP(return, "nothing is emulated: needs a CPU with UMIP, and CONFIG_X86_UMIP");
	make_world();
	self->counters = counters_create(1);
	self->one = find_case(variant->text, "call");
}

FIXTURE_TEARDOWN(debugger)
{
}

/* Where a process was seen from the instruction on to the end of the case, in turn */
struct trace {
	unsigned int number;
	uintptr_t places[MOST_PLACES];
	unsigned int in_area;
};

/* Single-steps a new process to its end; returns whether it ends well. */
static bool step_process(const struct umip_case *one, struct trace *trace)
{
	struct xol_mappings areas;
	uintptr_t ip;
	int status;
	pid_t pid;

	memset(trace, 0, sizeof(*trace));
	reset_world();
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		/* so that there is an area to look for */
		one->function(&world->state);
		reset_world();
		*has_area = xol_area_mapped();
		raise(SIGSTOP);
		one->function(&world->state);
		_exit(KSFT_PASS);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return false;
	xol_mappings_find(pid, &areas);
	for (unsigned int i = 0; i < MOST_STEPS; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != SIGTRAP) {
			ksft_print_msg("signal %d at %#lx\n", WSTOPSIG(status),
				       traced_ip(pid));
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		ip = traced_ip(pid);
		trace->in_area += xol_mappings_hold(&areas, ip);
		if (ip >= (uintptr_t)one->site && ip <= (uintptr_t)one->end &&
		    trace->number < MOST_PLACES)
			trace->places[trace->number++] = ip;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS;
}

/*
 * Checks that a debugger's step over the instruction is one step. Without a probe it
 * leads beyond the next instruction, because the kernel skips the first one without
 * a trap; with a probe it may lead there, too, or to the next instruction.
 */
TEST_F_TIMEOUT(debugger, single_steps, TIME_LIMIT)
{
	const struct umip_case *one = self->one;
	struct trace unprobed, probed;
	static struct world expected;
	unsigned int behind = 1;
	int probe;

	ASSERT_TRUE(step_process(one, &unprobed));
	EXPECT_FALSE(*has_area);
	memcpy(&expected, world, sizeof(expected));
	ASSERT_GE(unprobed.number, 2);
	ASSERT_EQ(unprobed.places[0], (uintptr_t)one->site);

	probe = probe_attach(one->site, program_count(self->counters, 0));
	EXPECT_TRUE(step_process(one, &probed));
	close(probe);
	EXPECT_TRUE(*has_area);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	EXPECT_EQ(probed.in_area, 0);
	ASSERT_GE(probed.number, 2);
	EXPECT_EQ(probed.places[0], (uintptr_t)one->site);
	if (probed.places[1] == (uintptr_t)one->next &&
	    unprobed.places[1] != (uintptr_t)one->next)
		behind = 2;
	EXPECT_EQ(probed.number - behind, unprobed.number - 1);
	for (unsigned int i = 1; i < unprobed.number && i - 1 + behind < probed.number; i++)
		EXPECT_EQ(probed.places[i - 1 + behind], unprobed.places[i]);
	EXPECT_EQ(memcmp(world, &expected, sizeof(expected)), 0);
}

FIXTURE(removal) {
	int counters;
	int uffd;
	void *page;
};

FIXTURE_SETUP(removal)
{
	if (!has_umip())
		SKIP(return, "nothing is emulated: needs a CPU with UMIP, and CONFIG_X86_UMIP");
	make_world();
	reset_world();
	self->counters = counters_create(1);
	/* the kernel stores the result: not for user space's faults alone */
	self->uffd = missing_memory(&self->page, sysconf(_SC_PAGESIZE), O_NONBLOCK);
}

FIXTURE_TEARDOWN(removal)
{
}

static const struct umip_case *blocking_case;

static void execute_blocking(unsigned int index)
{
	blocking_case->function(&world->state);
}

/*
 * Checks that the step of an instruction ends well whose probe is removed while the
 * kernel waits for the page that the result is stored to.
 */
TEST_F_TIMEOUT(removal, in_the_middle, TIME_LIMIT)
{
	struct umip_state expected;
	uint8_t result[RESULTS];
	struct threads *threads;
	int probe;

	blocking_case = find_case("sgdt (%rsi)", "call");
	blocking_case->function(&world->state);
	expected = world->state;
	memcpy(result, world->results, sizeof(result));
	EXPECT_FALSE(xol_area_mapped());

	reset_world();
	world->state.rsi = (uintptr_t)self->page;
	probe = probe_attach(blocking_case->site, program_count(self->counters, 0));
	threads = threads_start(1, execute_blocking);
	ASSERT_TRUE(missing_memory_wait(self->uffd, PATIENCE));
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	EXPECT_TRUE(xol_area_mapped());
	close(probe);
	missing_memory_serve(self->uffd, self->page, sysconf(_SC_PAGESIZE));
	threads_join(threads);

	EXPECT_EQ(counters_read(self->counters, 0), 1);
	EXPECT_EQ(memcmp(self->page, result, sizeof(result)), 0);
	EXPECT_EQ(world->state.rax, expected.rax);
	EXPECT_EQ(world->state.rcx, expected.rcx);
	EXPECT_EQ(world->state.rdx, expected.rdx);
	EXPECT_EQ(world->state.rsi, (uintptr_t)self->page);
	EXPECT_EQ(world->state.r8, expected.r8);
	EXPECT_EQ(world->state.flags, expected.flags);
	for (unsigned int i = 0; i < CANARY; i++)
		ASSERT_EQ(world->canary[i], CANARY_BYTE);
	/* not probed any more */
	reset_world();
	blocking_case->function(&world->state);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
}

TEST_HARNESS_MAIN
