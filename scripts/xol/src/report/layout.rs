// SPDX-License-Identifier: GPL-2.0
//! The declarations of all tables and plots.

/// Labels, or columns that show them.
type Labels = &'static [&'static str];

/// A table of metrics. A row stands for an architecture and a set of labels.
pub struct Layout {
    pub title: &'static str,
    pub note: &'static str,
    /// The labels that set rows apart.
    pub rows: Labels,
    /// The labels that set a kernel's own rows apart further. Without them, each metric has a
    /// column for each kernel.
    pub kernel_rows: Option<Labels>,
    /// Only samples with these labels are shown.
    pub only: &'static [(&'static str, &'static str)],
    pub values: &'static [Value],
}

/// A metric in a table.
pub struct Value {
    pub metric: &'static str,
    /// Empty if the kernel's name is enough.
    pub heading: &'static str,
    pub digits: usize,
    /// The text where nothing was measured, and the text for 0 if that means a failure.
    pub missing: (&'static str, Option<&'static str>),
    /// Adds columns for the ratio of each other kernel to the one in C.
    pub ratio: bool,
    /// Adds a column for the distance between the runs of one kernel.
    pub spread: bool,
    /// The name in a comparison with an earlier run, if it is compared.
    pub compared: Option<&'static str>,
}

const fn value(metric: &'static str, heading: &'static str, digits: usize) -> Value {
    Value {
        metric,
        heading,
        digits,
        missing: ("-", None),
        ratio: false,
        spread: false,
        compared: None,
    }
}

impl Value {
    const fn ratio(self) -> Self {
        Self {
            ratio: true,
            ..self
        }
    }

    const fn compared(self, name: &'static str) -> Self {
        Self {
            compared: Some(name),
            ..self
        }
    }
}

/// The headings of labels that have another name in tables.
pub const HEADINGS: &[(&str, &str)] = &[("expected", "calls made"), ("called_by", "called by")];

/// Metrics whose least sample counts instead of the median. A run waits for its last thread:
/// other work of the machine can only make it longer.
pub const LEAST: &[&str] = &["slot_layer_ns_per_step"];

/// The number of processors for which tables and requirements look at shared memory in detail.
/// More processors do the same.
pub const PROCESSORS: &str = "4";

pub const TABLES: &[Layout] = &[
    Layout {
        title: "Probes on functions of real programs",
        note: "The number of calls that bpftrace counted, beside the number of calls made.",
        rows: &["tool", "program", "function", "expected"],
        kernel_rows: None,
        only: &[],
        values: &[value("counted_calls", "counted", 0)],
    },
    Layout {
        title: "perf bench uprobe",
        note: "perf is built from this kernel's source, with BPF skeletons. A call is usleep(1000) \
               of libc, so most of its time is sleep. Hits are the runs of perf's BPF program that \
               the kernel counted: 1.00 means that every call was probed.",
        rows: &["benchmark"],
        kernel_rows: None,
        only: &[],
        values: &[
            value("us_per_call", "us/call", 1),
            Value {
                missing: ("no probe", Some("NOT ATTACHED")),
                ..value("hits_per_call", "hits/call", 2)
            },
        ],
    },
    Layout {
        title: "Instructions per hit",
        note: "One thread, user and kernel together, a BPF program that returns 0. QEMU's \
               instruction clock counts them: exact, and the same on every machine. Less is better.",
        rows: &["instruction"],
        kernel_rows: None,
        only: &[],
        values: &[value("instructions_per_hit", "", 1)
            .ratio()
            .compared("instructions per hit")],
    },
    Layout {
        title: "Memory that processors share",
        note: "Once warm, per hit: what uprobes do with 64-byte lines that several processors use \
               and one writes, the bytes that they write to slots, and how often they have \
               instruction caches see the written bytes, which interrupts all processors on \
               riscv64. A line counts from 0.01 accesses per hit on. A plugin of QEMU TCG sees \
               the accesses, so that the host's scheduling does not matter. Less is better.",
        rows: &["processors", "probes"],
        kernel_rows: Some(&[]),
        only: &[],
        values: &[
            value("contended_lines", "lines", 0).compared("shared lines"),
            value("contended_loads", "loads", 2).compared("loads from shared lines per hit"),
            value("contended_stores", "stores", 2).compared("stores to shared lines per hit"),
            value("contended_atomics", "atomics", 2).compared("atomics on shared lines per hit"),
            value("page_bytes", "slot bytes", 2).compared("slot bytes per hit"),
            value("cache_maintenance", "cache maintenance", 2),
        ],
    },
    Layout {
        title: "Functions that use shared lines",
        note: "The same by the kernel's functions, with 4 processors. Lines on which a function \
               does the same are one row. A kernel without a row has no such line.",
        rows: &["probes"],
        kernel_rows: Some(&["function", "called_by", "data"]),
        only: &[("processors", PROCESSORS)],
        values: &[
            value("function_lines", "lines", 0),
            value("function_loads", "loads", 2),
            value("function_stores", "stores", 2),
            value("function_atomics", "atomics", 2),
        ],
    },
    Layout {
        title: "The slot layer on real processors",
        note: "Nanoseconds until each thread has stepped once, on this machine itself; each thread \
               hits the probes in turn. The sources that the kernel is built from are compiled for \
               a program, and so is upstream's algorithm. The least of several runs counts, \
               because other work of the machine adds to the time. Less is better. Of linear: \
               steps per second of all threads, divided by those of one thread times the number \
               of threads. More threads than processors cannot be linear.",
        rows: &["probes", "threads"],
        kernel_rows: None,
        only: &[],
        values: &[
            value("slot_layer_ns_per_step", "", 1)
                .ratio()
                .compared("ns per step"),
            value("slot_layer_of_linear", "of linear", 2),
        ],
    },
    Layout {
        title: "Hits per second",
        note: "All threads of one process together, each hitting the probes in turn, pid -1, a BPF \
               program that returns 0. The median of several runs in several boots, the kernels \
               alternately. More is better. Spread: the distance between the runs of one kernel. \
               A smaller difference between kernels says nothing.",
        rows: &["instruction", "probes", "threads"],
        kernel_rows: None,
        only: &[],
        values: &[Value {
            spread: true,
            ..value("hits_per_second", "", 0).ratio().compared("hits/s")
        }],
    },
];

/// A plot of lines, one for each kernel, over the numbers that a label has.
pub struct Lines {
    pub file: &'static str,
    pub title: &'static str,
    pub metric: &'static str,
    /// The size of a unit of the vertical axis.
    pub unit: f64,
    pub x: &'static str,
    /// There is a panel for each set of these labels.
    pub panels: Labels,
}

pub const LINES: &[Lines] = &[
    Lines {
        file: "shared-memory",
        title: "Accesses to shared lines per hit over processors",
        metric: "contended_accesses",
        unit: 1.0,
        x: "processors",
        panels: &["probes"],
    },
    Lines {
        file: "slot-layer",
        title: "Million steps per second over threads",
        metric: "slot_layer_steps_per_second",
        unit: 1e6,
        x: "threads",
        panels: &["probes"],
    },
    Lines {
        file: "hits-per-second",
        title: "Thousand hits per second over threads",
        metric: "hits_per_second",
        unit: 1e3,
        x: "threads",
        panels: &["instruction", "probes"],
    },
];
