// SPDX-License-Identifier: GPL-2.0

//! The mutants: one thing wrong each, and the property that is to catch it.
//!
//! Every ordering that is stronger than relaxed has a mutant for each ordering that is one step
//! weaker, and every step of the protocol one without it or with it in the wrong place. What to
//! edit is found by its text, which must be there exactly once: when the kernel's files change,
//! this table is changed with them.

/// What to find, and what to put in its place.
pub type Edit = (&'static str, &'static str);

/// A fault.
pub struct Mutant {
    pub name: &'static str,
    pub file: &'static str,
    pub edits: &'static [Edit],
    /// The scenario that is explored.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub scenario: &'static str,
    /// The property that does not hold then.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub caught_by: &'static str,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    // Orderings.
    Mutant {
        name: "enter-relaxed",
        file: "task.rs",
        edits: &[("cmpxchg(IDLE, IN_USE, Acquire)", "cmpxchg(IDLE, IN_USE, Relaxed)")],
        scenario: "recycled-owner",
        caught_by: "no stale slot after a recycle",
    },
    Mutant {
        name: "leave-release",
        file: "task.rs",
        edits: &[("xchg(IDLE, Full)", "xchg(IDLE, Release)")],
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-acquire",
        file: "task.rs",
        edits: &[("xchg(IDLE, Full)", "xchg(IDLE, Acquire)")],
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "recycle-take-relaxed",
        file: "task.rs",
        edits: &[("cmpxchg(IDLE, RECYCLED, Acquire)", "cmpxchg(IDLE, RECYCLED, Relaxed)")],
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "recycle-restore-relaxed",
        file: "task.rs",
        edits: &[("store(IDLE, Release)", "store(IDLE, Relaxed)")],
        scenario: "recycled-owner",
        caught_by: "no stale slot after a recycle",
    },
    Mutant {
        name: "leave-relaxed",
        file: "task.rs",
        edits: &[("xchg(IDLE, Full)", "xchg(IDLE, Relaxed)")],
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    // A task's state and slot.
    Mutant {
        name: "enter-while-recycled",
        file: "task.rs",
        edits: &[("Err(RECYCLED) => cpu_relax()", "Err(RECYCLED) => break")],
        scenario: "same-probe",
        caught_by: "one owner per slot",
    },
    Mutant {
        name: "recycle-in-use",
        file: "task.rs",
        edits: &[
            ("if self.state.load(Relaxed) != IDLE {", "if false {"),
            (
                "self.state.cmpxchg(IDLE, RECYCLED, Acquire).ok()?;",
                "self.state.xchg(RECYCLED, Acquire);",
            ),
        ],
        scenario: "recycled-owner",
        caught_by: "no stale slot after a recycle",
    },
    Mutant {
        name: "recycle-restores-state-first",
        file: "task.rs",
        edits: &[
            ("        self.cached.store(NO_SLOT, Relaxed);\n\n", "\n"),
            (
                "self.state.store(IDLE, Release);",
                "self.state.store(IDLE, Release);\n        self.cached.store(NO_SLOT, Relaxed);",
            ),
        ],
        scenario: "recycled-owner",
        caught_by: "no stale slot after a recycle",
    },
    Mutant {
        name: "recycle-leaves-slot",
        file: "task.rs",
        edits: &[("        self.cached.store(NO_SLOT, Relaxed);\n\n", "\n")],
        scenario: "same-probe",
        caught_by: "one owner per slot",
    },
    Mutant {
        name: "recycle-does-not-restore",
        file: "task.rs",
        edits: &[("self.state.store(IDLE, Release);", "")],
        scenario: "recycled-owner",
        caught_by: "no livelock",
    },
    Mutant {
        name: "assign-forgets",
        file: "task.rs",
        edits: &[("self.task.cached.store(slot.number(), Relaxed);", "")],
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-leaves-slot",
        file: "task.rs",
        edits: &[("self.cached.store(NO_SLOT, Relaxed);\n        self.state", "self.state")],
        scenario: "death-in-slot",
        caught_by: "no stale slot after a recycle",
    },
    Mutant {
        name: "evict-leaves-state",
        file: "task.rs",
        edits: &[("self.state.store(IDLE, Relaxed);", "")],
        scenario: "death-in-slot",
        caught_by: "no warning",
    },
    // Who gets a slot.
    Mutant {
        name: "take-out-of-turn",
        file: "gc.rs",
        edits: &[("self.try_take(vacant, !self.waiters.is_active())", "self.try_take(vacant, true)")],
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-none",
        file: "gc.rs",
        edits: &[("if turn { 0 } else { 1 }", "0")],
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-always",
        file: "gc.rs",
        edits: &[("if turn { 0 } else { 1 }", "1")],
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "killed-stays-in-use",
        file: "gc.rs",
        edits: &[("            vacant.leave();\n", "")],
        scenario: "killed-waiter",
        caught_by: "no warning",
    },
    Mutant {
        name: "recycle-loses-holder",
        file: "gc.rs",
        edits: &[("            self.holders.push_back(task);\n", "")],
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "recycle-keeps-holder",
        file: "gc.rs",
        edits: &[(
            "                self.holding -= 1;\n                return Some(slot);",
            "                self.holding -= 1;\n                self.holders.push_back(task);\n                return Some(slot);",
        )],
        scenario: "two-tasks",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "free-leaves-bit",
        file: "gc.rs",
        edits: &[("self.used.clear_bit(slot.number() as usize);", "")],
        scenario: "alternating",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "free-leaves-holder",
        file: "gc.rs",
        edits: &[("if unsafe { self.holders.remove(task) }.is_some() {", "if true {")],
        scenario: "alternating",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "evict-frees-nothing",
        file: "gc.rs",
        edits: &[("if let Some(slot) = task.evict(&mut inner.locked) {", "if let (true, Some(slot)) = (false, task.evict(&mut inner.locked)) {")],
        scenario: "alternating",
        caught_by: "everything freed at the end",
    },
    // Waking those who wait.
    Mutant {
        name: "leave-looks-first",
        file: "gc.rs",
        edits: &[
            ("        task.leave();\n", "        let active = self.waiters.is_active();\n        task.leave();\n"),
            ("if self.waiters.is_active() {\n            self.hand_over", "if active {\n            self.hand_over"),
        ],
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-hands-nothing-over",
        file: "gc.rs",
        edits: &[("if inner.free_count() == 0 {", "if false {")],
        scenario: "left-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "leave-wakes-nobody",
        file: "gc.rs",
        edits: &[("        drop(inner);\n        self.waiters.wake_one();\n", "")],
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-looks-first",
        file: "gc.rs",
        edits: &[
            ("        let mut inner = self.inner.lock();\n        if let Some(slot) = task.evict", "        let active = self.waiters.is_active();\n        let mut inner = self.inner.lock();\n        if let Some(slot) = task.evict"),
            ("if self.waiters.is_active() {\n            self.waiters.wake_one", "if active {\n            self.waiters.wake_one"),
        ],
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-wakes-nobody",
        file: "gc.rs",
        edits: &[("            self.waiters.wake_one();\n", "")],
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    // The wait.
    Mutant {
        name: "wait-asks-before-enqueuing",
        file: "wait_queue.rs",
        edits: &[
            ("let mut turn = enqueue();", "let mut turn = true;"),
            ("            // SAFETY: `task` is the current task.\n", "            enqueue();\n"),
            ("            enqueue();\n            turn = true;\n", ""),
        ],
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "wait-does-not-prepare-again",
        file: "wait_queue.rs",
        edits: &[("            enqueue();\n            turn = true;\n", "            turn = true;\n")],
        scenario: "two-tasks",
        caught_by: "no livelock",
    },
    Mutant {
        name: "wait-gets-no-turn",
        file: "wait_queue.rs",
        edits: &[("            enqueue();\n            turn = true;\n", "            turn = enqueue();\n")],
        scenario: "killed-waiter",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "wait-ignores-kill",
        file: "wait_queue.rs",
        edits: &[("fatal_signal_pending(task) } != 0", "fatal_signal_pending(task) } > 1")],
        scenario: "killed-waiter",
        caught_by: "no livelock",
    },
    Mutant {
        name: "wait-fails",
        file: "wait_queue.rs",
        edits: &[("fatal_signal_pending(task) } != 0", "fatal_signal_pending(task) } == 0")],
        scenario: "two-tasks",
        caught_by: "a take never fails",
    },
    Mutant {
        name: "wait-stays-enqueued",
        file: "wait_queue.rs",
        edits: &[("unsafe { bindings::finish_wait(self.head.get(), entry.get()) };", "")],
        scenario: "two-tasks",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "wait-drops-baton",
        file: "wait_queue.rs",
        edits: &[("        if self.is_active() {\n            self.wake_one();\n        }\n        result\n", "        result\n")],
        scenario: "killed-waiter",
        caught_by: "no lost wake-up",
    },
    // What a slot holds.
    Mutant {
        name: "get-writes-nothing",
        file: "slot.rs",
        edits: &[("is_some_and(|cell| cell.holds(insn))", "is_some()")],
        scenario: "alternating",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "get-writes-always",
        file: "slot.rs",
        edits: &[("is_some_and(|cell| cell.holds(insn))", "is_none()")],
        scenario: "alternating",
        caught_by: "what a slot holds is not written again",
    },
    Mutant {
        name: "get-does-not-remember",
        file: "slot.rs",
        edits: &[("            cell.set(insn);\n", "")],
        scenario: "alternating",
        caught_by: "what a slot holds is not written again",
    },
];
