/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks for the QEMU plugin qemu-contention: instructions without an effect, with a
 * number in the register of the first argument. The plugin reads what is measured from
 * them; without the plugin they do nothing.
 */
#ifndef QEMU_CONTENTION_MARKS_H
#define QEMU_CONTENTION_MARKS_H

#include <stdint.h>

/* A measurement follows, which the number names. From here on QEMU is slow. */
#define MARK_PREPARE	1
/* This processor executes that many operations until MARK_END. */
#define MARK_BEGIN	2
#define MARK_END	3
/* Bytes that are written to the page frame with that number are counted. */
#define MARK_PAGE	4
/* All processors are done; the number is that of the processors that took part. */
#define MARK_FINISH	5

/* The number, an instruction without an effect that holds it, and the first argument */
#if defined(__x86_64__)
/* "MEM" */
#define MARK_MAGIC	0x4d454d00
#define MARK_INSN	"nopl %c0(%%rax)"
#define MARK_ARGUMENT	"rdi"
#elif defined(__aarch64__)
/* "M" */
#define MARK_MAGIC	0x4d00
#define MARK_INSN	"movz xzr, %0"
#define MARK_ARGUMENT	"x0"
#elif defined(__riscv)
/* "M" */
#define MARK_MAGIC	0x4d00
#define MARK_INSN	"lui zero, %0"
#define MARK_ARGUMENT	"a0"
#endif

#define mark(operation, value) do {					\
	register uint64_t number asm(MARK_ARGUMENT) = (value);		\
									\
	asm volatile(MARK_INSN						\
		     :: "i" (MARK_MAGIC | (operation)), "r" (number)	\
		     : "memory");					\
} while (0)

#endif /* QEMU_CONTENTION_MARKS_H */
