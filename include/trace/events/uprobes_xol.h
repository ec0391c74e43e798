/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of the slots of XOL areas. The task that records an event belongs to the
 * area's process.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM uprobes_xol

#if !defined(_TRACE_UPROBES_XOL_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_UPROBES_XOL_H

#include <linux/tracepoint.h>

/* The task got into a slot for a step, and did not have this slot cached. */
TRACE_EVENT(uprobe_xol_taken,

	TP_PROTO(unsigned int slot, unsigned long vaddr),

	TP_ARGS(slot, vaddr),

	TP_STRUCT__entry(
		__field(unsigned int,	slot)
		__field(unsigned long,	vaddr)
	),

	TP_fast_assign(
		__entry->slot = slot;
		__entry->vaddr = vaddr;
	),

	TP_printk("slot=%u vaddr=0x%lx", __entry->slot, __entry->vaddr)
);

/* The task recycled a slot. */
TRACE_EVENT(uprobe_xol_recycled,

	TP_PROTO(unsigned int slot),

	TP_ARGS(slot),

	TP_STRUCT__entry(
		__field(unsigned int,	slot)
	),

	TP_fast_assign(
		__entry->slot = slot;
	),

	TP_printk("slot=%u", __entry->slot)
);

/* The task has stopped waiting for a slot: it got a slot or a fatal signal. */
TRACE_EVENT(uprobe_xol_waited,

	TP_PROTO(bool killed),

	TP_ARGS(killed),

	TP_STRUCT__entry(
		__field(bool,	killed)
	),

	TP_fast_assign(
		__entry->killed = killed;
	),

	TP_printk("killed=%d", __entry->killed)
);

/* The task added a page to its area, which now has @pages. */
TRACE_EVENT(uprobe_xol_grown,

	TP_PROTO(unsigned int pages),

	TP_ARGS(pages),

	TP_STRUCT__entry(
		__field(unsigned int,	pages)
	),

	TP_fast_assign(
		__entry->pages = pages;
	),

	TP_printk("pages=%u", __entry->pages)
);

#endif /* _TRACE_UPROBES_XOL_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
