// SPDX-License-Identifier: GPL-2.0
/* Registers and traps of x86-64, for insn_fuzz */
#include <cpuid.h>
#include <sys/syscall.h>
#include <asm/prctl.h>

#include "fuzz.h"

#define FLAG_ALWAYS	0x202
/* Carry, parity, adjust, zero, sign, direction, overflow */
#define FLAGS_FREE	0xcd5
#define FLAG_ALIGNED	0x40000

/* Offsets in the FXSAVE image */
#define FX_OPCODE	6
#define FX_DATA		16
#define FX_MXCSR	24
#define FX_REGISTERS	32
#define FX_XMM		160
#define FX_REGISTERS_END 416
/* Where the kernel describes the frame, in bytes that the CPU does not use */
#define FX_MAGIC	464
#define FX_COMPONENTS	472
#define MAGIC		0x46505853

/* The part of the XSAVE image that says which components are there */
#define XSAVE_HEADER	512
/* Of AVX and AVX-512; those with other numbers are left as they are. */
#define COMPONENTS	0xe4ULL
#define MOST_COMPONENTS	8
/* Protection keys stay those of the thread when others are set to their initial state. */
#define COMPONENT_PKRU	(1ULL << 9)

#define TRAP_UD2	6
#define TRAP_PAGE_FAULT	14

/* The first of these results: rax to r15 */
#define GENERAL_REGISTERS 16

static const int gregs[] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_RIP, REG_EFL, REG_CSGSFS, REG_ERR, REG_TRAPNO
};

const char * const cpu_result_names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rip", "flags", "cs, gs, fs, ss", "error code", "trap number",
	"cr2", "ds, es", "fs base", "gs base", NULL
};

/* Indices of results, in the order of their names */
enum {
	RESULT_IP = RESULT_CPU + GENERAL_REGISTERS,
	RESULT_TRAP = RESULT_CPU + ARRAY_SIZE(gregs) - 1,
	RESULT_CR2,
	RESULT_DATA_SEGMENTS,
	RESULT_FS_BASE,
	RESULT_GS_BASE,
};

static struct {
	unsigned int offset, size;
} components[MOST_COMPONENTS];

long cpu_syscall(long number, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	long result;

	asm volatile("syscall" : "=a" (result)
		     : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "memory");
	return result;
}

void cpu_prepare(void)
{
	unsigned int c, d;

	for (unsigned int i = 2; i < MOST_COMPONENTS; i++)
		if (COMPONENTS >> i & 1)
			__get_cpuid_count(0xd, i, &components[i].size,
					  &components[i].offset, &c, &d);
}

static unsigned long fs_base(const struct arena *arena)
{
	return arena->base + arena->page / 2;
}

static unsigned long gs_base(const struct arena *arena)
{
	return arena->base + arena->page;
}

static void set_bases(const struct arena *arena)
{
	cpu_syscall(__NR_arch_prctl, ARCH_SET_FS, fs_base(arena), 0, 0);
	cpu_syscall(__NR_arch_prctl, ARCH_SET_GS, gs_base(arena), 0, 0);
}

uintptr_t cpu_begin(const struct arena *arena)
{
	uintptr_t thread_pointer;

	cpu_syscall(__NR_arch_prctl, ARCH_GET_FS, (long)&thread_pointer, 0, 0);
	set_bases(arena);
	return thread_pointer;
}

void cpu_end(uintptr_t thread_pointer)
{
	cpu_syscall(__NR_arch_prctl, ARCH_SET_GS, 0, 0, 0);
	cpu_syscall(__NR_arch_prctl, ARCH_SET_FS, thread_pointer, 0, 0);
}

/* The components of the XSAVE image in a signal frame; none without XSAVE */
static uint64_t frame_components(const uint8_t *fx)
{
	uint32_t magic;
	uint64_t present;

	memcpy(&magic, fx + FX_MAGIC, sizeof(magic));
	memcpy(&present, fx + FX_COMPONENTS, sizeof(present));
	return magic == MAGIC ? present & COMPONENTS : 0;
}

static bool is_in_image(uint64_t present, unsigned int component)
{
	return present >> component & 1 && components[component].size &&
	       components[component].offset + components[component].size <= VECTOR_BYTES;
}

static void fill_lanes(struct random *random, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t))
		put(bytes + i, random_lanes(random), sizeof(uint64_t));
}

static void fill_vectors(struct random *random, uint8_t *fx)
{
	uint64_t present = frame_components(fx);

	memset(fx, 0, FX_REGISTERS);
	/* control word, with all exceptions masked or with any; top of stack; tags */
	put(fx, one_in(random, 4) ? random_below(random, 0x1000) | 0x40 : 0x37f, 2);
	put(fx + 2, random_next(random) & 0x7f00, 2);
	put(fx + 4, random_next(random), 1);
	put(fx + FX_MXCSR, one_in(random, 4) ? random_below(random, 0x10000) : 0x1f80, 4);
	for (unsigned int i = FX_REGISTERS; i < FX_XMM; i += 16) {
		put(fx + i, random_lanes(random), 8);
		put(fx + i + 8, one_in(random, 2) ? 0x3fff : random_next(random), 2);
	}
	fill_lanes(random, fx + FX_XMM, FX_REGISTERS_END - FX_XMM);
	if (!present)
		return;
	/* x87 and SSE, too */
	*(uint64_t *)(fx + XSAVE_HEADER) |= present | 3;
	for (unsigned int i = 0; i < MOST_COMPONENTS; i++)
		if (is_in_image(present, i))
			fill_lanes(random, fx + components[i].offset, components[i].size);
}

