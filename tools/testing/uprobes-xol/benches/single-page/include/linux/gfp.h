/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_GFP_H
#define _HOST_LINUX_GFP_H

#define GFP_HIGHUSER	0
#define __GFP_ZERO	0

struct page;

/* in Rust */
struct page *alloc_page(unsigned int gfp);

#endif
