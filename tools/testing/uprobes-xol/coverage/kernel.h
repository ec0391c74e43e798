/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's headers, as far as its analysis of instructions needs them. The functions
 * that handle a hit are in the same files. They are compiled, too, but never called: the
 * functions that they call are not declared, and have the address 0.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int32_t s32;
typedef int64_t s64;
typedef u32 __le32;
typedef unsigned long vm_flags_t;

/* Both architectures, and the machines that this runs on, are little-endian. */
#define le16_to_cpu(x)		(x)
#define le32_to_cpu(x)		(x)
#define cpu_to_le32(x)		(x)

#include "include/uapi/asm-generic/errno.h"
#define ENOTSUPP		524

#define INT_MIN			INT32_MIN
#define INT_MAX			INT32_MAX
#define UINT_MAX		UINT32_MAX

#define SZ_32			32
#define SZ_64			64
#define SZ_4K			0x1000
#define SZ_64K			0x10000
#define SZ_1M			0x100000
#define SZ_2M			0x200000
#define SZ_128M			0x8000000

#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define BITS_PER_LONG		64
#define BIT(n)			(1UL << (n))
#define GENMASK(high, low)	(~0UL << (low) & ~0UL >> (63 - (high)))
#define IS_ALIGNED(x, a)	(!((x) & ((a) - 1)))
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define check_add_overflow	__builtin_add_overflow

#define __always_inline		inline
#define __force
#define __init
#define __kprobes
#define __packed		__attribute__((packed))
#define __ro_after_init
#define __user
#define fallthrough		__attribute__((fallthrough))
#define likely(x)		(x)
#define noinline
#define unlikely(x)		(x)
#define BUILD_BUG()
#define BUILD_BUG_ON(condition)
#define IS_ENABLED(option)	0
#define NOKPROBE_SYMBOL(name)
#define late_initcall(function)
#define SYSCALL_DEFINE0(name)	long sys_##name(void)

/* What asm() emits outside of functions is for the kernel. */
#define asm(...)

#define get_unaligned(pointer)							\
({										\
	typeof(*(pointer)) value;						\
	memcpy(&value, (pointer), sizeof(value));				\
	value;									\
})

static inline bool test_bit(unsigned int bit, const unsigned long *bits)
{
	return bits[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
}

static inline void set_bit(unsigned int bit, unsigned long *bits)
{
	bits[bit / BITS_PER_LONG] |= 1UL << bit % BITS_PER_LONG;
}

/* The rest is for hits only. */
enum { SIGILL, SIGSEGV, SIGTRAP };
enum { DIE_INT3, DIE_DEBUG };
enum { NOTIFY_DONE, NOTIFY_STOP };

struct die_args {
	struct pt_regs *regs;
};

#include <asm/uprobes.h>

enum uprobe_task_state { UTASK_RUNNING, UTASK_SSTEP, UTASK_SSTEP_ACK, UTASK_SSTEP_TRAPPED };
enum rp_check { RP_CHECK_CALL, RP_CHECK_CHAIN_CALL, RP_CHECK_RET };

struct uprobe_task {
	enum uprobe_task_state state;
	struct arch_uprobe_task autask;
	struct arch_uprobe *auprobe;
	unsigned long vaddr;
	unsigned long xol_vaddr;
	bool signal_denied;
};

struct return_instance {
	unsigned long stack;
};

struct mm_struct {
	struct {
		unsigned long flags;
	} context;
	struct {
		bool boosted;
	} uprobes_state;
};

struct task_struct {
	struct mm_struct *mm;
	struct uprobe_task *utask;
	int pid;
	struct thread_struct thread;
};

extern struct task_struct *current;

#endif /* KERNEL_H */
