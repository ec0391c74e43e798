// SPDX-License-Identifier: GPL-2.0
/* Instructions and registers of arm64, for insn_fuzz */
#include <errno.h>
#include <string.h>
#include <asm/sigcontext.h>

#include "fuzz.h"

/* Not one of the errors that user space knows */
#define ENOTSUPP	524

#define INSN_BYTES	4
#define BRK		0xd4200000

/*
 * Instructions
 */

static bool is(uint32_t word, uint32_t mask, uint32_t value)
{
	return (word & mask) == value;
}

/* Distances of branches, by how many bits they have */
static bool has_distance_26(uint32_t word)
{
	return is(word, 0x7c000000, 0x14000000);
}

/* b.cond, cbz, cbnz */
static bool has_distance_19(uint32_t word)
{
	return is(word, 0xfe000000, 0x54000000) || is(word, 0x7e000000, 0x34000000);
}

/* tbz, tbnz */
static bool has_distance_14(uint32_t word)
{
	return is(word, 0x7e000000, 0x36000000);
}

/* br, blr */
static bool is_indirect(uint32_t word)
{
	return is(word, 0xffc00000, 0xd6000000);
}

static bool is_literal(uint32_t word)
{
	return is(word, 0x3b000000, 0x18000000);
}

static enum insn_class class_of(uint32_t word)
{
	if (is_indirect(word))
		return CLASS_INDIRECT_BRANCHES;
	if (has_distance_26(word) || has_distance_19(word) || has_distance_14(word) ||
	    is(word, 0xfe000000, 0xd6000000))
		return CLASS_BRANCHES;
	if (is_literal(word))
		return word & 0x04000000 ? CLASS_VECTOR_RELATIVE : CLASS_RELATIVE;
	/* adr, adrp */
	if (is(word, 0x1f000000, 0x10000000))
		return CLASS_RELATIVE;
	if (is(word, 0xff000000, 0xd5000000))
		return CLASS_SYSTEM;
	switch (word >> 25 & 15) {
	case 0x4: case 0x6: case 0xc: case 0xe:
		return CLASS_MEMORY;
	case 0x2: case 0x7: case 0xf:
		return CLASS_VECTOR;
	case 0x5: case 0x8: case 0x9: case 0xd:
		return CLASS_GENERAL;
	}
	return CLASS_UNDEFINED;
}

/*
 * Instructions that call the kernel or the hypervisor, wait for events, or read what is
 * not the same each time: timers, random numbers, counters of events, thread pointers.
 */
static bool is_allowed(uint32_t word)
{
	unsigned int crn = word >> 12 & 15, crm = word >> 8 & 15;

	if (is(word, 0xff000000, 0xd4000000))
		return false;
	if (word == 0xd503205f || word == 0xd503207f || is(word, 0xffffff80, 0xd5031000))
		return false;
	/* mrs of registers for user space */
	if (is(word, 0xfff70000, 0xd5330000))
		return crn != 9 && crn != 13 && crn != 14 && !(crn == 2 && crm == 4);
	return true;
}

static uint32_t word_of(const struct fuzz_insn *insn)
{
	uint32_t word;

	memcpy(&word, insn->bytes, sizeof(word));
	return word;
}

bool cpu_allows(const struct fuzz_insn *insn)
{
	return insn->length == INSN_BYTES && is_allowed(word_of(insn));
}

/* Where a branch may lead; a trap is there. tbz does not reach all of it. */
static uintptr_t branch_target(struct random *random, const struct arena *arena,
			       uintptr_t site, bool is_near)
{
	uintptr_t target;

	if (is_near || one_in(random, 2)) {
		do
			target = (site & -PLACE_BYTES) +
				 random_below(random, PLACE_BYTES) / INSN_BYTES * INSN_BYTES;
		while (target == site);
		return target;
	}
	if (one_in(random, 2))
		return landing_room(arena) +
		       random_below(random, arena->page) / INSN_BYTES * INSN_BYTES;
	return arena->base + random_below(random, ARENA_PAGES * arena->page) /
			     INSN_BYTES * INSN_BYTES;
}

static uint32_t with_distance(uint32_t word, uintptr_t from, uintptr_t to, unsigned int bits)
{
	unsigned int shift = bits == 26 ? 0 : 5;
	uint32_t mask = (1U << bits) - 1;
	uint32_t distance = (to - from) / INSN_BYTES;

	return (word & ~(mask << shift)) | (distance & mask) << shift;
}

