// SPDX-License-Identifier: GPL-2.0
//! Reads a guest's kernel log for signs that the kernel is not well.

/// Messages that begin with one of these are splats.
const BEGINNINGS: &[&str] = &[
    "BUG: ",
    "WARNING: ",
    "INFO: task ",
    "INFO: possible ",
    "INFO: trying to register non-static key",
    "Kernel panic",
    "Oops",
    "Internal error: ",
    "Unable to handle ",
    "general protection fault",
    "refcount_t: ",
    "rust_kernel: panicked at",
    "watchdog: BUG: ",
    "UBSAN: ",
    "kernel BUG at ",
    "divide error: ",
    "stack segment: ",
    "invalid opcode: ",
    "int3: ",
];

/// Messages that have one of these anywhere are splats.
const ANYWHERE: &[&str] = &[
    "KASAN: ",
    "KCSAN: ",
    "KFENCE: ",
    "blocked for more than ",
    "detected stall",
    "suspicious RCU usage",
    "inconsistent lock state",
    "new suspected memory leaks",
    "scheduling while atomic",
    "DEBUG_LOCKS_WARN_ON",
    // Lockdep is off then, and the rest of the boot proves nothing of locks.
    "turning off the locking correctness validator",
];

/// The first message in a kernel log which says that something is broken.
pub fn splat(log: &str) -> Option<&str> {
    log.lines().map(message).find(|message| {
        BEGINNINGS.iter().any(|sign| message.starts_with(sign))
            || ANYWHERE.iter().any(|sign| message.contains(sign))
    })
}

/// The last message, for a guest that ended or hung without a word.
pub fn last_message(log: &str) -> Option<&str> {
    log.lines()
        .map(message)
        .rfind(|message| !message.is_empty())
}

/// A line without `[    1.234567] ` and, with CONFIG_PRINTK_CALLER, `[    T1] `.
fn message(line: &str) -> &str {
    let mut rest = line.trim();
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let stamp = |c: char| c.is_ascii_digit() || c == '.' || c == 'T' || c == 'C' || c == ' ';
        if !inside.chars().all(stamp) {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splats_are_seen() {
        for (line, expected) in [
            (
                "[    1.5] BUG: kernel NULL pointer dereference, address: 0000",
                "BUG: kernel NULL pointer dereference, address: 0000",
            ),
            (
                "[   12.345678][   T71] WARNING: kernel/events/uprobes.c:12 at f, CPU#1: t/71",
                "WARNING: kernel/events/uprobes.c:12 at f, CPU#1: t/71",
            ),
            (
                "[  121.0] INFO: task t:9 blocked for more than 120 seconds.",
                "INFO: task t:9 blocked for more than 120 seconds.",
            ),
            (
                "[   61.0] rcu: INFO: rcu_sched self-detected stall on CPU",
                "rcu: INFO: rcu_sched self-detected stall on CPU",
            ),
            (
                "[    2.0] kmemleak: 3 new suspected memory leaks (see /sys/...)",
                "kmemleak: 3 new suspected memory leaks (see /sys/...)",
            ),
            (
                "[    2.0] Unable to handle kernel paging request at virtual address 0",
                "Unable to handle kernel paging request at virtual address 0",
            ),
            (
                "[    2.0] Oops: general protection fault, 0000 [#1] SMP",
                "Oops: general protection fault, 0000 [#1] SMP",
            ),
            (
                "[    3.0] rust_kernel: panicked at kernel/events/uprobes_xol.rs:1:1:",
                "rust_kernel: panicked at kernel/events/uprobes_xol.rs:1:1:",
            ),
            (
                "[    3.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2",
                "BUG: KASAN: slab-use-after-free in f+0x1/0x2",
            ),
            (
                "[    3.0] INFO: trying to register non-static key.",
                "INFO: trying to register non-static key.",
            ),
            (
                "[    3.0] turning off the locking correctness validator.",
                "turning off the locking correctness validator.",
            ),
            (
                "[    3.0] WARNING: possible circular locking dependency detected",
                "WARNING: possible circular locking dependency detected",
            ),
        ] {
            assert_eq!(splat(&format!("[ 0.1] fine\n{line}\n")), Some(expected));
        }
    }

    #[test]
    fn a_healthy_log_has_none() {
        let log = "\
[    0.000000] Linux version 7.3.4
[    0.010000] Spectre V2 : WARNING: Unprivileged eBPF is enabled
[    0.020000] RCU: Adjusting geometry for rcu_fanout_leaf=16
[    0.030000] KTAP version 1
[    0.040000]     # recycle: a stale slot would be a BUG: none
[    1.000000] reboot: Power down
";
        assert_eq!(splat(log), None);
        assert_eq!(last_message(log), Some("reboot: Power down"));
        assert_eq!(last_message("\n"), None);
    }
}
