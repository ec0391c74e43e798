/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_BITMAP_H
#define _HOST_LINUX_BITMAP_H

#include <linux/compiler.h>

#define BITS_PER_LONG	(8 * (int)sizeof(long))
#define DECLARE_BITMAP(name, bits) \
	unsigned long name[((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG]

static inline unsigned long bit_mask(long nr)
{
	return 1UL << (nr % BITS_PER_LONG);
}

static inline void __set_bit(long nr, unsigned long *addr)
{
	addr[nr / BITS_PER_LONG] |= bit_mask(nr);
}

/* fully ordered */
static __always_inline bool test_and_set_bit(long nr, unsigned long *addr)
{
	unsigned long mask = bit_mask(nr);

	return __atomic_fetch_or(addr + nr / BITS_PER_LONG, mask, __ATOMIC_SEQ_CST) & mask;
}

/* not ordered */
static __always_inline void clear_bit(long nr, unsigned long *addr)
{
	__atomic_fetch_and(addr + nr / BITS_PER_LONG, ~bit_mask(nr), __ATOMIC_RELAXED);
}

static __always_inline unsigned long find_first_zero_bit(const unsigned long *addr,
							 unsigned long size)
{
	unsigned long word, nr;

	for (nr = 0; nr < size; nr += BITS_PER_LONG) {
		word = READ_ONCE(addr[nr / BITS_PER_LONG]);
		if (~word) {
			nr += __builtin_ctzl(~word);
			return nr < size ? nr : size;
		}
	}
	return size;
}

#endif
