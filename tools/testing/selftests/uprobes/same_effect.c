// SPDX-License-Identifier: GPL-2.0
/*
 * A probed instruction has the effect of the same instruction without a probe:
 * registers, flags, vector and floating point state, memory, stack and where
 * control goes; and each execution is counted once. For every instruction of
 * the table, with one thread and with more threads than an XOL page of any
 * architecture's largest slots has room for.
 *
 * Two controls, which run first, make sure that the comparison can fail: an
 * instruction without a probe must be seen as such, and a BPF program that
 * changes a register before the step must be seen as a difference.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "kselftest.h"
#include "insns.h"
#include "probe.h"

#define THREADS		40
#define RUNS_ALONE	20
#define RUNS_EACH	5
#define TIME_LIMIT	120
#define REPETITIONS	3

#if defined(__x86_64__)
#include <asm/prctl.h>

#define FLAG_TRAP	0x100ULL
#define FX_IP		8	/* offsets in the FXSAVE image */
#define FX_MXCSR	24
#define FX_XMM		160

static const char * const gpr_names[MACHINE_GPRS] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
};

static void machine_setup_thread(struct machine *machine)
{
	syscall(__NR_arch_prctl, ARCH_SET_GS, machine);
}

static bool cpu_has(uint64_t features)
{
	if (features & INSN_AVX && !__builtin_cpu_supports("avx"))
		return false;
	if (features & INSN_BMI && !__builtin_cpu_supports("bmi"))
		return false;
	if (features & INSN_SSE42 && !__builtin_cpu_supports("sse4.2"))
		return false;
	if (features & INSN_FMA && !__builtin_cpu_supports("fma"))
		return false;
	return true;
}

static void cpu_setup(void)
{
	machine_has_avx = !!__builtin_cpu_supports("avx");
}

static void machine_fill_registers(struct machine *machine, uint64_t flags)
{
	machine->gpr[0] = (uintptr_t)landed_call;
	machine->gpr[1] = REPETITIONS;
	machine->gpr[2] = 0x12;
	machine->gpr[3] = (uintptr_t)machine->memory;
	machine->gpr[4] = (uintptr_t)(machine->stack + MACHINE_STACK_TOP);
	machine->gpr[5] = (uintptr_t)(machine->stack + MACHINE_STACK_TOP + 8);
	machine->gpr[6] = (uintptr_t)machine->memory + 128;
	machine->gpr[7] = (uintptr_t)machine->memory + 256;
	machine->gpr[12] = (uintptr_t)machine->memory;
	machine->gpr[13] = (uintptr_t)machine->memory + 128;
	machine->gpr[14] = 2;
	machine->gpr[15] = (uintptr_t)landed_call;
	/* carry, parity, adjust, sign, overflow, and what is always set */
	machine->flags = 0x897 | 0x202;
	machine->stack[MACHINE_STACK_TOP] = flags & INSN_POPS_FLAGS ?
		0x46 | 0x202 : (uintptr_t)landed_return;
	machine->stack[MACHINE_STACK_TOP - 1] = (uintptr_t)landed_call;
	machine->stack[MACHINE_STACK_TOP + 1] = (uintptr_t)landed_call;

	memset(machine->fx, 0, FX_XMM);
	machine->fx[0] = 0x7f;
	machine->fx[1] = 0x03;
	machine->fx[FX_MXCSR] = 0x80;
	machine->fx[FX_MXCSR + 1] = 0x1f;
	/* the low halves of the first registers: as in the FXSAVE image */
	for (int i = 0; i < 8; i++)
		memcpy(machine->ymm[i], machine->fx + FX_XMM + 16 * i, 16);
}

/* Where an x87 instruction was executed is the slot, when it was stepped. */
static void machine_forget_place(struct machine *machine)
{
	memset(machine->fx + FX_IP, 0, FX_MXCSR - FX_IP);
	/* which bits this CPU's control register has, not state */
	memset(machine->fx + FX_MXCSR + 4, 0, 4);
}

