// SPDX-License-Identifier: GPL-2.0
//! The kinds of kernels, in one table.

use serde::{Deserialize, Serialize};

use crate::arch::Arch;

/// Names a kernel: a row of [`KERNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Upstream's kernel, unpatched: the baseline of every comparison.
    C,
    /// The patched kernel with `CONFIG_UPROBES_XOL_RUST=n`.
    Off,
    /// Slots in Rust.
    Rust,
    /// The kernel with slots in Rust, told to step every instruction.
    Stepped,
    /// Slots in Rust, with helpers as calls: `CONFIG_RUST_INLINE_HELPERS=n`.
    RustCalls,
    /// Rust, with lockdep, KASAN, kmemleak and the like.
    Debug,
    /// The debug kernel, told to step every instruction.
    DebugStepped,
    /// Rust, with the detector of data races.
    Kcsan,
    /// Rust, with `PREEMPT_RT`.
    Rt,
    /// Rust, with pages of 16 KiB.
    #[serde(rename = "pages-16k")]
    Pages16K,
    /// Rust, with pages of 64 KiB.
    #[serde(rename = "pages-64k")]
    Pages64K,
    /// Upstream's kernel, unpatched, with what upstream's own tests need.
    UpstreamC,
    /// Rust, with what upstream's own tests need.
    UpstreamRust,
    /// The kernel for upstream's tests in Rust, told to step every instruction.
    UpstreamStepped,
    /// Rust, from sources with a defect.
    Mutant,
    /// A commit of the series.
    Commit,
}

/// What a kernel is built from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    Pristine,
    Patched,
}

/// What sets a kernel apart from the others.
pub struct Kernel {
    pub flavour: Flavour,
    pub name: &'static str,
    /// What tables call it.
    pub title: &'static str,
    /// The flavour whose image it boots: itself, unless only `arguments` differ.
    pub built: Flavour,
    pub tree: Tree,
    /// What is set besides `configs/base.config` and the architecture's fragment:
    /// `configs/<name>.config`.
    pub fragments: &'static [&'static str],
    /// Words of the kernel's command line.
    pub arguments: &'static [&'static str],
    /// Targets of make besides the image.
    pub targets: &'static [&'static str],
    /// The kernels whose objects it may start from, the most alike first. None for a
    /// pristine kernel: its sources are older than any object, so that make would take
    /// objects of patched sources for current.
    pub siblings: &'static [Flavour],
    /// The architecture that it is for, if it is for one only.
    pub only: Option<Arch>,
}

use Flavour::*;

/// Modules, for kernels that load one of BPF's selftests.
const MODULES: &[&str] = &["modules"];

const KERNELS: [Kernel; 16] = [
    Kernel {
        tree: Tree::Pristine,
        ..Kernel::new(C, "c", "C", &["c"])
    },
    Kernel {
        siblings: &[Rust, RustCalls, Mutant],
        ..Kernel::new(Off, "off", "C, patched", &["off"])
    },
    Kernel {
        siblings: &[RustCalls, Mutant, Off],
        ..Kernel::new(Rust, "rust", "Rust", &["rust"])
    },
    Kernel::stepped(Stepped, "stepped", "Rust, all stepped", Rust),
    Kernel {
        siblings: &[Rust, Mutant, Off],
        ..Kernel::new(
            RustCalls,
            "rust-calls",
            "Rust, helpers called",
            &["rust", "rust-calls"],
        )
    },
    Kernel::new(Debug, "debug", "Rust, debug", &["rust", "debug"]),
    Kernel::stepped(
        DebugStepped,
        "debug-stepped",
        "Rust, debug, all stepped",
        Debug,
    ),
    Kernel::new(Kcsan, "kcsan", "Rust, KCSAN", &["rust", "kcsan"]),
    Kernel {
        // One of the kernel crate's own tests takes interrupts for disabled there.
        arguments: &["kunit.filter_glob=uprobes_*"],
        ..Kernel::new(Rt, "rt", "Rust, PREEMPT_RT", &["rust", "rt"])
    },
    Kernel {
        only: Some(Arch::Arm64),
        ..Kernel::new(
            Pages16K,
            "pages-16k",
            "Rust, 16 KiB pages",
            &["rust", "pages-16k"],
        )
    },
    Kernel {
        only: Some(Arch::Arm64),
        ..Kernel::new(
            Pages64K,
            "pages-64k",
            "Rust, 64 KiB pages",
            &["rust", "pages-64k"],
        )
    },
    Kernel {
        tree: Tree::Pristine,
        targets: MODULES,
        ..Kernel::new(
            UpstreamC,
            "upstream-c",
            "C, for upstream's tests",
            &["c", "upstream"],
        )
    },
    Kernel {
        targets: MODULES,
        ..Kernel::new(
            UpstreamRust,
            "upstream-rust",
            "Rust, for upstream's tests",
            &["rust", "upstream"],
        )
    },
    Kernel::stepped(
        UpstreamStepped,
        "upstream-stepped",
        "Rust, for upstream's tests, all stepped",
        UpstreamRust,
    ),
    Kernel {
        siblings: &[Rust, RustCalls, Off],
        ..Kernel::new(Mutant, "mutant", "Rust, mutated", &["rust"])
    },
    Kernel {
        siblings: &[Rust, RustCalls, Mutant, Off],
        ..Kernel::new(Commit, "commit", "Rust, in part", &["rust"])
    },
];

