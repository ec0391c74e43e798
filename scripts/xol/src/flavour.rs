// SPDX-License-Identifier: GPL-2.0
//! The kinds of kernels: what sets each apart, and which of them belong together.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;

/// Which kernel.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Upstream's slots in C: the baseline of every comparison.
    #[value(skip)]
    C,
    /// Slots in Rust.
    #[value(skip)]
    Rust,
    /// The same kernel, told to step what it could boost.
    #[value(skip)]
    Stepped,
    /// Slots in Rust, with helpers as calls: `CONFIG_RUST_INLINE_HELPERS=n`.
    #[value(skip)]
    RustCalls,
    /// Rust, with lockdep, KASAN, kmemleak and the like.
    Debug,
    /// The same kernel, told to step what it could boost.
    DebugStepped,
    /// Rust, with the detector of data races.
    Kcsan,
    /// Rust, with `PREEMPT_RT`.
    Rt,
    /// Rust, with pages of 16 KiB, on arm64.
    #[value(name = "pages-16k")]
    #[serde(rename = "pages-16k")]
    Pages16K,
    /// Rust, with pages of 64 KiB, on arm64.
    #[value(name = "pages-64k")]
    #[serde(rename = "pages-64k")]
    Pages64K,
    /// C, with what upstream's own tests need.
    #[value(skip)]
    UpstreamC,
    /// Rust, with what upstream's own tests need.
    #[value(skip)]
    UpstreamRust,
    /// The same kernel, told to step what it could boost.
    #[value(skip)]
    UpstreamStepped,
    /// Rust, from sources that were put wrong, one way after the other.
    #[value(skip)]
    Mutant,
}

impl Flavour {
    /// The two that are compared in everything.
    pub const COMPARED: [Self; 2] = [Self::C, Self::Rust];

    /// What is measured of those two: boosted hits, where there are any, say nothing
    /// of steps.
    pub const MEASURED: [Self; 3] = [Self::C, Self::Rust, Self::Stepped];

    /// The two that upstream's own tests are run on.
    pub const UPSTREAM: [Self; 2] = [Self::UpstreamC, Self::UpstreamRust];

    /// Those that are alike enough for one to start from the other's objects; those
    /// in Rust have most in common.
    const ALIKE: [&[Self]; 2] = [
        &[Self::Rust, Self::RustCalls, Self::C, Self::Mutant],
        &Self::UPSTREAM,
    ];

    /// Those that a kernel of this kind can start from.
    pub fn siblings(self) -> impl Iterator<Item = Self> {
        let mut groups = Self::ALIKE.into_iter();
        let group = groups.find(|group| group.contains(&self));
        let others = group.unwrap_or_default().iter().copied();
        others.filter(move |other| *other != self)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Rust => "rust",
            Self::Stepped => "stepped",
            Self::RustCalls => "rust-calls",
            Self::Debug => "debug",
            Self::DebugStepped => "debug-stepped",
            Self::Kcsan => "kcsan",
            Self::Rt => "rt",
            Self::Pages16K => "pages-16k",
            Self::Pages64K => "pages-64k",
            Self::UpstreamC => "upstream-c",
            Self::UpstreamRust => "upstream-rust",
            Self::UpstreamStepped => "upstream-stepped",
            Self::Mutant => "mutant",
        }
    }

    /// The kernel that it boots.
    pub fn built(self) -> Self {
        match self {
            Self::Stepped => Self::Rust,
            Self::DebugStepped => Self::Debug,
            Self::UpstreamStepped => Self::UpstreamRust,
            other => other,
        }
    }

    /// Words of the kernel's command line.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Stepped | Self::DebugStepped | Self::UpstreamStepped => &["uprobes.boost=0"],
            // Of the kernel crate's own tests, one takes interrupts for disabled there.
            Self::Rt => &["kunit.filter_glob=uprobes_*"],
            _ => &[],
        }
    }

    /// Whether it is a kernel of its own there: slots are boosted on x86-64 only.
    pub fn is_on(self, arch: Arch) -> bool {
        self == self.built() || arch == Arch::X86_64
    }

    /// What is set besides what all kernels have: `configs/<name>.config`.
    pub fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::C => &["c"],
            Self::Rust | Self::Stepped | Self::Mutant => &["rust"],
            Self::RustCalls => &["rust", "rust-calls"],
            Self::Debug | Self::DebugStepped => &["rust", "debug"],
            Self::Kcsan => &["rust", "kcsan"],
            Self::Rt => &["rust", "rt"],
            Self::Pages16K => &["rust", "pages-16k"],
            Self::Pages64K => &["rust", "pages-64k"],
            Self::UpstreamC => &["c", "upstream"],
            Self::UpstreamRust | Self::UpstreamStepped => &["rust", "upstream"],
        }
    }

    /// What make is to build besides the image. Kernels that load a module have none
    /// of their own, but what modules are linked with comes with them.
    pub fn targets(self) -> &'static [&'static str] {
        match self.built() {
            Self::UpstreamC | Self::UpstreamRust => &["modules"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_from_kernels_that_are_alike() {
        use Flavour::*;
        assert!(C.siblings().eq([Rust, RustCalls, Mutant]));
        assert!(UpstreamRust.siblings().eq([UpstreamC]));
        assert_eq!(Debug.siblings().count(), 0);
    }
}