/*
 * Changes distances that would lead to another place or to an instruction that may be
 * probed, which is not what it was without the probe.
 */
static uint32_t with_known_target(struct random *random, uint32_t word, uintptr_t site,
				  const struct arena *arena)
{
	if (has_distance_26(word))
		return with_distance(word, site, branch_target(random, arena, site, false), 26);
	if (has_distance_19(word))
		return with_distance(word, site, branch_target(random, arena, site, false), 19);
	if (has_distance_14(word))
		return with_distance(word, site, branch_target(random, arena, site, true), 14);
	if (is_literal(word))
		return with_distance(word, site, arena->base +
				     random_below(random, ARENA_PAGES * arena->page), 19);
	return word;
}

bool cpu_make_insn(struct random *random, enum insn_class class, const struct text *text,
		   uintptr_t site, const struct arena *arena, struct fuzz_insn *insn)
{
	uint32_t word = random_next(random);

	if (text) {
		memcpy(&word, text->start +
		       random_below(random, text->size / INSN_BYTES) * INSN_BYTES,
		       sizeof(word));
		if (one_in(random, 2))
			word ^= 1U << random_below(random, 32);
	} else if (class == CLASS_SYSTEM) {
		word = 0xd5000000 | word >> 8;
	}
	if (class_of(word) != class || !is_allowed(word))
		return false;
	word = with_known_target(random, word, site, arena);
	memcpy(insn->bytes, &word, sizeof(word));
	insn->length = sizeof(word);
	return true;
}

static const uint32_t known_insns[] = {
	/* mov x1, x2; ldr s0, ldr d1 and ldr q2 from 128 KiB on; udf */
	0xaa0203e1, 0x1c100000, 0x5c100001, 0x9c100002, 0x00000000,
};

bool cpu_known_insn(enum insn_class class, unsigned int index, struct fuzz_insn *insn)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known_insns); i++) {
		if (class_of(known_insns[i]) == class && !index--) {
			memcpy(insn->bytes, &known_insns[i], INSN_BYTES);
			insn->length = INSN_BYTES;
			return true;
		}
	}
	return false;
}

unsigned int cpu_site(unsigned int place)
{
	return 16 + place % 8 * INSN_BYTES;
}

void cpu_fill_traps(uint8_t *code, size_t size)
{
	uint32_t word = BRK;

	for (size_t i = 0; i < size; i += sizeof(word))
		memcpy(code + i, &word, sizeof(word));
}

bool cpu_refuses_with(int error)
{
	return error == EINVAL || error == ENOTSUPP;
}

/*
 * Registers
 */

#define FLAGS		0xf0000000
/* What the last branch was, for branch target identification */
#define BRANCH_TYPE	0xc00
#define SINGLE_STEP	0x200000
#define ESR_CLASS_SHIFT	26
#define ESR_CODE_ABORT	0x20
#define ESR_DATA_ABORT	0x24
#define ESR_STATUS	0x3fUL
/* What the kernel stores for the cause of a fault before a step */
#define NO_FAULT	0xffffffff

const char * const cpu_result_names[] = {
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
	"x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
	"sp", "pc", "pstate", "fault address", "esr", NULL
};

/* Indices of results, in the order of their names */
enum {
	RESULT_SP = RESULT_CPU + 31,
	RESULT_PC,
	RESULT_PSTATE,
	RESULT_FAULT_ADDRESS,
	RESULT_ESR,
};

long cpu_syscall(long number, long a, long b, long c, long d)
{
	register long x8 asm("x8") = number;
	register long x0 asm("x0") = a;
	register long x1 asm("x1") = b;
	register long x2 asm("x2") = c;
	register long x3 asm("x3") = d;

	asm volatile("svc 0" : "+r" (x0) : "r" (x1), "r" (x2), "r" (x3), "r" (x8) : "memory");
	return x0;
}

void cpu_prepare(void)
{
}

uintptr_t cpu_begin(const struct arena *arena)
{
	return 0;
}

void cpu_end(uintptr_t thread_pointer)
{
}

static struct _aarch64_ctx *next_record(struct _aarch64_ctx *record)
{
	return (void *)((char *)record + record->size);
}

/*
 * The record of the SIMD registers, which the kernel stores first. It is made the only
 * one, so that the registers of SVE are those of SIMD and zeroes.
 */
static struct fpsimd_context *simd_registers(ucontext_t *context)
{
	struct fpsimd_context *simd = (void *)context->uc_mcontext.__reserved;
	struct _aarch64_ctx *end = next_record(&simd->head);