void cpu_fill(ucontext_t *context, struct random *random, const struct arena *arena,
	      uintptr_t site, bool is_aligned)
{
	greg_t *registers = context->uc_mcontext.gregs;

	for (unsigned int i = 0; gregs[i] != REG_RIP; i++)
		registers[gregs[i]] = random_value(random, arena);
	/* for repetitions, loops and shifts */
	if (!one_in(random, 8))
		registers[REG_RCX] = random_below(random, 64);
	if (!one_in(random, 8))
		registers[REG_RSP] = random_pointer(random, arena);
	if (!one_in(random, 8) && !is_aligned)
		registers[REG_RSP] &= -8;
	registers[REG_EFL] = (random_next(random) & FLAGS_FREE) | FLAG_ALWAYS;
	if (is_aligned)
		registers[REG_EFL] |= FLAG_ALIGNED;
	registers[REG_RIP] = site;
	fill_vectors(random, (uint8_t *)context->uc_mcontext.fpregs);
}

static void record_vectors(const uint8_t *fx, uint8_t *vectors)
{
	uint64_t present = frame_components(fx), used;

	memcpy(vectors, fx, FX_REGISTERS_END);
	/*
	 * Which x87 instruction was executed, and where: in a slot, and with another
	 * operand if that is relative to rip.
	 */
	memset(vectors + FX_OPCODE, 0, FX_DATA - FX_OPCODE);
	if (!present)
		return;
	used = present & *(const uint64_t *)(fx + XSAVE_HEADER);
	for (unsigned int i = 0; i < MOST_COMPONENTS; i++) {
		if (!is_in_image(present, i))
			continue;
		if (used >> i & 1)
			memcpy(vectors + components[i].offset, fx + components[i].offset,
			       components[i].size);
		else
			memset(vectors + components[i].offset, 0, components[i].size);
	}
}

static unsigned long data_segments(void)
{
	uint16_t ds, es;

	asm volatile("mov %%ds, %0; mov %%es, %1" : "=rm" (ds), "=rm" (es));
	return ds | (unsigned long)es << 16;
}

void cpu_record(const ucontext_t *context, const struct arena *arena, uint64_t *results,
		uint8_t *vectors)
{
	const greg_t *registers = context->uc_mcontext.gregs;
	/*
	 * A far branch to 32-bit code leaves the upper halves of these registers undefined.
	 * Any return from the kernel to such code clears that of rsp: without a probe, the
	 * return from an interrupt, and with one always that from the step's trap.
	 */
	bool is_short = (uint16_t)registers[REG_CSGSFS] != CODE_SELECTOR;

	for (unsigned int i = 0; i < ARRAY_SIZE(gregs); i++)
		results[RESULT_CPU + i] = registers[gregs[i]];
	for (unsigned int i = 0; is_short && i < GENERAL_REGISTERS; i++)
		results[RESULT_CPU + i] &= UINT32_MAX;
	/* After other traps it is the last page fault's. */
	results[RESULT_CR2] = registers[REG_TRAPNO] == TRAP_PAGE_FAULT ?
		registers[REG_CR2] : 0;
	results[RESULT_DATA_SEGMENTS] = data_segments();
	if (results[RESULT_DATA_SEGMENTS])
		asm volatile("mov %0, %%ds; mov %0, %%es" : : "r" (0));
	cpu_syscall(__NR_arch_prctl, ARCH_GET_FS, (long)&results[RESULT_FS_BASE], 0, 0);
	cpu_syscall(__NR_arch_prctl, ARCH_GET_GS, (long)&results[RESULT_GS_BASE], 0, 0);
	set_bases(arena);
	record_vectors((const uint8_t *)context->uc_mcontext.fpregs, vectors);
}

bool cpu_faulted(const uint64_t *results, uintptr_t site)
{
	return results[RESULT_IP] == site;
}

/*
 * A probed instruction that is stepped and faults leaves the number of an earlier trap,
 * that of cpu_trap(), on kernels that do not restore the number.
 */
unsigned int cpu_difference(unsigned int word, const uint64_t *unprobed,
			    const uint64_t *probed)
{
	return (word == RESULT_TRAP || word == RESULT_CR2) &&
	       probed[RESULT_TRAP] == TRAP_UD2 ? DIFFERS_IN_FRAME : 0;
}

void cpu_return(ucontext_t *context, const ucontext_t *before)
{
	uint8_t *fx = (uint8_t *)context->uc_mcontext.fpregs;

	memcpy(context->uc_mcontext.gregs, before->uc_mcontext.gregs,
	       sizeof(context->uc_mcontext.gregs));
	/* behind ud2 */
	context->uc_mcontext.gregs[REG_RIP] += 2;
	memset(fx, 0, FX_REGISTERS_END);
	put(fx, 0x37f, 2);
	put(fx + FX_MXCSR, 0x1f80, 4);
	if (frame_components(fx))
		*(uint64_t *)(fx + XSAVE_HEADER) &= COMPONENT_PKRU;
}

void cpu_trap(void)
{
	asm volatile("ud2"
		     : : : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
		       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
		       "xmm14", "xmm15");
}

/* The kernel leaves the alignment check on, which compiled code does not expect. */
__attribute__((__naked__))
void cpu_signal_entry(int signal, siginfo_t *info, void *context)
{
	asm volatile("pushfq\n\t"
		     "andl $~0x40000, (%rsp)\n\t"
		     "popfq\n\t"
		     "jmp fuzz_signal");
}
