/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions that the tests probe, and the machine state in which they
 * are executed. Shared by C and assembly; the tables themselves are in
 * insns_<architecture>.S, one line per instruction.
 */
#ifndef UPROBES_INSNS_H
#define UPROBES_INSNS_H

/* Runs in an XOL slot; every other instruction is emulated by the kernel */
#define INSN_STEPS		0x0001
/* Has no effect in this state but to pass control to the next instruction */
#define INSN_NO_EFFECT		0x0002
/* Wants a flags image on top of the stack, not a return address */
#define INSN_POPS_FLAGS		0x0008
/* Stores the flags, and with them the kernel's own trap flag */
#define INSN_PUSHES_FLAGS	0x0010
/* As INSN_STEPS on kernels that emulate no more than upstream does, see insn_steps() */
#define INSN_STEPS_UPSTREAM	0x0020
/* These kernels put no probe on it; others emulate it, or step it with INSN_STEPS */
#define INSN_REFUSED_UPSTREAM	0x0040
/* Wants the link register to be signed, for the stack pointer */
#define INSN_SIGNED		0x0080

/* Needs a feature that not every CPU has */
#define INSN_FEATURES		0xff00
#define INSN_AVX		0x0100
#define INSN_BMI		0x0200
#define INSN_SSE42		0x0400
#define INSN_FMA		0x0800
#define INSN_LSE		0x0100
#define INSN_PAC		0x0200
#define INSN_LRCPC		0x0400
#define INSN_CRC32		0x0800
#define INSN_FLAGM		0x1000
#define INSN_CRYPTO		0x2000
#define INSN_SVE		0x4000
#define INSN_VECTOR		0x0100
#define INSN_ZBA		0x0200
#define INSN_ZBB		0x0400
#define INSN_ZBS		0x0800
#define INSN_ZBC		0x1000
#define INSN_ZICOND		0x2000
#define INSN_ZFA		0x4000

/* Where control arrived after the instruction */
#define LANDED_NEXT		1
#define LANDED_JUMP		2
#define LANDED_CALL		3
#define LANDED_RETURN		4

/* Words in struct machine's memory and stack, and where the stack starts */
#define MACHINE_MEMORY_WORDS	64
#define MACHINE_STACK_WORDS	128
#define MACHINE_STACK_TOP	64

/* Offsets in struct machine, for the assembly */
#if defined(__x86_64__)
#define MACHINE_GPRS		16
#define MACHINE_GPR		0
#define MACHINE_FLAGS		128
#define MACHINE_LANDED		136
#define MACHINE_SITE		144
#define MACHINE_HOST_SP		152
#define MACHINE_FX		160
#define MACHINE_YMM		672
#elif defined(__aarch64__)
/* x0 to x30, and sp as the last one; x28 holds the machine's address */
#define MACHINE_GPRS		32
#define MACHINE_GPR		0
#define MACHINE_FLAGS		256
#define MACHINE_LANDED		264
#define MACHINE_SITE		272
#define MACHINE_HOST_SP		280
#define MACHINE_VECTOR		288
#define MACHINE_FPSR		800
#elif defined(__riscv)
/* x0 to x31; t6 holds the machine's address, and flags are fcsr */
#define MACHINE_GPRS		32
#define MACHINE_GPR		0
#define MACHINE_FLAGS		256
#define MACHINE_LANDED		264
#define MACHINE_SITE		272
#define MACHINE_HOST_SP		280
#define MACHINE_FP		288
#define MACHINE_VL		544
#define MACHINE_VTYPE		552
#define MACHINE_VCSR		560
#define MACHINE_VECTOR		576
/* Bytes of a vector register for which the machine has room */
#define MACHINE_VECTOR_BYTES	32
#endif

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct insn - one instruction of the table
 * @key: short name, only of those that can be timed
 * @text: the instruction as the assembler reads it
 * @site: the instruction, to be reached by machine_execute() alone
 * @function: the instruction as part of an ordinary function, or NULL
 * @function_site: the instruction in @function
 * @flags: INSN_* bits
 */
