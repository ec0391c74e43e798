/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_LINUX_MM_H
#define _HOST_LINUX_MM_H

#define PAGE_SIZE	4096UL

struct page;

/* in Rust */
void put_page(struct page *page);

#define __free_page(page)	put_page(page)

#endif
