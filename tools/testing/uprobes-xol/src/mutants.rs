// SPDX-License-Identifier: GPL-2.0

//! The mutants: one thing wrong each, and the property that is to catch it.
//!
//! Every ordering that is stronger than relaxed has a mutant for each ordering that is one step
//! weaker, and every step of the protocol one without it or with it in the wrong place. What to
//! edit is found by its text, which must be there exactly once: when the kernel's files change,
//! this table is changed with them.

/// What to find, and what to put in its place.
pub type Edit = (&'static str, &'static str);

/// How many slots there are: features of this crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    OneSlot,
    TwoSlots,
    TwoPages,
}

/// A fault.
pub struct Mutant {
    pub name: &'static str,
    pub file: &'static str,
    pub edits: &'static [Edit],
    /// The build in which the scenario shows it.
    pub build: Build,
    /// The scenario that is explored.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub scenario: &'static str,
    /// The property that does not hold then.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub caught_by: &'static str,
}

/// Not a fault: the same in smaller steps, so that more happens between them. All scenarios hold.
pub const SMALL_STEPS: Mutant = Mutant {
    name: "small-steps",
    file: "gc.rs",
    edits: &[
        (
            "const TASKS_AT_ONCE: usize = 32;",
            "const TASKS_AT_ONCE: usize = 1;",
        ),
        (
            "const BATCH: usize = u64::BITS as usize;",
            "const BATCH: usize = 2;",
        ),
    ],
    build: Build::OneSlot,
    scenario: "",
    caught_by: "",
};

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    // Orderings.
    Mutant {
        name: "enter-relaxed",
        file: "task.rs",
        edits: &[(
            "cmpxchg(State::Idle, State::InUse, Acquire)",
            "cmpxchg(State::Idle, State::InUse, Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "leave-release",
        file: "task.rs",
        edits: &[("xchg(State::Idle, Full)", "xchg(State::Idle, Release)")],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-acquire",
        file: "task.rs",
        edits: &[("xchg(State::Idle, Full)", "xchg(State::Idle, Acquire)")],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "vacate-look-relaxed",
        file: "task.rs",
        edits: &[("self.cached.load(Acquire)", "self.cached.load(Relaxed)")],
        build: Build::OneSlot,
        scenario: "vacated-mover",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "vacate-take-relaxed",
        file: "task.rs",
        edits: &[(
            "cmpxchg(State::Idle, State::Recycled, Acquire)",
            "cmpxchg(State::Idle, State::Recycled, Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "vacate-restore-relaxed",
        file: "task.rs",
        edits: &[("store(State::Idle, Release)", "store(State::Idle, Relaxed)")],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "claim-release",
        file: "task.rs",
        edits: &[("xchg(slot.number(), Full)", "xchg(slot.number(), Release)")],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "claim-acquire",
        file: "task.rs",
        edits: &[("xchg(slot.number(), Full)", "xchg(slot.number(), Acquire)")],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "offers-relaxed",
        file: "record.rs",
        edits: &[(
            "let version = self.version.load(Acquire)",
            "let version = self.version.load(Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "open-relaxed",
        file: "record.rs",
        edits: &[(
            "self.version.store(version, Release)",
            "self.version.store(version, Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "close-release",
        file: "record.rs",
        edits: &[(
            "self.version.xchg(version, Full)",
            "self.version.xchg(version, Release)",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "close-acquire",
        file: "record.rs",
        edits: &[(
            "self.version.xchg(version, Full)",
            "self.version.xchg(version, Acquire)",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    // A task's state and slot.
    Mutant {
        name: "enter-while-recycled",
        file: "task.rs",
        edits: &[(
            "Err(State::Recycled) => cpu_relax()",
            "Err(State::Recycled) => break",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "vacate-in-use",
        file: "task.rs",
        edits: &[(
            "let idle = self.state.cmpxchg(State::Idle, State::Recycled, Acquire);
        if idle.is_err() {",
            "let state = self.state.xchg(State::Recycled, Acquire);
        if state == State::Recycled {",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "vacate-restores-state-first",
        file: "task.rs",
        edits: &[
            (
                "            // INVARIANT: Another task writes while `Recycled`.
            self.cached.store(NO_SLOT, Relaxed);
",
                "            self.state.store(State::Idle, Release);
            // INVARIANT: Another task writes while `Recycled`.
            self.cached.store(NO_SLOT, Relaxed);
",
            ),
            (
                "        self.state.store(State::Idle, Release);
        None",
                "        None",
            ),
        ],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "vacate-leaves-slot",
        file: "task.rs",
        edits: &[(
            "            // INVARIANT: Another task writes while `Recycled`.
            self.cached.store(NO_SLOT, Relaxed);
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "vacate-does-not-restore",
        file: "task.rs",
        edits: &[("self.state.store(State::Idle, Release);", "")],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no livelock",
    },
    Mutant {
        name: "claim-says-nothing",
        file: "task.rs",
        edits: &[(
            "self.task.cached.xchg(slot.number(), Full) == NO_SLOT",
            "false",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "claim-does-not-ask",
        file: "task.rs",
        edits: &[("if !is_right() {", "if false {")],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "claim-asks-first",
        file: "task.rs",
        edits: &[(
            "        if self.task.cached.xchg(slot.number(), Full) == NO_SLOT {
            events::task_got_slot();
        }
        if !is_right() {",
            "        let is_right = is_right();
        if self.task.cached.xchg(slot.number(), Full) == NO_SLOT {
            events::task_got_slot();
        }
        if !is_right {",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "claim-keeps-no-copy",
        file: "task.rs",
        edits: &[(
            "        self.task.insn.set(insn);
        // INVARIANT",
            "        // INVARIANT",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "evict-leaves-slot",
        file: "task.rs",
        edits: &[(
            "self.cached.store(NO_SLOT, Relaxed);
        self.state",
            "self.state",
        )],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "evict-leaves-state",
        file: "task.rs",
        edits: &[("self.state.store(State::Idle, Relaxed);", "")],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no warning",
    },
    // The table.
    Mutant {
        name: "offer-writes-nothing",
        file: "table.rs",
        edits: &[("            unused.write(insn.bytes());\n", "")],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "offer-writes-always",
        file: "table.rs",
        edits: &[("if !record.holds(insn) {", "if true {")],
        build: Build::TwoSlots,
        scenario: "written-before",
        caught_by: "what a slot holds is not written again",
    },
    Mutant {
        name: "offer-does-not-remember",
        file: "table.rs",
        edits: &[(
            "            record.insn.set(insn);
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "same-probe",
        caught_by: "what a slot holds is not written again",
    },
    Mutant {
        name: "offer-trusts-zeroes",
        file: "record.rs",
        edits: &[("!self.is_version(0) && ", "")],
        build: Build::OneSlot,
        scenario: "zeroes",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "retract-does-not-close",
        file: "table.rs",
        edits: &[(
            "        record.close();
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "restore-does-not-link",
        file: "table.rs",
        edits: &[(
            "        record.open();
        self.link(self.head(&record.insn.get()), slot, locked);
",
            "        record.open();\n",
        )],
        build: Build::OneSlot,
        scenario: "shared-slot",
        caught_by: "no lost wake-up",
    },
    // Who gets a slot.
    Mutant {
        name: "take-out-of-turn",
        file: "slots.rs",
        edits: &[
            (
                "inner.take(&self.table, entered, insn, spare(self.queue.is_empty()))",
                "inner.take(&self.table, entered, insn, spare(true))",
            ),
            (
                "self.try_take(entered, insn, self.queue.is_empty())",
                "self.try_take(entered, insn, true)",
            ),
        ],
        build: Build::OneSlot,
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-none",
        file: "slots.rs",
        edits: &[("usize::from(!turn)", "usize::from(turn && !turn)")],
        build: Build::OneSlot,
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-always",
        file: "slots.rs",
        edits: &[("usize::from(!turn)", "usize::from(turn || !turn)")],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-keeps-slot",
        file: "slots.rs",
        edits: &[(
            "        entered.forget();
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "changing-probes",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-wakes-nobody",
        file: "slots.rs",
        edits: &[(
            "        self.queue.wake_first();
        self.wake_alike(insn);",
            "        self.wake_alike(insn);",
        )],
        build: Build::TwoSlots,
        scenario: "moved-on",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-wakes-for-its-own-slot",
        file: "slots.rs",
        edits: &[
            (
                "        entered.forget();
        let held = self.take_or_grow",
                "        let had_slot = entered.slot().is_some();
        entered.forget();
        let held = self.take_or_grow",
            ),
            (
                "        self.queue.wake_first();
        self.wake_alike(insn);",
                "        if had_slot {
            self.queue.wake_first();
        }
        self.wake_alike(insn);",
            ),
        ],
        build: Build::TwoSlots,
        scenario: "claimed-too-late",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-enlists-nobody",
        file: "slots.rs",
        edits: &[(
            "        self.enlist(entered);
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "take-keeps-nothing-retracted",
        file: "gc.rs",
        edits: &[
            ("slots.find(|slot| slot", "slots.find(|slot| false && slot"),
            (
                "const TASKS_AT_ONCE: usize = 32;",
                "const TASKS_AT_ONCE: usize = 1;",
            ),
        ],
        build: Build::OneSlot,
        scenario: "shared-while-asked",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-spoils-what-it-keeps",
        file: "gc.rs",
        edits: &[
            ("        self.gc.batch.remove(slot.slot());\n", ""),
            (
                "const TASKS_AT_ONCE: usize = 32;",
                "const TASKS_AT_ONCE: usize = 1;",
            ),
        ],
        build: Build::OneSlot,
        scenario: "shared-while-asked",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "killed-stays-in-use",
        file: "slots.rs",
        edits: &[("Err(_) => entered.leave(),", "Err(_) => {}")],
        build: Build::OneSlot,
        scenario: "killed-waiter",
        caught_by: "no warning",
    },
    // Taking slots away.
    Mutant {
        name: "collect-loses-task",
        file: "gc.rs",
        edits: &[(
            "            self.gc.tasks.push_back(task);
        }
    }

    /// Recycles",
            "        }
    }

    /// Recycles",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-asks-nobody",
        file: "gc.rs",
        edits: &[("let mut left = inner.gc.task_count;", "let mut left = 0;")],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-asks-first-only",
        file: "gc.rs",
        edits: &[
            (
                "if left == 0 || inner.gc.batch",
                "if left < 99 || inner.gc.batch",
            ),
            (
                "const TASKS_AT_ONCE: usize = 32;",
                "const TASKS_AT_ONCE: usize = 1;",
            ),
        ],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-ignores-answer",
        file: "gc.rs",
        edits: &[(
            "                self.gc.batch.remove(slot);
                if let Some(slot) = table.at(slot) {
                    table.restore(slot, &mut self.locked);
                }
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-restores-nothing",
        file: "gc.rs",
        edits: &[(
            "                if let Some(slot) = table.at(slot) {
                    table.restore(slot, &mut self.locked);
                }
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "collect-together",
        file: "gc.rs",
        edits: &[
            ("if self.collecting {", "if false {"),
            (
                "const TASKS_AT_ONCE: usize = 32;",
                "const TASKS_AT_ONCE: usize = 1;",
            ),
        ],
        build: Build::OneSlot,
        scenario: "three-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "collect-forgets-who-came",
        file: "gc.rs",
        edits: &[
            (
                "        core::mem::take(&mut self.awaited)
",
                "        false
",
            ),
            (
                "const BATCH: usize = u64::BITS as usize;",
                "const BATCH: usize = 1;",
            ),
        ],
        build: Build::TwoSlots,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "collect-leaves-slot",
        file: "gc.rs",
        edits: &[(
            "            self.free.put(slot);
        }
        !batch",
            "        }
        !batch",
        )],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "no lost wake-up",
    },
    // What is counted.
    Mutant {
        name: "claim-counts-nothing",
        file: "task.rs",
        edits: &[("            events::task_got_slot();", "")],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "what is counted is what there is",
    },
    Mutant {
        name: "vacate-counts-nothing",
        file: "task.rs",
        edits: &[(
            "            events::task_lost_slot();
            // INVARIANT",
            "            // INVARIANT",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "what is counted is what there is",
    },
    Mutant {
        name: "evict-counts-nothing",
        file: "task.rs",
        edits: &[(
            "        if self.slot().is_some() {
            events::task_lost_slot();
        }
        // ORDERING: Relaxed. No task",
            "        // ORDERING: Relaxed. No task",
        )],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "what is counted is what there is",
    },
    Mutant {
        name: "collect-counts-nothing",
        file: "gc.rs",
        edits: &[("            events::recycled(slot);", "")],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "what is counted is what there is",
    },
    // Boosting.
    Mutant {
        name: "boosted-relaxed",
        file: "boost/table.rs",
        edits: &[("self.0.load(Acquire)", "self.0.load(Relaxed)")],
        build: Build::TwoSlots,
        scenario: "boosted-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "boost-relaxed",
        file: "boost/table.rs",
        edits: &[(
            "self.0.store(target.get(), Release)",
            "self.0.store(target.get(), Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "boost-writes-later",
        file: "boost/table.rs",
        edits: &[
            ("        unused.write(&boosted_insn(insn, next));\n", ""),
            (
                "        self.link(self.boosted_head(next), slot, locked);
        slot.slot()
",
                "        self.link(self.boosted_head(next), slot, locked);
        Unused::new(slot, locked).write(&boosted_insn(insn, next));
        slot.slot()
",
            ),
        ],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-does-not-link",
        file: "boost/table.rs",
        edits: &[(
            "        self.link(self.boosted_head(next), slot, locked);
        slot.slot()
",
            "        slot.slot()\n",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-offers",
        file: "boost/mod.rs",
        edits: &[(
            "        let slot = table.boost(unused, insn, next, &mut self.locked);\n",
            "        let slot = table.boost(unused, insn, next, &mut self.locked);
        table.restore(table.at(slot)?, &mut self.locked);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-stays",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-puts-back",
        file: "boost/mod.rs",
        edits: &[(
            "        let slot = table.boost(unused, insn, next, &mut self.locked);\n",
            "        let slot = table.boost(unused, insn, next, &mut self.locked);
        self.free.put(slot);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-stays",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-does-not-look-again",
        file: "boost/mod.rs",
        edits: &[(
            "let found = table.find_boosted(insn, next);
        if found",
            "let found = None;
        if found",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-takes-all",
        file: "boost/mod.rs",
        edits: &[(" || self.is_full() {", " {")],
        build: Build::TwoSlots,
        scenario: "boosted-by-many",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-does-not-count",
        file: "boost/mod.rs",
        edits: &[(
            "        self.boosted.add();
",
            "",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-by-many",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-tells-nothing",
        file: "boost/reclaim.rs",
        edits: &[("        count(Counter::Boosted, 1);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "what is counted is what there is",
    },
    Mutant {
        name: "boost-always-locks",
        file: "boost/mod.rs",
        edits: &[("if self.table.boosted.is_forbidden() {", "if false {")],
        build: Build::TwoSlots,
        scenario: "boosted-by-many",
        caught_by: "a slot is found again without a lock",
    },
    Mutant {
        name: "boost-gives-up",
        file: "gc.rs",
        edits: &[("                inner.allow_boosting(&self.table);\n", "")],
        build: Build::TwoPages,
        scenario: "boosted-later",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-out-of-turn",
        file: "boost/mod.rs",
        edits: &[(
            "let spare = spare(self.queue.is_empty());",
            "let spare = spare(true);",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-or-waited",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "boost-does-not-grow",
        file: "boost/mod.rs",
        edits: &[("let mut may_grow = true;", "let mut may_grow = false;")],
        build: Build::TwoPages,
        scenario: "boosted-grown",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-gives-up-for-good",
        file: "slots.rs",
        edits: &[(
            "            inner.allow_boosting(&self.table);
            events::grown",
            "            events::grown",
        )],
        build: Build::TwoPages,
        scenario: "boosted-without-memory",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-tries-for-good",
        file: "boost/mod.rs",
        edits: &[("if may_grow && pages", "if pages")],
        build: Build::TwoPages,
        scenario: "boosted-without-memory",
        caught_by: "no livelock",
    },
    // Boosting again.
    Mutant {
        name: "link-relaxed",
        file: "table.rs",
        edits: &[(
            "head.store(slot.slot().number(), Release)",
            "head.store(slot.slot().number(), Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-chain",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "find-boosted-relaxed",
        file: "boost/table.rs",
        edits: &[(
            "boosted_head(next).load(Acquire)",
            "boosted_head(next).load(Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-chain",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "boosted-again-relaxed",
        file: "boost/table.rs",
        edits: &[(
            "let before = self.version.load(Acquire)",
            "let before = self.version.load(Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "insn-relaxed",
        file: "insn.rs",
        edits: &[("self.0[i].load(Acquire)", "self.0[i].load(Relaxed)")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "unboost-release",
        file: "boost/table.rs",
        edits: &[("xchg(even, Full)", "xchg(even, Release)")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "unboost-acquire",
        file: "boost/table.rs",
        edits: &[("xchg(even, Full)", "xchg(even, Acquire)")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "unboost-keeps-the-target",
        file: "boost/table.rs",
        edits: &[("        self.target.0.store(0, Relaxed);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "retire-does-not-unlink",
        file: "boost/reclaim.rs",
        edits: &[("        table.retire(slot, &mut self.locked);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-without-grace",
        file: "boost/reclaim.rs",
        edits: &[(
            "Phase::Grace(grace) if grace.is_over() =>",
            "Phase::Grace(grace) =>",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-again",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "grace-before-retiring",
        file: "boost/reclaim.rs",
        edits: &[
            (
                "        let grace = any.then(GracePeriod::start);
",
                "        let grace = any.then_some(grace);
",
            ),
            (
                "        let mut any = false;
        for slot",
                "        let mut any = false;
        let grace = GracePeriod::start();
        for slot",
            ),
        ],
        build: Build::TwoSlots,
        scenario: "boosted-again",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-at-nobody",
        file: "boost/reclaim.rs",
        edits: &[(
            "                self.inner.lock().reinstate(&self.table, &slot);\n",
            "",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-at-some",
        file: "boost/reclaim.rs",
        edits: &[("if !all_seen {", "if false {")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-once",
        file: "boost/reclaim.rs",
        edits: &[(
            "self.phase = Phase::Grace(over);",
            "self.phase = Phase::Idle;",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "looked-for-good",
        file: "boost/reclaim.rs",
        edits: &[("                inner.boosted.looked();\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "reinstate-does-not-link",
        file: "boost/reclaim.rs",
        edits: &[("            table.reinstate(slot, &mut self.locked);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "a slot is found again without a lock",
    },
    Mutant {
        name: "search-for-those-that-are-probed",
        file: "boost/reclaim.rs",
        edits: &[("!is_probed(", "is_probed(")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "retry-never",
        file: "boost/table.rs",
        edits: &[("left as isize > 0", "left != 0")],
        build: Build::TwoSlots,
        scenario: "boosted-when-gone",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "retry-at-once",
        file: "boost/mod.rs",
        edits: &[(
            "        table.boosted.forbid(&mut self.locked);
        self.boosted.begin()
",
            "        let job = self.boosted.begin();
        if job.is_none() {
            table.boosted.forbid(&mut self.locked);
        }
        job
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "a slot is found again without a lock",
    },
    Mutant {
        name: "boost-leaves-nothing-to-steps",
        file: "boost/mod.rs",
        edits: &[("usize::from(self.free.pages() < self.limit)", "0")],
        build: Build::TwoPages,
        scenario: "boosted-or-stepped",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "reclaim-wakes-nobody",
        file: "boost/reclaim.rs",
        edits: &[(
            "        self.queue.wake_first();
        true
",
            "        true\n",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-for-waiter",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "reclaim-does-not-count",
        file: "boost/reclaim.rs",
        edits: &[("            self.boosted.count -= 1;\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "reclaim-tells-nothing",
        file: "boost/reclaim.rs",
        edits: &[("            reclaimed(slot.slot());\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "what is counted is what there is",
    },
    // Growing.
    Mutant {
        name: "grow-without-limit",
        file: "slots.rs",
        edits: &[("if pages >= limit || self.grow", "if self.grow")],
        build: Build::TwoPages,
        scenario: "mapped-in-part",
        caught_by: "an area grows where it is mapped",
    },
    Mutant {
        name: "grow-twice",
        file: "slots.rs",
        edits: &[("if inner.free.pages() == index && ", "if ")],
        build: Build::TwoPages,
        scenario: "two-grow",
        caught_by: "no sleep where it is forbidden",
    },
    Mutant {
        name: "grow-wakes-nobody",
        file: "slots.rs",
        edits: &[(
            "        drop(guard);
        self.queue.wake_first();
        Ok(())",
            "        Ok(())",
        )],
        build: Build::TwoPages,
        scenario: "boosted-and-waited",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "grow-in-the-wait",
        file: "slots.rs",
        edits: &[(
            "self.try_take(&entered, insn, turn)",
            "self.take_or_grow(&entered, insn)",
        )],
        build: Build::TwoPages,
        scenario: "grown-for-waiter",
        caught_by: "no sleep where it is forbidden",
    },
    // Waking those who wait.
    Mutant {
        name: "leave-looks-first",
        file: "slots.rs",
        edits: &[(
            "        let slot = task.slot();
        task.leave();
        self.moved(slot);",
            "        let slot = task.slot();
        let active = !self.queue.is_empty();
        task.leave();
        if active {
            self.hand_over(slot);
        }",
        )],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-hands-nothing-over",
        file: "slots.rs",
        edits: &[("if inner.free.unused() == 0 {", "if false {")],
        build: Build::OneSlot,
        scenario: "left-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "leave-wakes-nobody",
        file: "slots.rs",
        edits: &[(
            "        self.queue.wake_first();
    }

    /// Wakes",
            "    }

    /// Wakes",
        )],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "move-hands-nothing-over",
        file: "area.rs",
        edits: &[("                self.slots.moved(before);\n", "")],
        build: Build::TwoSlots,
        scenario: "moved-on",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-looks-first",
        file: "slots.rs",
        edits: &[(
            "        self.inner.lock().evict(task);
        self.queue.wake_first();",
            "        let active = !self.queue.is_empty();
        self.inner.lock().evict(task);
        if active {
            self.queue.wake_first();
        }",
        )],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-wakes-nobody",
        file: "slots.rs",
        edits: &[(
            "        self.inner.lock().evict(task);
        self.queue.wake_first();",
            "        self.inner.lock().evict(task);",
        )],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-leaves-task",
        file: "gc.rs",
        edits: &[(
            "let item = unsafe { self.gc.tasks.remove(task) };",
            "let item = Some(());",
        )],
        build: Build::OneSlot,
        scenario: "exit-while-asked",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "wake-not-those-alike",
        file: "slots.rs",
        edits: &[(
            "            Ok(_) => self.wake_alike(insn),
",
            "            Ok(_) => {}
",
        )],
        build: Build::OneSlot,
        scenario: "stranger-between",
        caught_by: "no lost wake-up",
    },
    // The wait.
    Mutant {
        name: "wait-asks-before-enqueuing",
        file: "wait_queue.rs",
        edits: &[
            (
                "        let result = loop {\n",
                "        let result = loop {
            if let Some(value) = condition(!self.is_active()) {
                break Ok(value);
            }
",
            ),
            (
                "            if let Some(value) = condition(self.is_first(entry)) {
                break Ok(value);
            }
",
                "",
            ),
        ],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "wait-does-not-prepare-again",
        file: "wait_queue.rs",
        edits: &[
            (
                "        let result = loop {
",
                "        let mut enqueued = false;
        let result = loop {
",
            ),
            (
                "            unsafe {
                bindings::prepare",
                "            let _ = core::mem::replace(&mut enqueued, true) || unsafe {
                bindings::prepare",
            ),
        ],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no livelock",
    },
    Mutant {
        name: "wait-gets-no-turn",
        file: "wait_queue.rs",
        edits: &[("condition(self.is_first(entry))", "condition(false)")],
        build: Build::OneSlot,
        scenario: "killed-waiter",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "wait-ignores-kill",
        file: "wait_queue.rs",
        edits: &[(
            "fatal_signal_pending(task) } != 0",
            "fatal_signal_pending(task) } > 1",
        )],
        build: Build::OneSlot,
        scenario: "killed-waiter",
        caught_by: "no livelock",
    },
    Mutant {
        name: "wait-fails",
        file: "wait_queue.rs",
        edits: &[(
            "fatal_signal_pending(task) } != 0",
            "fatal_signal_pending(task) } == 0",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "a take never fails",
    },
    Mutant {
        name: "wait-drops-baton",
        file: "queue.rs",
        edits: &[(
            "        self.wake_first();
        found
",
            "        found\n",
        )],
        build: Build::OneSlot,
        scenario: "killed-waiter",
        caught_by: "no lost wake-up",
    },
];