struct insn {
	const char *key;
	const char *text;
	const void *site;
	void (*function)(void);
	const void *function_site;
	uint64_t flags;
};

/* Whether this kernel executes @insn in an XOL slot */
bool insn_steps(const struct insn *insn);
/* Whether this kernel puts no probe on @insn */
bool insn_refused(const struct insn *insn);

/* The linker's names for the ends of the section that holds the table */
extern const struct insn __start_insns[], __stop_insns[];

#define for_each_insn(insn) \
	for ((insn) = __start_insns; (insn) < __stop_insns; (insn)++)

/**
 * struct machine - all that an instruction can see and change
 * @gpr: general purpose registers, in the order of their numbers
 * @flags: the flags register
 * @landed: LANDED_*, where control arrived
 * @site: the instruction to execute
 * @host_sp: the C stack meanwhile
 * @memory: for memory operands; some registers point into it
 * @stack: the instruction's stack, growing down from word MACHINE_STACK_TOP
 */
struct machine {
	uint64_t gpr[MACHINE_GPRS];
	uint64_t flags;
	uint64_t landed;
	const void *site;
	uint64_t host_sp;
#if defined(__x86_64__)
	_Alignas(16) uint8_t fx[512];
	uint8_t ymm[8][32];
#elif defined(__aarch64__)
	_Alignas(16) uint8_t vector[32][16];
	uint64_t fpsr;
#elif defined(__riscv)
	uint64_t fp[32];
	uint64_t vl, vtype, vcsr;
	_Alignas(64) uint8_t vector[32 * MACHINE_VECTOR_BYTES];
#endif
	_Alignas(64) uint64_t memory[MACHINE_MEMORY_WORDS];
	uint64_t stack[MACHINE_STACK_WORDS];
};

_Static_assert(offsetof(struct machine, gpr) == MACHINE_GPR, "gpr");
_Static_assert(offsetof(struct machine, flags) == MACHINE_FLAGS, "flags");
_Static_assert(offsetof(struct machine, landed) == MACHINE_LANDED, "landed");
_Static_assert(offsetof(struct machine, site) == MACHINE_SITE, "site");
_Static_assert(offsetof(struct machine, host_sp) == MACHINE_HOST_SP, "host_sp");
#if defined(__x86_64__)
_Static_assert(offsetof(struct machine, fx) == MACHINE_FX, "fx");
_Static_assert(offsetof(struct machine, ymm) == MACHINE_YMM, "ymm");
#elif defined(__aarch64__)
_Static_assert(offsetof(struct machine, fpsr) == MACHINE_FPSR, "fpsr");
_Static_assert(offsetof(struct machine, vector) == MACHINE_VECTOR, "vector");
#elif defined(__riscv)
_Static_assert(offsetof(struct machine, fp) == MACHINE_FP, "fp");
_Static_assert(offsetof(struct machine, vl) == MACHINE_VL, "vl");
_Static_assert(offsetof(struct machine, vtype) == MACHINE_VTYPE, "vtype");
_Static_assert(offsetof(struct machine, vcsr) == MACHINE_VCSR, "vcsr");
_Static_assert(offsetof(struct machine, vector) == MACHINE_VECTOR, "vector");
#endif

/*
 * Data that instructions reach relative to their own address, and so the same
 * for all threads. What the table does to it is idempotent for that reason.
 */
extern uint64_t shared_data[8];

/* Loads the state, executes the instruction at @site, saves the state. */
void machine_execute(struct machine *machine);

/* Addresses with which the tables expect registers and memory to be filled */
extern const char landed_call[], landed_return[];

#if defined(__x86_64__)
extern uint64_t machine_has_avx;
#elif defined(__riscv)
extern uint64_t machine_has_vector;
#endif
#endif /* __ASSEMBLER__ */
#endif /* UPROBES_INSNS_H */
