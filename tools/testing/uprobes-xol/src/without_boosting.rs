// SPDX-License-Identifier: GPL-2.0

//! The kernel's files, for machines where no slot is boosted.

#[path = "../../../../kernel/events/uprobes_xol/area.rs"]
mod area;
#[path = "../../../../kernel/events/uprobes_xol/batch.rs"]
mod batch;
#[path = "../../../../kernel/events/uprobes_xol/boost/off.rs"]
mod boost;
#[path = "../../../../kernel/events/uprobes_xol/events.rs"]
mod events;
#[path = "../../../../kernel/events/uprobes_xol/ffi.rs"]
mod ffi;
#[path = "../../../../kernel/events/uprobes_xol/free.rs"]
mod free;
#[path = "../../../../kernel/events/uprobes_xol/gc.rs"]
mod gc;
#[path = "../../../../kernel/events/uprobes_xol/hash.rs"]
mod hash;
#[path = "../../../../kernel/events/uprobes_xol/insn.rs"]
mod insn;
#[path = "../../../../kernel/events/uprobes_xol/page.rs"]
mod page;
#[path = "../../../../kernel/events/uprobes_xol/queue.rs"]
mod queue;
#[path = "../../../../kernel/events/uprobes_xol/record.rs"]
mod record;
#[path = "../../../../kernel/events/uprobes_xol/slot.rs"]
mod slot;
#[path = "../../../../kernel/events/uprobes_xol/slots.rs"]
mod slots;
#[path = "../../../../kernel/events/uprobes_xol/table.rs"]
mod table;
#[path = "../../../../kernel/events/uprobes_xol/task.rs"]
mod task;