static bool same_vectors(const struct machine *a, const struct machine *b)
{
	return !memcmp(a->fx, b->fx, sizeof(a->fx)) &&
	       !memcmp(a->ymm, b->ymm, sizeof(a->ymm));
}

#elif defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>

#define FLAG_TRAP	0ULL

static const char * const gpr_names[MACHINE_GPRS] = {
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
	"x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
	"sp"
};

static void machine_setup_thread(struct machine *machine)
{
}

static bool cpu_has(uint64_t features)
{
	unsigned long hwcap = getauxval(AT_HWCAP);

	if (features & INSN_LSE && !(hwcap & HWCAP_ATOMICS))
		return false;
	if (features & INSN_PAC && !(hwcap & HWCAP_PACA))
		return false;
	if (features & INSN_LRCPC && !(hwcap & HWCAP_ILRCPC))
		return false;
	if (features & INSN_CRC32 && !(hwcap & HWCAP_CRC32))
		return false;
	if (features & INSN_FLAGM && !(hwcap & HWCAP_FLAGM))
		return false;
	if (features & INSN_CRYPTO && ~hwcap & (HWCAP_AES | HWCAP_PMULL | HWCAP_SHA2))
		return false;
	if (features & INSN_SVE && !(hwcap & HWCAP_SVE))
		return false;
	return true;
}

/* Signs @pointer as pacia1716, which does nothing on CPUs without such signatures. */
static uint64_t sign(uint64_t pointer, uint64_t modifier)
{
	register uint64_t x17 asm("x17") = pointer;
	register uint64_t x16 asm("x16") = modifier;

	asm("hint 8" : "+r" (x17) : "r" (x16));
	return x17;
}

static void cpu_setup(void)
{
}

static void machine_fill_registers(struct machine *machine, uint64_t flags)
{
	machine->gpr[0] = (uintptr_t)landed_call;
	machine->gpr[1] = 3;
	machine->gpr[2] = 0x12;
	machine->gpr[3] = (uintptr_t)machine->memory;
	machine->gpr[4] = (uintptr_t)machine->memory + 128;
	machine->gpr[17] = sign((uintptr_t)landed_call, machine->gpr[16]);
	machine->gpr[28] = (uintptr_t)machine;
	machine->gpr[30] = (uintptr_t)landed_return;
	machine->gpr[31] = (uintptr_t)(machine->stack + MACHINE_STACK_TOP);
	if (flags & INSN_SIGNED)
		machine->gpr[30] = sign(machine->gpr[30], machine->gpr[31]);
	/* negative and carry */
	machine->flags = 0xa0000000;
	machine->fpsr = 0;
}

static void machine_forget_place(struct machine *machine)
{
}

static bool same_vectors(const struct machine *a, const struct machine *b)
{
	return a->fpsr == b->fpsr &&
	       !memcmp(a->vector, b->vector, sizeof(a->vector));
}

#elif defined(__riscv)
#include <sys/auxv.h>
#include <asm/hwprobe.h>

#define FLAG_TRAP	0ULL

static const char * const gpr_names[MACHINE_GPRS] = {
	"zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",
	"a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6",
	"s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"
};

static uint64_t extensions;

static void machine_setup_thread(struct machine *machine)
{
}

static bool cpu_has(uint64_t features)
{
	if (features & INSN_VECTOR && !machine_has_vector)
		return false;
	if (features & INSN_ZBA && !(extensions & RISCV_HWPROBE_EXT_ZBA))
		return false;
	if (features & INSN_ZBB && !(extensions & RISCV_HWPROBE_EXT_ZBB))
		return false;
	if (features & INSN_ZBS && !(extensions & RISCV_HWPROBE_EXT_ZBS))
		return false;
	if (features & INSN_ZBC && !(extensions & RISCV_HWPROBE_EXT_ZBC))
		return false;
	if (features & INSN_ZICOND && !(extensions & RISCV_HWPROBE_EXT_ZICOND))
		return false;
	if (features & INSN_ZFA && !(extensions & RISCV_HWPROBE_EXT_ZFA))
		return false;
	return true;
}

