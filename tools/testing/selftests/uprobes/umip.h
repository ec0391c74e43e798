/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions that user space must not execute where the processor has UMIP: each
 * raises #GP, and the kernel then stores a result and skips the instruction.
 */
#ifndef UPROBES_UMIP_H
#define UPROBES_UMIP_H

/* Offsets in struct umip_state, for the assembly */
#define UMIP_RAX	0
#define UMIP_RCX	8
#define UMIP_RDX	16
#define UMIP_RSI	24
#define UMIP_R8		32
#define UMIP_FLAGS	40
#define UMIP_RSP	48

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* Registers before an instruction, and after the code behind it */
struct umip_state {
	uint64_t rax, rcx, rdx, rsi, r8, flags, rsp;
};

_Static_assert(offsetof(struct umip_state, rax) == UMIP_RAX, "rax");
_Static_assert(offsetof(struct umip_state, rcx) == UMIP_RCX, "rcx");
_Static_assert(offsetof(struct umip_state, rdx) == UMIP_RDX, "rdx");
_Static_assert(offsetof(struct umip_state, rsi) == UMIP_RSI, "rsi");
_Static_assert(offsetof(struct umip_state, r8) == UMIP_R8, "r8");
_Static_assert(offsetof(struct umip_state, flags) == UMIP_FLAGS, "flags");
_Static_assert(offsetof(struct umip_state, rsp) == UMIP_RSP, "rsp");

/**
 * struct umip_case - an instruction, and the code behind it
 * @text: the instruction as the assembler reads it
 * @next_kind: the code behind it, one of the names in umip_sites.S
 * @site: the instruction
 * @next: the instruction behind it
 * @end: the end of the code behind it
 * @function: loads a state, executes both, and saves the state
 */
struct umip_case {
	const char *text;
	const char *next_kind;
	const void *site;
	const void *next;
	const void *end;
	void (*function)(struct umip_state *state);
};

/* The linker's names for the ends of the section that holds the table */
extern const struct umip_case __start_umip_cases[], __stop_umip_cases[];

#define for_each_umip_case(one) \
	for ((one) = __start_umip_cases; (one) < __stop_umip_cases; (one)++)

/* The operand of the instruction that is relative to its own address */
extern uint8_t umip_result[16];
#endif /* __ASSEMBLER__ */
#endif /* UPROBES_UMIP_H */
