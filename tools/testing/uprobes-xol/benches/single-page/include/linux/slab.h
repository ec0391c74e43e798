/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_SLAB_H
#define _HOST_LINUX_SLAB_H

#include <stdlib.h>
#include <string.h>

/* Objects of this size begin at a cache line in the kernel, too. */
static inline void *kzalloc(size_t size)
{
	size_t aligned = (size + 63) & ~(size_t)63;
	void *object = aligned_alloc(64, aligned);

	return object ? memset(object, 0, aligned) : NULL;
}

#define kzalloc_obj(object)	((__typeof__(object) *)kzalloc(sizeof(object)))
#define kfree(object)		free(object)

#endif