static void cpu_setup(void)
{
	struct riscv_hwprobe pair = { .key = RISCV_HWPROBE_KEY_IMA_EXT_0 };
	unsigned long bytes = 0;

	if (!syscall(__NR_riscv_hwprobe, &pair, 1, 0, NULL, 0) && pair.key >= 0)
		extensions = pair.value;
	if (extensions & RISCV_HWPROBE_IMA_V) {
		/* vlenb */
		asm volatile("csrr %0, 0xc22" : "=r" (bytes));
		machine_has_vector = bytes <= MACHINE_VECTOR_BYTES;
	}
}

static void machine_fill_registers(struct machine *machine, uint64_t flags)
{
	machine->gpr[1] = (uintptr_t)landed_return;
	machine->gpr[2] = (uintptr_t)(machine->stack + MACHINE_STACK_TOP);
	machine->gpr[10] = (uintptr_t)landed_call;
	machine->gpr[11] = 3;
	machine->gpr[12] = 0x12;
	machine->gpr[13] = (uintptr_t)machine->memory;
	machine->gpr[14] = (uintptr_t)machine->memory + 128;
	/* rounding to nearest, and no exception */
	machine->flags = 0;
	/* what machine_execute() sets */
	machine->vl = 3;
	machine->vtype = 0x10;
	machine->vcsr = 0;
}

static void machine_forget_place(struct machine *machine)
{
}

static bool same_vectors(const struct machine *a, const struct machine *b)
{
	return a->vl == b->vl && a->vtype == b->vtype && a->vcsr == b->vcsr &&
	       !memcmp(a->fp, b->fp, sizeof(a->fp)) &&
	       !memcmp(a->vector, b->vector, sizeof(a->vector));
}
#endif

/* The same patterns each time, so that runs can be compared */
static void fill_pattern(void *buffer, size_t size)
{
	uint64_t value = 0x9e3779b97f4a7c15ULL, *words = buffer;

	for (; size >= sizeof(value); size -= sizeof(value)) {
		value = value * 6364136223846793005ULL + 1442695040888963407ULL;
		/* positive and large: a divisor for which quotients fit */
		*words++ = (value >> 1) | 0x4000000000000000ULL;
	}
}

static void machine_fill(struct machine *machine, const struct insn *insn)
{
	fill_pattern(machine, sizeof(*machine));
	machine->memory[0] = (uintptr_t)landed_call;
	machine->landed = 0;
	machine->site = insn->site;
	machine->host_sp = 0;
	machine_fill_registers(machine, insn->flags);
}

static void shared_data_fill(void)
{
	static const uint64_t initial[8] = {
		0x0123456789abcdefULL, 0xfedcba9876543210ULL, 0, 0, 0x7000
	};

	memcpy(shared_data, initial, sizeof(initial));
}

static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

/* The first few are enough to see what is wrong. */
static void __printf(1, 2) difference(const char *format, ...)
{
	static unsigned int printed;
	va_list args;

	pthread_mutex_lock(&print_lock);
	if (printed++ < 10) {
		printf("# ");
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf("\n");
	}
	pthread_mutex_unlock(&print_lock);
}

static void print_words(const char *where, const uint64_t *unprobed,
			const uint64_t *probed, unsigned int words)
{
	for (unsigned int i = 0; i < words; i++)
		if (unprobed[i] != probed[i])
			difference("%s[%u]: unprobed %#" PRIx64 ", probed %#" PRIx64,
				   where, i, unprobed[i], probed[i]);
}

static void print_differences(const struct machine *unprobed,
			      const struct machine *probed)
{
	for (unsigned int i = 0; i < MACHINE_GPRS; i++)
		if (unprobed->gpr[i] != probed->gpr[i])
			difference("%s: unprobed %#" PRIx64 ", probed %#" PRIx64,
				   gpr_names[i], unprobed->gpr[i], probed->gpr[i]);
	print_words("flags", &unprobed->flags, &probed->flags, 1);
	print_words("landed", &unprobed->landed, &probed->landed, 1);
	print_words("memory", unprobed->memory, probed->memory,
		    MACHINE_MEMORY_WORDS);
	print_words("stack", unprobed->stack, probed->stack, MACHINE_STACK_WORDS);
	if (!same_vectors(unprobed, probed))
		difference("vector or floating point state differs");
}

