// SPDX-License-Identifier: GPL-2.0
//! The declarations of all tables and plots.

/// A label and what it is called in a table.
type Column = (&'static str, &'static str);

/// A table of metrics. A row stands for an architecture and a set of labels.
pub struct Layout {
    pub title: &'static str,
    pub note: &'static str,
    /// The labels that set rows apart.
    pub rows: &'static [Column],
    pub kernels: Kernels,
    /// Only samples with these labels are shown.
    pub only: &'static [(&'static str, &'static str)],
    pub values: &'static [Value],
}

/// Where the kernels of a table are.
pub enum Kernels {
    /// Each metric has a column for each kernel.
    Columns,
    /// Each kernel has rows of its own, which these labels set apart further.
    Rows(&'static [Column]),
}

/// A metric in a table.
pub struct Value {
    pub metric: &'static str,
    /// Empty if the kernel's name is enough.
    pub heading: &'static str,
    pub digits: usize,
    /// The text for a value of 0, if that means a failure.
    pub zero: Option<&'static str>,
    /// The text where nothing was measured.
    pub none: &'static str,
    /// Adds columns for the ratio of each other kernel to the one in C.
    pub ratio: bool,
    /// Adds a column for the distance of the runs of one kernel.
    pub spread: bool,
    /// The name in a comparison with an earlier run, if it is compared.
    pub compared: Option<&'static str>,
}

const VALUE: Value = Value {
    metric: "",
    heading: "",
    digits: 0,
    zero: None,
    none: "-",
    ratio: false,
    spread: false,
    compared: None,
};

/// Metrics whose least sample counts instead of the median. A run waits for its last thread:
/// other work of the machine can only make it longer.
pub const LEAST: &[&str] = &["slot_layer_ns_per_step"];

/// The number of processors for which tables and requirements look at functions and lines. More
/// processors do the same.
pub const PROCESSORS: &str = "4";

pub const TABLES: &[Layout] = &[
    Layout {
        title: "Probes on functions of real programs",
        note: "The number of calls that bpftrace counted, beside the number of calls made.",
        rows: &[
            ("tool", "tool"),
            ("program", "program"),
            ("function", "function"),
            ("expected", "calls made"),
        ],
        kernels: Kernels::Columns,
        only: &[],
        values: &[Value {
            metric: "counted_calls",
            heading: "counted",
            ..VALUE
        }],
    },
    Layout {
        title: "perf bench uprobe",
        note: "perf is built from this kernel's source, with BPF skeletons. A call is usleep(1000) \
               of libc, so most of its time is sleep. Hits are the runs of perf's BPF program that \
               the kernel counted: 1.00 means that every call was probed.",
        rows: &[("benchmark", "benchmark")],
        kernels: Kernels::Columns,
        only: &[],
        values: &[
            Value {
                metric: "us_per_call",
                heading: "us/call",
                digits: 1,
                ..VALUE
            },
            Value {
                metric: "hits_per_call",
                heading: "hits/call",
                digits: 2,
                zero: Some("NOT ATTACHED"),
                none: "no probe",
                ..VALUE
            },
        ],
    },
    Layout {
        title: "Instructions per hit",
        note: "One thread, user and kernel together, a BPF program that returns 0. QEMU's \
               instruction clock counts them: exact, and the same on every machine. Less is better.",
        rows: &[("instruction", "instruction")],
        kernels: Kernels::Columns,
        only: &[],
        values: &[Value {
            metric: "instructions_per_hit",
            digits: 1,
            ratio: true,
            compared: Some("instructions per hit"),
            ..VALUE
        }],
    },
    Layout {
        title: "Memory that processors share",
        note: "Once warm, per hit: what uprobes do with 64-byte lines that several processors use \
               and one writes, and the bytes that they write to slots. A line counts from 0.01 \
               accesses per hit on. A plugin of QEMU TCG sees the accesses, so that the host's \
               scheduling does not matter. Less is better.",
        rows: &[("processors", "processors"), ("probes", "probes")],
        kernels: Kernels::Rows(&[]),
        only: &[],
        values: &[
            Value {
                metric: "contended_lines",
                heading: "lines",
                compared: Some("shared lines"),
                ..VALUE
            },
            Value {
                metric: "contended_loads",
                heading: "loads",
                digits: 2,
                compared: Some("loads from them per hit"),
                ..VALUE
            },
            Value {
                metric: "contended_stores",
                heading: "stores",
                digits: 2,
                compared: Some("stores to them per hit"),
                ..VALUE
            },
            Value {
                metric: "contended_atomics",
                heading: "atomics",
                digits: 2,
                compared: Some("atomics on them per hit"),
                ..VALUE
            },
            Value {
                metric: "page_bytes",
                heading: "slot bytes",
                digits: 2,
                compared: Some("slot bytes per hit"),
                ..VALUE
            },
        ],
    },
    Layout {
        title: "Functions that use shared lines",
        note: "The same by the kernel's functions, with 4 processors. Lines on which a function \
               does the same are one row. A kernel without a row has no such line.",
        rows: &[("probes", "probes")],
        kernels: Kernels::Rows(&[
            ("function", "function"),
            ("called_by", "called by"),
            ("data", "data"),
        ]),
        only: &[("processors", PROCESSORS)],
        values: &[
            Value {
                metric: "function_lines",
                heading: "lines",
                ..VALUE
            },
            Value {
                metric: "function_loads",
                heading: "loads",
                digits: 2,
                ..VALUE
            },
            Value {
                metric: "function_stores",
                heading: "stores",
                digits: 2,
                ..VALUE
            },
            Value {
                metric: "function_atomics",
                heading: "atomics",
                digits: 2,
                ..VALUE
            },
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
        rows: &[("probes", "probes"), ("threads", "threads")],
        kernels: Kernels::Columns,
        only: &[],
        values: &[
            Value {
                metric: "slot_layer_ns_per_step",
                digits: 1,
                ratio: true,
                compared: Some("ns per step"),
                ..VALUE
            },
            Value {
                metric: "slot_layer_of_linear",
                heading: "of linear",
                digits: 2,
                ..VALUE
            },
        ],
    },
    Layout {
        title: "Hits per second",
        note: "All threads of one process together, each hitting the probes in turn, pid -1, a BPF \
               program that returns 0. The median of several runs in several boots, the kernels \
               alternately. More is better. Spread: the distance between the runs of one kernel. \
               A smaller difference between kernels says nothing.",
        rows: &[
            ("instruction", "instruction"),
            ("probes", "probes"),
            ("threads", "threads"),
        ],
        kernels: Kernels::Columns,
        only: &[],
        values: &[Value {
            metric: "hits_per_second",
            ratio: true,
            spread: true,
            compared: Some("hits/s"),
            ..VALUE
        }],
    },
];

/// A plot of lines, one for each kernel, over the numbers that a label has.
pub struct Lines {
    pub file: &'static str,
    pub title: &'static str,
    pub metric: &'static str,
    /// What a unit of the vertical axis is.
    pub unit: f64,
    pub x: &'static str,
    /// There is a panel for each set of these labels.
    pub panels: &'static [&'static str],
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

/// A plot of bars, for each instruction one of each kernel.
pub struct Bars {
    pub title: &'static str,
    pub metric: &'static str,
    pub x: &'static str,
}

pub const COST: Bars = Bars {
    title: "Instructions per hit",
    metric: "instructions_per_hit",
    x: "instruction",
};
