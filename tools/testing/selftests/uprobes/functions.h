/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions to be probed at their first instruction, or at the site declared
 * with them, which steps. What they return or where they fault tells whether
 * the right instruction was executed.
 */
#ifndef UPROBES_FUNCTIONS_H
#define UPROBES_FUNCTIONS_H

/* What functions return that branch to the right place */
#define BRANCHED	0x1234

/* More than an area has slots, unless those in C have a large page */
#define NUMBERED_FUNCTIONS	2304
#define NUMBERED_FUNCTION_SIZE	16

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/*
 * Function number n returns n, by an instruction with n as immediate. On arm64 it is a
 * load from the array in its argument, because the kernel emulates moves.
 */
extern const char numbered_functions[];
#if defined(__aarch64__)
extern const uint16_t numbers[];
#endif

static inline const void *numbered_function(unsigned int number)
{
	return numbered_functions + number * NUMBERED_FUNCTION_SIZE;
}

/* Calls one of the functions, or a copy. */
static inline unsigned int call_numbered_at(const void *function)
{
#if defined(__aarch64__)
	return ((unsigned int (*)(const uint16_t *))function)(numbers);
#else
	return ((unsigned int (*)(void))function)();
#endif
}

static inline unsigned int call_numbered(unsigned int number)
{
	return call_numbered_at(numbered_function(number));
}

/* Does nothing; its first instruction is emulated, and needs no slot. */
void emulated_function(void);

/* Load number n returns the byte n behind @page, by an instruction with n in it. */
extern const char numbered_loads[];

static inline const void *numbered_load(unsigned int number)
{
	return numbered_loads + number * NUMBERED_FUNCTION_SIZE;
}

static inline uint64_t call_load_at(const void *load, const void *page)
{
#if defined(__riscv)
	/* An immediate reaches 2047 bytes; other loads use the second argument. */
	return ((uint64_t (*)(const void *, uintptr_t))load)(page, (uintptr_t)page + 2048);
#else
	return ((uint64_t (*)(const void *))load)(page);
#endif
}

static inline uint64_t call_load(unsigned int number, const void *page)
{
	return call_load_at(numbered_load(number), page);
}

/*
 * The first instruction of each accesses memory: stores @value at @address, pops
 * what is there, by a stack pointer that points to it, tests it for its bits of
 * @value, and makes that a truth value.
 */
void store_function(uint64_t *address, uint64_t value);
uint64_t pop_function(const uint64_t *address);
extern const char pop_site[];
bool test_function(const uint64_t *address, uint64_t value);

/* Raises SIGILL; returns @argument when that skips the first instruction. */
uint64_t illegal_function(uint64_t argument);
extern const char illegal_function_end[];

#if defined(__x86_64__)
/* Divides 100 by @divisor. */
uint64_t divide_function(uint64_t divisor);
extern const char divide_site[];
/*
 * Return by a ret, with @stack as stack pointer; call by what is at @operand, with
 * @stack as stack pointer; and jump by what is at @operand. The right target is
 * returned_site, called_site and jumped_site, and the result then BRANCHED.
 */
uint64_t return_function(const void *stack);
uint64_t call_function(const void *operand, void *stack);
uint64_t jump_function(const void *operand);
extern const char return_site[], returned_site[];
extern const char call_site[], called_site[];
extern const char jump_site[], jumped_site[];
/* Pushes @value, with @stack as stack pointer, and returns what that has stored. */
uint64_t push_function(uint64_t value, void *stack);
extern const char push_site[];
/* Calls @function by call *, and returns BRANCHED. */
uint64_t call_pointer_function(void (*function)(void));
extern const char call_pointer_site[];
/* Copies bytes by rep movsb. */
void copy_function(void *to, const void *from, uint64_t bytes);
extern const char copy_site[];
/* Reads ip by call +0, and returns BRANCHED. */
uint64_t read_ip_function(void);
extern const char read_ip_site[];
/* Pops @flags into the flags register, and restores it. */
void popf_function(uint64_t flags);
extern const char popf_site[];
/*
 * Loads from @address with checks of alignment on, which are the program's choice:
 * between them being switched on and off, the load is executed, and then an
 * instruction that accesses nothing.
 */
uint64_t aligned_load_function(const void *address);
extern const char aligned_load_site[], aligned_site[];
#endif

#if defined(__x86_64__)
#define XOL_SLOT_SIZE	128
#elif defined(__aarch64__)
#define XOL_SLOT_SIZE	4
#elif defined(__riscv)
#define XOL_SLOT_SIZE	8
#endif

#endif /* __ASSEMBLER__ */
#endif /* UPROBES_FUNCTIONS_H */