static bool same_state(const struct machine *a, const struct machine *b)
{
	return !memcmp(a->gpr, b->gpr, sizeof(a->gpr)) &&
	       a->flags == b->flags && a->landed == b->landed &&
	       !memcmp(a->memory, b->memory, sizeof(a->memory)) &&
	       !memcmp(a->stack, b->stack, sizeof(a->stack)) &&
	       same_vectors(a, b);
}

/* Results of check_insn() besides KSFT_*: what exactly is wrong */
#define RESULT_COUNT		16
#define RESULT_EFFECT		17

struct check {
	const struct insn *insn;
	unsigned int threads, runs;
	int (*program)(int counters, unsigned int index);
};

struct checker {
	pthread_t thread;
	const struct check *check;
	struct machine machine, unprobed;
	unsigned int different_runs;
	bool no_effect;
	/* Only the kernel's own trap flag made a difference */
	bool trap_flag_leaked;
};

static pthread_barrier_t barrier;
static uint64_t shared_unprobed[8];

static void execute(struct machine *machine)
{
	machine_execute(machine);
	machine_forget_place(machine);
}

/* The kernel steps with the trap flag set, and pushf stores it. */
static void tolerate_trap_flag(struct checker *checker)
{
	uint64_t *pushed = &checker->machine.stack[MACHINE_STACK_TOP - 1];

	if (FLAG_TRAP && (*pushed ^ checker->unprobed.stack[MACHINE_STACK_TOP - 1]) ==
	    FLAG_TRAP) {
		*pushed ^= FLAG_TRAP;
		checker->trap_flag_leaked = true;
	}
}

static void execute_unprobed(struct checker *checker, struct machine *before)
{
	uint64_t shared_before[8];

	machine_fill(&checker->machine, checker->check->insn);
	*before = checker->machine;
	before->landed = LANDED_NEXT;
	memcpy(shared_before, shared_data, sizeof(shared_before));
	execute(&checker->machine);
	checker->unprobed = checker->machine;
	/* Others may have changed the shared data already */
	checker->no_effect = checker->check->threads == 1 &&
		same_state(before, &checker->unprobed) &&
		!memcmp(shared_before, shared_data, sizeof(shared_before));
}

static void *checker_run(void *argument)
{
	struct checker *checker = argument;
	const struct insn *insn = checker->check->insn;
	bool alone = checker->check->threads == 1;
	struct machine before;

	machine_setup_thread(&checker->machine);
	execute_unprobed(checker, &before);
	pthread_barrier_wait(&barrier);	/* all have the state to compare with */
	pthread_barrier_wait(&barrier);	/* the probe is attached */

	for (unsigned int i = 0; i < checker->check->runs; i++) {
		bool same;

		if (alone)
			shared_data_fill();
		machine_fill(&checker->machine, insn);
		execute(&checker->machine);
		if (insn->flags & INSN_PUSHES_FLAGS)
			tolerate_trap_flag(checker);
		same = same_state(&checker->unprobed, &checker->machine);
		if (!same)
			print_differences(&checker->unprobed, &checker->machine);
		if (memcmp(shared_unprobed, shared_data, sizeof(shared_unprobed))) {
			print_words("shared_data", shared_unprobed, shared_data, 8);
			same = false;
		}
		checker->different_runs += !same;
	}
	return NULL;
}