	end->magic = 0;
	end->size = 0;
	return simd;
}

void cpu_fill(ucontext_t *context, struct random *random, const struct arena *arena,
	      uintptr_t site, bool is_aligned)
{
	struct fpsimd_context *simd = simd_registers(context);
	mcontext_t *registers = &context->uc_mcontext;
	uint64_t vector[2];

	for (unsigned int i = 0; i < ARRAY_SIZE(registers->regs); i++)
		registers->regs[i] = random_value(random, arena);
	registers->sp = random_pointer(random, arena);
	if (!one_in(random, 8))
		registers->sp &= -16;
	registers->pc = site;
	registers->pstate &= ~(FLAGS | BRANCH_TYPE);
	registers->pstate |= random_next(random) & FLAGS;
	for (unsigned int i = 0; i < ARRAY_SIZE(simd->vregs); i++) {
		vector[0] = random_lanes(random);
		vector[1] = random_lanes(random);
		memcpy(&simd->vregs[i], vector, sizeof(vector));
	}
	simd->fpsr = 0;
	/* rounding, flushing to zero, default NaN */
	simd->fpcr = one_in(random, 4) ? random_next(random) & 0x3c00000 : 0;
}

bool cpu_faulted(const uint64_t *results, uintptr_t site)
{
	return results[RESULT_PC] == site;
}

/*
 * Where and how page tables denied an access depends on what else is mapped, and on how
 * long ago the page was accessed.
 */
static uint64_t without_status(uint64_t esr)
{
	unsigned int class = esr >> ESR_CLASS_SHIFT;

	return class == ESR_CODE_ABORT || class == ESR_DATA_ABORT ? esr & ~ESR_STATUS : esr;
}

void cpu_record(const ucontext_t *context, const struct arena *arena, uint64_t *results,
		uint8_t *vectors)
{
	const mcontext_t *registers = &context->uc_mcontext;
	struct _aarch64_ctx *record = (void *)registers->__reserved;
	uint8_t *at = vectors;

	memcpy(&results[RESULT_CPU], registers->regs, sizeof(registers->regs));
	results[RESULT_SP] = registers->sp;
	results[RESULT_PC] = registers->pc;
	results[RESULT_PSTATE] = registers->pstate;
	results[RESULT_FAULT_ADDRESS] = registers->fault_address;
	results[RESULT_ESR] = 0;
	for (; record->magic; record = next_record(record)) {
		if (record->magic == ESR_MAGIC) {
			results[RESULT_ESR] =
				without_status(((struct esr_context *)record)->esr);
			continue;
		}
		memcpy(at, record, record->size);
		at += record->size;
	}
	memset(at, 0, vectors + VECTOR_BYTES - at);
}

/*
 * After a step, the kernel may take its own mark for the cause of a fault. After a step
 * that faulted, it may leave the bit for steps in pstate, and take the address of the
 * slot for that of an undefined instruction.
 */
unsigned int cpu_difference(unsigned int word, const uint64_t *unprobed,
			    const uint64_t *probed)
{
	switch (word) {
	case RESULT_ESR:
		return probed[word] == NO_FAULT ? DIFFERS_IN_FRAME : 0;
	case RESULT_PSTATE:
		return (unprobed[word] ^ probed[word]) == SINGLE_STEP ? DIFFERS_IN_FRAME : 0;
	case RESULT_ADDRESS:
		return unprobed[RESULT_SIGNAL] == SIGILL && probed[RESULT_SIGNAL] == SIGILL ?
			DIFFERS_IN_ADDRESS : 0;
	}
	return 0;
}

void cpu_return(ucontext_t *context, const ucontext_t *before)
{
	struct fpsimd_context *simd = simd_registers(context);

	simd->fpsr = 0;
	simd->fpcr = 0;
	memcpy(context->uc_mcontext.regs, before->uc_mcontext.regs,
	       sizeof(context->uc_mcontext.regs));
	context->uc_mcontext.sp = before->uc_mcontext.sp;
	context->uc_mcontext.pstate = before->uc_mcontext.pstate;
	/* behind udf */
	context->uc_mcontext.pc = before->uc_mcontext.pc + INSN_BYTES;
}

/* udf leaves no cause of a fault, which brk would leave alone. */
void cpu_trap(void)
{
	asm volatile("udf 0"
		     : : : "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
		       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
		       "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
		       "v27", "v28", "v29", "v30", "v31");
}

void cpu_signal_entry(int signal, siginfo_t *info, void *context)
{
	fuzz_signal(signal, info, context);
}
