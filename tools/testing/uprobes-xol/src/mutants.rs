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
            "cmpxchg(IDLE, IN_USE, Acquire)",
            "cmpxchg(IDLE, IN_USE, Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "leave-release",
        file: "task.rs",
        edits: &[("xchg(IDLE, Full)", "xchg(IDLE, Release)")],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-acquire",
        file: "task.rs",
        edits: &[("xchg(IDLE, Full)", "xchg(IDLE, Acquire)")],
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
            "cmpxchg(IDLE, RECYCLED, Acquire)",
            "cmpxchg(IDLE, RECYCLED, Relaxed)",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "vacate-restore-relaxed",
        file: "task.rs",
        edits: &[("store(IDLE, Release)", "store(IDLE, Relaxed)")],
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
        file: "table.rs",
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
        file: "table.rs",
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
        file: "table.rs",
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
        file: "table.rs",
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
        edits: &[("Err(RECYCLED) => cpu_relax()", "Err(RECYCLED) => break")],
        build: Build::OneSlot,
        scenario: "vacated-owner",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "vacate-in-use",
        file: "task.rs",
        edits: &[(
            "if self.state.cmpxchg(IDLE, RECYCLED, Acquire).is_err() {",
            "if self.state.xchg(RECYCLED, Acquire) == RECYCLED {",
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
                "            // INVARIANT: Others write while `RECYCLED`.
            self.cached.store(NO_SLOT, Relaxed);
",
                "            self.state.store(IDLE, Release);
            // INVARIANT: Others write while `RECYCLED`.
            self.cached.store(NO_SLOT, Relaxed);
",
            ),
            (
                "        self.state.store(IDLE, Release);
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
            "            // INVARIANT: Others write while `RECYCLED`.
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
        edits: &[("self.state.store(IDLE, Release);", "")],
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
        edits: &[("self.state.store(IDLE, Relaxed);", "")],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no warning",
    },
    // The table.
    Mutant {
        name: "offer-writes-nothing",
        file: "table.rs",
        edits: &[(
            "            page.page.write(&unused, insn);
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "alternating",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "offer-writes-always",
        file: "table.rs",
        edits: &[("if !self.holds(slot, insn, locked) {", "if true {")],
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
        file: "table.rs",
        edits: &[("!record.is_version(0) && ", "")],
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
            "        record.next.store(head.load(Relaxed), Relaxed);
        head.store(slot.number(), Relaxed);
",
            "",
        )],
        build: Build::OneSlot,
        scenario: "shared-slot",
        caught_by: "no lost wake-up",
    },
    // Who gets a slot.
    Mutant {
        name: "take-out-of-turn",
        file: "gc.rs",
        edits: &[
            (
                "inner.take(table, entered, insn, spare(self.nobody_waits()))",
                "inner.take(table, entered, insn, spare(true))",
            ),
            (
                "self.try_take(table, entered, insn, self.nobody_waits())",
                "self.try_take(table, entered, insn, true)",
            ),
        ],
        build: Build::OneSlot,
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-none",
        file: "gc.rs",
        edits: &[("usize::from(!turn)", "usize::from(turn && !turn)")],
        build: Build::OneSlot,
        scenario: "freed-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "take-spares-always",
        file: "gc.rs",
        edits: &[("usize::from(!turn)", "usize::from(turn || !turn)")],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-keeps-slot",
        file: "gc.rs",
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
        file: "gc.rs",
        edits: &[(
            "        self.wake_one();
        self.wake_alike(insn);",
            "        self.wake_alike(insn);",
        )],
        build: Build::TwoSlots,
        scenario: "moved-on",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "take-wakes-for-its-own-slot",
        file: "gc.rs",
        edits: &[
            (
                "        entered.forget();
        let held = self.take_or_grow",
                "        let had_slot = entered.slot().is_some();
        entered.forget();
        let held = self.take_or_grow",
            ),
            (
                "        self.wake_one();
        self.wake_alike(insn);",
                "        if had_slot {
            self.wake_one();
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
        file: "gc.rs",
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
            (
                "match slots.find(|&slot| table",
                "match slots.find(|&slot| false && table",
            ),
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
            (
                "                self.batch.remove(slot);
                table.restore(slot, &mut self.locked);
                slot
",
                "                table.restore(slot, &mut self.locked);
                slot
",
            ),
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
        file: "gc.rs",
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
            "            self.tasks.push_back(task);
        }
    }

    /// All",
            "        }
    }

    /// All",
        )],
        build: Build::OneSlot,
        scenario: "claim-retract",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-asks-nobody",
        file: "gc.rs",
        edits: &[("let mut left = inner.task_count;", "let mut left = 0;")],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-asks-first-only",
        file: "gc.rs",
        edits: &[
            ("if left == 0 || inner.batch", "if left < 99 || inner.batch"),
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
            "                self.batch.remove(slot);
                table.restore(slot, &mut self.locked);
            }
            self.tasks",
            "            }
            self.tasks",
        )],
        build: Build::OneSlot,
        scenario: "two-tasks",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "collect-restores-nothing",
        file: "gc.rs",
        edits: &[(
            "                self.batch.remove(slot);
                table.restore(slot, &mut self.locked);
            }
            self.tasks",
            "                self.batch.remove(slot);
            }
            self.tasks",
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
            "            self.put_unused(slot);
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
        // ORDERING: Relaxed. With",
            "        // ORDERING: Relaxed. With",
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
        file: "table.rs",
        edits: &[("self.target.load(Acquire)", "self.target.load(Relaxed)")],
        build: Build::TwoSlots,
        scenario: "boosted-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "boost-relaxed",
        file: "table.rs",
        edits: &[(
            "self.target.store(target.get(), Release)",
            "self.target.store(target.get(), Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "boost-writes-later",
        file: "table.rs",
        edits: &[
            (
                "        page.page.write_boosted(&unused, insn, next);
",
                "",
            ),
            (
                "        record.boost(next);
        self.link(head, slot, record);
",
                "        record.boost(next);
        self.link(head, slot, record);
        page.page.write_boosted(&unused, insn, next);
",
            ),
        ],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-does-not-link",
        file: "table.rs",
        edits: &[(
            "        record.boost(next);
        self.link(head, slot, record);
",
            "        record.boost(next);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-offers",
        file: "gc.rs",
        edits: &[(
            "        table.boost(unused, insn, next, &mut self.locked);
",
            "        table.boost(unused, insn, next, &mut self.locked);
        table.restore(slot, &mut self.locked);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-stays",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-puts-back",
        file: "gc.rs",
        edits: &[(
            "        table.boost(unused, insn, next, &mut self.locked);
",
            "        table.boost(unused, insn, next, &mut self.locked);
        self.put_unused(slot);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-stays",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "boost-does-not-look-again",
        file: "gc.rs",
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
        file: "gc.rs",
        edits: &[(" || self.boosted.is_full() {", " {")],
        build: Build::TwoSlots,
        scenario: "boosted-by-many",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-does-not-count",
        file: "gc.rs",
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
        file: "gc.rs",
        edits: &[(
            "        events::boosted();
",
            "",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-alike",
        caught_by: "what is counted is what there is",
    },
    Mutant {
        name: "boost-always-locks",
        file: "gc.rs",
        edits: &[("if table.is_boosting_vain() {", "if false {")],
        build: Build::TwoSlots,
        scenario: "boosted-by-many",
        caught_by: "a slot is found again without a lock",
    },
    Mutant {
        name: "boost-gives-up",
        file: "gc.rs",
        edits: &[(
            "                let found = inner.put_batch();
                inner.allow_boosting(table);
",
            "                let found = inner.put_batch();
",
        )],
        build: Build::TwoPages,
        scenario: "boosted-later",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-out-of-turn",
        file: "gc.rs",
        edits: &[(
            "inner.boost(table, insn, next, spare(self.nobody_waits()))",
            "inner.boost(table, insn, next, spare(true))",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-or-waited",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "boost-does-not-grow",
        file: "gc.rs",
        edits: &[("let mut may_grow = true;", "let mut may_grow = false;")],
        build: Build::TwoPages,
        scenario: "boosted-grown",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-gives-up-for-good",
        file: "gc.rs",
        edits: &[(
            "            inner.allow_boosting(table);
            events::grown",
            "            events::grown",
        )],
        build: Build::TwoPages,
        scenario: "boosted-without-memory",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "boost-tries-for-good",
        file: "gc.rs",
        edits: &[("if may_grow && inner.pages", "if inner.pages")],
        build: Build::TwoPages,
        scenario: "boosted-without-memory",
        caught_by: "no livelock",
    },
    // Boosting again.
    Mutant {
        name: "link-relaxed",
        file: "table.rs",
        edits: &[(
            "head.store(slot.number(), Release)",
            "head.store(slot.number(), Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-chain",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "find-boosted-relaxed",
        file: "table.rs",
        edits: &[(
            "boosted_head(next)?.load(Acquire)",
            "boosted_head(next)?.load(Relaxed)",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-chain",
        caught_by: "no stale slot after it was taken away",
    },
    Mutant {
        name: "boosted-again-relaxed",
        file: "table.rs",
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
        file: "table.rs",
        edits: &[("xchg(even, Full)", "xchg(even, Release)")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "unboost-acquire",
        file: "table.rs",
        edits: &[("xchg(even, Full)", "xchg(even, Acquire)")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "unboost-keeps-the-target",
        file: "table.rs",
        edits: &[("        self.target.store(0, Relaxed);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "the slot holds the instruction",
    },
    Mutant {
        name: "retire-does-not-unlink",
        file: "gc.rs",
        edits: &[(
            "        self.boosted.retire(slot);
        table.retire(slot, &mut self.locked);
",
            "        self.boosted.retire(slot);
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-again",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-without-grace",
        file: "boosted.rs",
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
        file: "gc.rs",
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
        file: "gc.rs",
        edits: &[(
            "                self.inner.lock().reinstate(table, slot);
",
            "",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-at-some",
        file: "gc.rs",
        edits: &[("if !all_seen {", "if false {")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "no write while anyone is inside",
    },
    Mutant {
        name: "look-once",
        file: "boosted.rs",
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
        file: "gc.rs",
        edits: &[("                inner.boosted.looked();\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "reinstate-does-not-link",
        file: "gc.rs",
        edits: &[("            table.reinstate(slot, &mut self.locked);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-while-in",
        caught_by: "a slot is found again without a lock",
    },
    Mutant {
        name: "search-for-those-that-are-probed",
        file: "gc.rs",
        edits: &[("!is_probed(", "is_probed(")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "retry-never",
        file: "table.rs",
        edits: &[("left as isize > 0", "left != 0")],
        build: Build::TwoSlots,
        scenario: "boosted-when-gone",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "retry-at-once",
        file: "gc.rs",
        edits: &[(
            "        table.forbid_boosting(&mut self.locked);
        self.boosted.begin()
",
            "        let job = self.boosted.begin();
        if job.is_none() {
            table.forbid_boosting(&mut self.locked);
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
        file: "gc.rs",
        edits: &[("usize::from(self.pages < PAGES)", "0")],
        build: Build::TwoPages,
        scenario: "boosted-or-stepped",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "reclaim-wakes-nobody",
        file: "gc.rs",
        edits: &[(
            "        self.wake_one();
        true
",
            "        true
",
        )],
        build: Build::TwoSlots,
        scenario: "boosted-for-waiter",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "reclaim-does-not-count",
        file: "boosted.rs",
        edits: &[("        self.count -= 1;\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "slots are boosted up to half of them",
    },
    Mutant {
        name: "reclaim-tells-nothing",
        file: "gc.rs",
        edits: &[("            events::reclaimed(slot);\n", "")],
        build: Build::TwoSlots,
        scenario: "boosted-again-seen",
        caught_by: "what is counted is what there is",
    },
    // Growing.
    Mutant {
        name: "grow-twice",
        file: "gc.rs",
        edits: &[("if inner.pages == index {", "if true {")],
        build: Build::TwoPages,
        scenario: "two-grow",
        caught_by: "no sleep where it is forbidden",
    },
    Mutant {
        name: "grow-wakes-nobody",
        file: "gc.rs",
        edits: &[(
            "        drop(inner);
        self.wake_one();
        Ok(())",
            "        Ok(())",
        )],
        build: Build::TwoPages,
        scenario: "boosted-and-waited",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "grow-in-the-wait",
        file: "gc.rs",
        edits: &[(
            "            if turn {
                self.try_take(table, &entered, insn, turn)",
            "            if turn {
                self.take_or_grow(table, &entered, insn)",
        )],
        build: Build::TwoPages,
        scenario: "grown-for-waiter",
        caught_by: "no sleep where it is forbidden",
    },
    // Waking those who wait.
    Mutant {
        name: "leave-looks-first",
        file: "gc.rs",
        edits: &[(
            "        let slot = task.slot();
        task.leave();
        self.moved(table, slot);",
            "        let slot = task.slot();
        let active = self.waiters.is_active();
        task.leave();
        if active {
            self.hand_over(table, slot);
        }",
        )],
        build: Build::OneSlot,
        scenario: "left-idle",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "leave-hands-nothing-over",
        file: "gc.rs",
        edits: &[("if inner.unused == 0 {", "if false {")],
        build: Build::OneSlot,
        scenario: "left-to-waiter",
        caught_by: "those who wait come first",
    },
    Mutant {
        name: "leave-wakes-nobody",
        file: "gc.rs",
        edits: &[(
            "        self.waiters.wake_one();
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
        edits: &[(
            "                self.gc.moved(&self.table, before);
",
            "",
        )],
        build: Build::TwoSlots,
        scenario: "moved-on",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-looks-first",
        file: "gc.rs",
        edits: &[
            (
                "        let mut inner = self.inner.lock();
        task.evict",
                "        let active = self.waiters.is_active();
        let mut inner = self.inner.lock();
        task.evict",
            ),
            (
                "            inner.task_count -= 1;
        }
        drop(inner);
        self.wake_one();",
                "            inner.task_count -= 1;
        }
        drop(inner);
        if active {
            self.wake_one();
        }",
            ),
        ],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-wakes-nobody",
        file: "gc.rs",
        edits: &[(
            "            inner.task_count -= 1;
        }
        drop(inner);
        self.wake_one();",
            "            inner.task_count -= 1;
        }
        drop(inner);",
        )],
        build: Build::OneSlot,
        scenario: "death-in-slot",
        caught_by: "no lost wake-up",
    },
    Mutant {
        name: "evict-leaves-task",
        file: "gc.rs",
        edits: &[(
            "let item = unsafe { inner.tasks.remove(task) };",
            "let item = Some(());",
        )],
        build: Build::OneSlot,
        scenario: "exit-while-asked",
        caught_by: "everything freed at the end",
    },
    Mutant {
        name: "wake-not-those-alike",
        file: "gc.rs",
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
                "        let result = loop {
",
                "        let result = loop {
            if let Some(value) = condition(!self.is_active()) {
                break Ok(value);
            }
",
            ),
            (
                "            if let Some(value) = condition(turn) {
                break Ok(value);
            }
",
                "            let _ = turn;
",
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
        edits: &[("condition(turn)", "condition(turn && !turn)")],
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
        file: "wait_queue.rs",
        edits: &[(
            "        if self.is_active() {
            self.wake_one();
        }
        result
",
            "        result
",
        )],
        build: Build::OneSlot,
        scenario: "killed-waiter",
        caught_by: "no lost wake-up",
    },
];
