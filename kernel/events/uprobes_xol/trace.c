// SPDX-License-Identifier: GPL-2.0
/* The tracepoints of XOL slots managed in Rust */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/uprobes_xol.h>
