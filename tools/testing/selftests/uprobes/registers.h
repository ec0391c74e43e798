/* SPDX-License-Identifier: GPL-2.0 */
/* Registers, as signal handlers, tracers and readers of core dumps get them. */
#ifndef UPROBES_REGISTERS_H
#define UPROBES_REGISTERS_H

#include <elf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <ucontext.h>
#ifdef __riscv
/* struct user_regs_struct, which the C library lacks */
#include <asm/ptrace.h>
#endif

#if defined(__x86_64__)
#define FLAG_TRAP	0x100UL
#define FLAG_ALIGNED	0x40000UL

static inline uintptr_t *context_ip(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.gregs[REG_RIP];
}

static inline uintptr_t *context_argument(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.gregs[REG_RDI];
}

static inline uintptr_t *context_sp(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.gregs[REG_RSP];
}

/* What pop_function() pops by */
static inline uintptr_t *context_popped(ucontext_t *context)
{
	return context_sp(context);
}

/* Whether the interrupted code is single-stepped, by itself or by the kernel */
static inline bool context_steps(ucontext_t *context)
{
	return context->uc_mcontext.gregs[REG_EFL] & FLAG_TRAP;
}

static inline uintptr_t regs_ip(const struct user_regs_struct *regs)
{
	return regs->rip;
}
#elif defined(__aarch64__)
static inline uintptr_t *context_ip(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.pc;
}

static inline uintptr_t *context_argument(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.regs[0];
}

static inline uintptr_t *context_sp(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.sp;
}

/* The address of the fault that a signal reports, as its frame has it */
static inline uintptr_t context_fault_address(ucontext_t *context)
{
	return context->uc_mcontext.fault_address;
}
#elif defined(__riscv)
static inline uintptr_t *context_ip(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.__gregs[REG_PC];
}

static inline uintptr_t *context_argument(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.__gregs[REG_A0];
}

static inline uintptr_t *context_sp(ucontext_t *context)
{
	return (uintptr_t *)&context->uc_mcontext.__gregs[REG_SP];
}
#endif

#if defined(__aarch64__) || defined(__riscv)
static inline uintptr_t *context_popped(ucontext_t *context)
{
	return context_argument(context);
}

/* No register of user space tells. */
static inline bool context_steps(ucontext_t *context)
{
	return false;
}

static inline uintptr_t regs_ip(const struct user_regs_struct *regs)
{
	return regs->pc;
}
#endif

/* Of a traced process that is stopped; 0 if it is not there */
static inline uintptr_t traced_ip(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec iov = { .iov_base = &regs, .iov_len = sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov))
		return 0;
	return regs_ip(&regs);
}

#endif /* UPROBES_REGISTERS_H */