static int check_insn(const void *argument)
{
	const struct check *check = argument;
	const struct insn *insn = check->insn;
	bool steps = insn_steps(insn), mapped;
	unsigned int i, different_runs = 0;
	uint64_t expected, counted;
	struct checker *checkers;
	int counters, probe = -1;

	counters = counters_create(1);
	checkers = aligned_alloc(64, check->threads * sizeof(*checkers));
	if (!checkers || pthread_barrier_init(&barrier, NULL, check->threads + 1))
		ksft_exit_fail_msg("no memory for %u threads\n", check->threads);
	memset(checkers, 0, check->threads * sizeof(*checkers));
	shared_data_fill();
	for (i = 0; i < check->threads; i++) {
		checkers[i].check = check;
		if (pthread_create(&checkers[i].thread, NULL, checker_run, &checkers[i]))
			ksft_exit_fail_msg("cannot create thread %u\n", i + 1);
	}

	pthread_barrier_wait(&barrier);
	memcpy(shared_unprobed, shared_data, sizeof(shared_unprobed));
	if (check->program)
		probe = probe_attach(insn->site, check->program(counters, 0));
	pthread_barrier_wait(&barrier);
	for (i = 0; i < check->threads; i++) {
		pthread_join(checkers[i].thread, NULL);
		different_runs += checkers[i].different_runs;
	}
	counted = counters_read(counters, 0);
	mapped = xol_area_mapped();
	if (probe >= 0)
		close(probe);

	expected = (uint64_t)check->threads * check->runs;
	if (checkers[0].no_effect && !(insn->flags & INSN_NO_EFFECT)) {
		ksft_print_msg("no effect to compare: mend the table\n");
		return KSFT_FAIL;
	}
	if (counted != expected || steps != mapped) {
		ksft_print_msg("expected %" PRIu64 " hits, counted %" PRIu64 "\n",
			       expected, counted);
		ksft_print_msg("%s, and [uprobes] is%s mapped\n",
			       steps ? "steps" : "is emulated", mapped ? "" : " not");
		return RESULT_COUNT;
	}
	if (different_runs) {
		ksft_print_msg("another effect in %u of %u runs\n", different_runs,
			       check->threads * check->runs);
		return RESULT_EFFECT;
	}
	return checkers[0].trap_flag_leaked ? KSFT_XFAIL : KSFT_PASS;
}

static const struct insn *find_insn(const char *key)
{
	const struct insn *insn;

	for_each_insn(insn)
		if (insn->key && !strcmp(insn->key, key))
			return insn;
	ksft_exit_fail_msg("no instruction %s in the table\n", key);
}

/* The comparison has to fail, and for the right reason. */
static void test_control(int (*program)(int counters, unsigned int index),
			 int expected, const char *name)
{
	struct check check = { find_insn("sub"), 1, RUNS_ALONE, program };
	int result = run_isolated(check_insn, &check, TIME_LIMIT);

	if (result == KSFT_SKIP)
		ksft_test_result_skip("control: %s\n", name);
	else
		ksft_test_result(result == expected, "control: %s\n", name);
}

static void test_insn(const struct insn *insn, unsigned int threads)
{
	struct check check = {
		insn, threads, threads == 1 ? RUNS_ALONE : RUNS_EACH, program_count
	};
	const char *reason = "", *plural = threads == 1 ? "" : "s";
	int result;

	if (!cpu_has(insn->flags & INSN_FEATURES)) {
		ksft_test_result_skip("%s, %u thread%s: not on this CPU\n",
				      insn->text, threads, plural);
		return;
	}
	if (insn_refused(insn)) {
		ksft_test_result_skip("%s, %u thread%s: this kernel refuses the probe\n",
				      insn->text, threads, plural);
		return;
	}

	result = run_isolated(check_insn, &check, TIME_LIMIT);
	if (result == RESULT_COUNT || result == RESULT_EFFECT)
		result = KSFT_FAIL;
	if (result == KSFT_XFAIL)
		reason = ": stores the kernel's trap flag";
	ksft_test_result_report(result, "%s, %u thread%s%s\n", insn->text,
				threads, plural, reason);
}

int main(int argc, char **argv)
{
	unsigned int tests = 2;
	const struct insn *insn;

	for_each_insn(insn)
		tests += 2;
	ksft_print_header();
	ksft_set_plan(tests);
	cpu_setup();
	test_control(NULL, RESULT_COUNT, "a missing probe is noticed");
	test_control(program_corrupt, RESULT_EFFECT, "another effect is noticed");
	for_each_insn(insn) {
		test_insn(insn, 1);
		test_insn(insn, THREADS);
	}
	ksft_finished();
}
