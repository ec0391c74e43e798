/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_COMPILER_H
#define _HOST_LINUX_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#undef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#define WARN_ON_ONCE(condition) ({			\
	if (unlikely(condition))			\
		abort();				\
	false;						\
})

#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#ifdef __x86_64__
/* An atomic operation is a full barrier. */
#define smp_mb__after_atomic()	__asm__ volatile("" ::: "memory")
#else
#define smp_mb__after_atomic()	smp_mb()
#endif

static inline void cpu_relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}

#endif