impl Kernel {
    const fn new(
        flavour: Flavour,
        name: &'static str,
        title: &'static str,
        fragments: &'static [&'static str],
    ) -> Self {
        Self {
            flavour,
            name,
            title,
            built: flavour,
            tree: Tree::Patched,
            fragments,
            arguments: &[],
            targets: &[],
            siblings: &[],
            only: None,
        }
    }

    /// The kernel `built`, told to step every instruction. Only x86-64 boosts slots.
    const fn stepped(
        flavour: Flavour,
        name: &'static str,
        title: &'static str,
        built: Flavour,
    ) -> Self {
        Self {
            built,
            arguments: &["uprobes.boost=0"],
            only: Some(Arch::X86_64),
            ..Self::new(flavour, name, title, &[])
        }
    }
}

impl Flavour {
    /// The two that are compared in everything.
    pub const COMPARED: [Self; 2] = [C, Rust];

    /// The kernels whose hits are measured: boosted hits say nothing of steps.
    pub const MEASURED: [Self; 3] = [C, Rust, Stepped];

    /// The two that are built for upstream's own tests.
    pub const UPSTREAM: [Self; 2] = [UpstreamC, UpstreamRust];

    /// The kernels that check themselves.
    pub const CHECKED: [Self; 6] = [Debug, DebugStepped, Kcsan, Rt, Pages16K, Pages64K];

    pub fn row(self) -> &'static Kernel {
        let mut rows = KERNELS.iter();
        rows.find(|row| row.flavour == self)
            .expect("each flavour has a row")
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub fn built(self) -> Self {
        self.row().built
    }

    pub fn arguments(self) -> &'static [&'static str] {
        self.row().arguments
    }

    /// Whether this architecture has such a kernel.
    pub fn is_on(self, arch: Arch) -> bool {
        self.row().only.is_none_or(|only| only == arch)
    }

    /// The kernel of [`Self::CHECKED`] with this name.
    pub fn checked(name: &str) -> Result<Self, String> {
        let mut all = Self::CHECKED.into_iter();
        all.find(|flavour| flavour.name() == name).ok_or_else(|| {
            format!(
                "the debug kernels are {}",
                Self::CHECKED.map(Self::name).join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a kernel has one name, in JSON too.
    #[test]
    fn names_agree() {
        for row in &KERNELS {
            let json = serde_json::to_string(&row.flavour).unwrap();
            assert_eq!(json, format!("{:?}", row.name));
        }
    }

    /// Checks that no kernel starts from objects of another tree.
    #[test]
    fn siblings_are_of_one_tree() {
        for row in &KERNELS {
            for sibling in row.siblings {
                assert!(*sibling != row.flavour && row.tree == Tree::Patched);
                assert!(sibling.row().tree == Tree::Patched);
            }
        }
    }
}
