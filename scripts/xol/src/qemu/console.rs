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
    // What lockdep says of a lock that may sleep inside of one that may not
    "[ BUG: ",
    // Lockdep is off then, and the rest of the boot proves nothing of locks.
    "turning off the locking correctness validator",
];

/// What begins a report of a data race, and what follows its stacks.
const DATA_RACE: &str = "BUG: KCSAN: ";
const END_OF_STACKS: &str = "Reported by Kernel Concurrency Sanitizer on:";

/// One of these is in the name of each function of uprobes that can be the outermost one of
/// them in a stack.
const UPROBES: &[&str] = &[
    "uprobe",
    "uretprobe",
    "xol",
    "ri_timer",
    "hprobe",
    "boost_look",
    "boost_at",
    "mapping_fault",
    "single_page_",
];

/// The first message in a kernel log which says that something is broken.
pub fn splat(log: &str) -> Option<&str> {
    let signs = |message: &str| {
        BEGINNINGS.iter().any(|sign| message.starts_with(sign))
            || ANYWHERE.iter().any(|sign| message.contains(sign))
    };
    with_following(log)
        .find(|(message, following)| signs(message) && !is_race_elsewhere(message, following))
        .map(|(message, _)| message)
}

/// Data races with no function of uprobes in their stacks. Kernels have some, and chance
/// decides which of them KCSAN notices: they say nothing of what is tested here.
pub fn races_elsewhere(log: &str) -> Vec<&str> {
    with_following(log)
        .filter(|(message, following)| is_race_elsewhere(message, following))
        .map(|(message, _)| message)
        .collect()
}

fn is_race_elsewhere(message: &str, following: &str) -> bool {
    if !message.starts_with(DATA_RACE) {
        return false;
    }
    following
        .split_once(END_OF_STACKS)
        .is_some_and(|(stacks, _)| {
            !stacks.contains(DATA_RACE)
                && !UPROBES
                    .iter()
                    .any(|name| message.contains(name) || stacks.contains(name))
        })
}

/// Each message, with all that follows its line.
fn with_following(log: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = log;
    std::iter::from_fn(move || {
        let (line, following) = match rest.split_once('\n') {
            Some(split) => split,
            None if rest.is_empty() => return None,
            None => (rest, ""),
        };
        rest = following;
        Some((message(line), following))
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
                "[    3.0] rust_kernel: panicked at kernel/events/uprobes_xol/uprobes_xol.rs:1:1:",
                "rust_kernel: panicked at kernel/events/uprobes_xol/uprobes_xol.rs:1:1:",
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
                "[    3.0][    T1] [ BUG: Invalid wait context ]",
                "[ BUG: Invalid wait context ]",
            ),
            (
                "[    3.0] [ BUG: Invalid wait context ]",
                "[ BUG: Invalid wait context ]",
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
    fn a_data_race_counts_where_uprobes_take_part() {
        let report = |title: &str, frame: &str| {
            format!(
                "[    9.1] BUG: KCSAN: data-race in {title}\n\
                 [    9.1] \n\
                 [    9.1] race at unknown origin, with read to 0xf0 of 8 bytes by task 8 on cpu 2:\n\
                 [    9.1]  add_device_randomness+0x63/0x90\n\
                 [    9.1]  {frame}+0x755/0x850\n\
                 [    9.1]  do_exit+0xae5/0xf10\n\
                 [    9.1] \n"
            )
        };
        let end = "[    9.2] Reported by Kernel Concurrency Sanitizer on:\n";
        let title = "blake2s_update+0xd6/0x100";
        let message = "BUG: KCSAN: data-race in blake2s_update+0xd6/0x100";
        let elsewhere = report(title, "release_task") + end;
        assert_eq!(splat(&elsewhere), None);
        assert_eq!(races_elsewhere(&elsewhere), [message]);

        let here = report(title, "uprobe_free_utask") + end;
        let unfinished = report(title, "release_task");
        let other_unfinished = unfinished.clone() + &elsewhere;
        for log in [&here, &unfinished, &other_unfinished] {
            assert_eq!(splat(log), Some(message));
        }
        assert_eq!(splat(&(elsewhere.clone() + &here)), Some(message));
        assert_eq!(races_elsewhere(&here), [""; 0]);
        let named = report("uprobe_xol_take+0x1/0x2", "release_task") + end;
        assert!(splat(&named).is_some());
        for outermost in [
            "xol_fault",
            "dup_xol_work",
            "ri_timer",
            "boost_look_current",
            "arch_uretprobe_trampoline",
        ] {
            assert!(splat(&(report(title, outermost) + end)).is_some());
        }
        let then = elsewhere + "[    9.3] WARNING: mm/mmap.c:1 at f\n";
        assert_eq!(splat(&then), Some("WARNING: mm/mmap.c:1 at f"));
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
