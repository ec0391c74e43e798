/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_MM_TYPES_H
#define _HOST_LINUX_MM_TYPES_H

#include <linux/mm.h>

typedef unsigned char u8;
typedef unsigned long long u64;

struct vm_area_struct;
struct xol_area;

struct mm_struct {
	struct {
		struct xol_area	*xol_area;
	} uprobes_state;
};

#endif
