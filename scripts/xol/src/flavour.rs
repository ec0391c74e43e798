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
    /// Upstream's kernel, unpatched, with Debian's configuration.
    DistroC,
    /// Slots in Rust, with Debian's configuration.
    Distro,
    /// Rust, from sources with a defect.
    Mutant,
    /// A commit of the series.
    Commit,
}

/// The tree that a kernel is built from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    Pristine,
    Patched,
}

/// A kernel, by the differences to other kernels.
pub struct Kernel {
    pub flavour: Flavour,
    pub name: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// The flavour whose image it boots: itself, unless only `arguments` differ.
    pub built: Flavour,
    pub tree: Tree,
    /// Whether it starts from Debian's configuration, instead of the smallest one.
    pub debian: bool,
    /// The fragments besides the first one and the architecture's: `configs/<name>.config`.
    pub fragments: &'static [&'static str],
    /// Words of the kernel's command line.
    pub arguments: &'static [&'static str],
    /// Targets of make besides the image.
    pub targets: &'static [&'static str],
    /// The kernels whose objects it may start from; itself does not count.
    pub siblings: &'static [Flavour],
    /// The architectures that have it.
    pub archs: &'static [Arch],
}

use Flavour::*;

/// Kernels of the patched tree that are alike enough to start from each other's objects,
/// those in Rust first. A pristine kernel has no siblings: its sources are older than any
/// object, so that make would take objects of patched sources for current.
const ALIKE: &[Flavour] = &[Rust, RustCalls, Mutant, Off];

/// The architectures on which Rust calls C without a call, and may be told to call it.
const INLINING: &[Arch] = &[Arch::X86_64, Arch::Arm64];

/// The architectures with the detector of data races.
const CHECKING_RACES: &[Arch] = &[Arch::X86_64, Arch::Arm64];

/// Targets of the kernels that load modules: Debian's, or one of BPF's selftests.
const MODULES: &[&str] = &["modules"];

#[rustfmt::skip]
const KERNELS: [Kernel; 18] = [
    Kernel { tree: Tree::Pristine, ..row(C, "c", "C", &[]) },
    Kernel { siblings: ALIKE, ..row(Off, "off", "C, patched", &["off"]) },
    Kernel { siblings: ALIKE, ..row(Rust, "rust", "Rust", &["rust"]) },
    Kernel { built: Rust, ..stepped(Stepped, "stepped", "Rust, all stepped") },
    Kernel { siblings: ALIKE, archs: INLINING, ..row(RustCalls, "rust-calls", "Rust, helpers called", &["rust", "rust-calls"]) },
    row(Debug, "debug", "Rust, debug", &["rust", "debug"]),
    Kernel { built: Debug, ..stepped(DebugStepped, "debug-stepped", "Rust, debug, all stepped") },
    Kernel { archs: CHECKING_RACES, ..row(Kcsan, "kcsan", "Rust, KCSAN", &["rust", "kcsan"]) },
    // One of the kernel crate's own tests takes interrupts for disabled there.
    Kernel { arguments: &["kunit.filter_glob=uprobes_*"], ..row(Rt, "rt", "Rust, PREEMPT_RT", &["rust", "rt"]) },
    Kernel { archs: &[Arch::Arm64], ..row(Pages16K, "pages-16k", "Rust, 16 KiB pages", &["rust", "pages-16k"]) },
    Kernel { archs: &[Arch::Arm64], ..row(Pages64K, "pages-64k", "Rust, 64 KiB pages", &["rust", "pages-64k"]) },
    Kernel { tree: Tree::Pristine, targets: MODULES, ..row(UpstreamC, "upstream-c", "C, for upstream's tests", &["upstream"]) },
    Kernel { targets: MODULES, ..row(UpstreamRust, "upstream-rust", "Rust, for upstream's tests", &["rust", "upstream"]) },
    Kernel { built: UpstreamRust, ..stepped(UpstreamStepped, "upstream-stepped", "Rust, for upstream's tests, all stepped") },
    Kernel { tree: Tree::Pristine, debian: true, archs: Arch::DISTRO, targets: MODULES, ..row(DistroC, "distro-c", "C, Debian's configuration", &["distro-c"]) },
    Kernel { debian: true, archs: Arch::DISTRO, targets: MODULES, ..row(Distro, "distro", "Rust, Debian's configuration", &["distro-rust"]) },
    Kernel { siblings: ALIKE, ..row(Mutant, "mutant", "Rust, mutated", &["rust"]) },
    // series::check chooses its fragments.
    row(Commit, "commit", "a commit", &[]),
];

const fn row(
    flavour: Flavour,
    name: &'static str,
    title: &'static str,
    fragments: &'static [&'static str],
) -> Kernel {
    Kernel {
        flavour,
        name,
        title,
        built: flavour,
        tree: Tree::Patched,
        debian: false,
        fragments,
        arguments: &[],
        targets: &[],
        siblings: &[],
        archs: Arch::ALL,
    }
}

/// A kernel that is told to step every instruction that is not emulated.
const fn stepped(flavour: Flavour, name: &'static str, title: &'static str) -> Kernel {
    Kernel {
        arguments: &["uprobes.boost=0"],
        archs: Arch::BOOSTED,
        ..row(flavour, name, title, &[])
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
        self.row().archs.contains(&arch)
    }

    /// The fragments of its configuration, later ones winning. An architecture has the last
    /// word: some lack what a kernel would have.
    pub fn fragments(self, arch: Arch) -> Vec<&'static str> {
        let row = self.row();
        let (first, last) = match (row.debian, arch) {
            (false, _) => ("base", arch.name()),
            (true, Arch::Arm64) => ("distro", "distro-arm64"),
            (true, _) => ("distro", "distro-x86_64"),
        };
        [&[first], row.fragments, &[last]].concat()
    }

    /// The kernel with this name that is built from the checkout as it is.
    pub fn built_as(name: &str) -> Result<Self, String> {
        let built =
            |row: &&Kernel| row.built == row.flavour && ![Mutant, Commit].contains(&row.flavour);
        let mut all = KERNELS.iter().filter(built);
        let names: Vec<_> = all.clone().map(|row| row.name).collect();
        let row = all.find(|row| row.name == name);
        row.map(|row| row.flavour)
            .ok_or_else(|| format!("the kernels are {}", names.join(", ")))
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

    /// Checks that the checkout has all fragments of the table.
    #[test]
    fn fragments_exist() {
        let configs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        for row in &KERNELS {
            for arch in row.archs {
                for name in row.flavour.fragments(*arch) {
                    assert!(configs.join(format!("{name}.config")).exists(), "{name}");
                }
            }
        }
    }

    #[test]
    fn only_kernels_with_an_image_are_built() {
        assert_eq!(Flavour::built_as("distro"), Ok(Distro));
        for name in ["stepped", "mutant", "x"] {
            assert!(Flavour::built_as(name).unwrap_err().contains("rust, "));
        }
    }

    /// Checks that no kernel starts from objects of another tree.
    #[test]
    fn siblings_are_of_one_tree() {
        for row in KERNELS.iter().filter(|row| !row.siblings.is_empty()) {
            let mut all = row.siblings.iter().chain([&row.flavour]);
            assert!(all.all(|it| it.row().tree == Tree::Patched));
        }
    }
}
