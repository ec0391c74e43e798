/* SPDX-License-Identifier: GPL-2.0 */
/* All registers that code of the tests uses, saved and restored by tracers and handlers */
#ifndef UPROBES_SAVED_REGISTERS_H
#define UPROBES_SAVED_REGISTERS_H

#include <stdlib.h>
#include <string.h>

#include "registers.h"

/* Bytes below the stack pointer that belong to the function that was interrupted */
#define RED_ZONE	128

/* Of a thread that is traced */
struct registers {
	struct user_regs_struct general;
#if defined(__x86_64__)
	struct user_fpregs_struct vector;
#elif defined(__aarch64__)
	struct user_fpsimd_struct vector;
#elif defined(__riscv)
	struct __riscv_d_ext_state vector;
#endif
};

static inline bool registers_access(enum __ptrace_request request, pid_t thread,
				    struct registers *registers)
{
	struct iovec general = { &registers->general, sizeof(registers->general) };
	struct iovec vector = { &registers->vector, sizeof(registers->vector) };

	return !ptrace(request, thread, (void *)NT_PRSTATUS, &general) &&
	       !ptrace(request, thread, (void *)NT_PRFPREG, &vector);
}

/*
 * Sets the registers to those at the start of a call of @function(@argument), which then
 * returns to @trap.
 */
static inline bool registers_call(pid_t thread, struct registers *registers,
				  uint64_t (*function)(uint64_t argument), uint64_t argument,
				  const void *trap)
{
	struct user_regs_struct *regs = &registers->general;

#if defined(__x86_64__)
	regs->rsp = ((regs->rsp - RED_ZONE) & -16) - 8;
	if (ptrace(PTRACE_POKEDATA, thread, (void *)regs->rsp, trap))
		return false;
	regs->rip = (uintptr_t)function;
	regs->rdi = argument;
	/* no system call to be restarted */
	regs->orig_rax = -1;
#elif defined(__aarch64__)
	regs->sp = (regs->sp - RED_ZONE) & -16;
	regs->regs[30] = (uintptr_t)trap;
	regs->pc = (uintptr_t)function;
	regs->regs[0] = argument;
#elif defined(__riscv)
	regs->sp = (regs->sp - RED_ZONE) & -16;
	regs->ra = (uintptr_t)trap;
	regs->pc = (uintptr_t)function;
	regs->a0 = argument;
#endif
	return true;
}

static inline uint64_t registers_result(const struct registers *registers)
{
#if defined(__x86_64__)
	return registers->general.rax;
#elif defined(__aarch64__)
	return registers->general.regs[0];
#elif defined(__riscv)
	return registers->general.a0;
#endif
}

/* The registers that a signal handler finds, with which another thread can go on */

#if defined(__x86_64__)
#define MOST_VECTOR	16384
#define VECTOR_MAGIC	0x46505853
#define LEGACY_VECTOR	512
/* Of struct _fpx_sw_bytes in the legacy state */
#define VECTOR_EXTENSION	464

struct context {
	gregset_t general;
	size_t size;
	char vector[MOST_VECTOR];
};

static inline size_t vector_size(const char *vector)
{
	uint32_t magic_and_size[2];

	memcpy(magic_and_size, vector + VECTOR_EXTENSION, sizeof(magic_and_size));
	return magic_and_size[0] == VECTOR_MAGIC ? magic_and_size[1] : LEGACY_VECTOR;
}

static inline void context_save(struct context *saved, ucontext_t *context)
{
	const char *vector = (const char *)context->uc_mcontext.fpregs;

	memcpy(saved->general, context->uc_mcontext.gregs, sizeof(saved->general));
	saved->size = vector_size(vector);
	if (saved->size > MOST_VECTOR)
		abort();
	memcpy(saved->vector, vector, saved->size);
}

static inline void context_restore(const struct context *saved, ucontext_t *context)
{
	char *vector = (char *)context->uc_mcontext.fpregs;

	memcpy(context->uc_mcontext.gregs, saved->general, sizeof(saved->general));
	if (saved->size != vector_size(vector))
		abort();
	memcpy(vector, saved->vector, saved->size);
}

static inline uintptr_t saved_ip(const struct context *saved)
{
	return saved->general[REG_RIP];
}

static inline uintptr_t *saved_sp(struct context *saved)
{
	return (uintptr_t *)&saved->general[REG_RSP];
}
#elif defined(__aarch64__)
struct context {
	uint64_t general[31], sp, pc, pstate;
	struct fpsimd_context vector;
};

/* Registers of SVE need not be saved: the routines do not use them. */
static inline struct fpsimd_context *vector_of(ucontext_t *context)
{
	struct _aarch64_ctx *record = (void *)context->uc_mcontext.__reserved;

	while (record->magic != FPSIMD_MAGIC) {
		if (!record->magic)
			abort();
		record = (void *)record + record->size;
	}
	return (void *)record;
}

static inline void context_save(struct context *saved, ucontext_t *context)
{
	memcpy(saved->general, context->uc_mcontext.regs, sizeof(saved->general));
	saved->sp = context->uc_mcontext.sp;
	saved->pc = context->uc_mcontext.pc;
	saved->pstate = context->uc_mcontext.pstate;
	saved->vector = *vector_of(context);
}

static inline void context_restore(const struct context *saved, ucontext_t *context)
{
	memcpy(context->uc_mcontext.regs, saved->general, sizeof(saved->general));
	context->uc_mcontext.sp = saved->sp;
	context->uc_mcontext.pc = saved->pc;
	context->uc_mcontext.pstate = saved->pstate;
	*vector_of(context) = saved->vector;
}

static inline uintptr_t saved_ip(const struct context *saved)
{
	return saved->pc;
}

static inline uintptr_t *saved_sp(struct context *saved)
{
	return &saved->sp;
}
#elif defined(__riscv)
/* Vector registers need not be saved: the routines do not use them. */
struct context {
	mcontext_t all;
};

static inline void context_save(struct context *saved, ucontext_t *context)
{
	saved->all = context->uc_mcontext;
}

static inline void context_restore(const struct context *saved, ucontext_t *context)
{
	/* A register that belongs to the thread, whatever the thread executes */
	unsigned long thread_pointer = context->uc_mcontext.__gregs[REG_TP];

	memcpy(&context->uc_mcontext.__gregs, &saved->all.__gregs, sizeof(saved->all.__gregs));
	context->uc_mcontext.__gregs[REG_TP] = thread_pointer;
	context->uc_mcontext.__fpregs.__d = saved->all.__fpregs.__d;
}

static inline uintptr_t saved_ip(const struct context *saved)
{
	return saved->all.__gregs[REG_PC];
}

static inline uintptr_t *saved_sp(struct context *saved)
{
	return (uintptr_t *)&saved->all.__gregs[REG_SP];
}
#endif

#endif /* UPROBES_SAVED_REGISTERS_H */
