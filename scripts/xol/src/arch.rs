// SPDX-License-Identifier: GPL-2.0
//! The architectures that kernels are built for.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    #[value(name = "x86_64")]
    #[serde(rename = "x86_64")]
    X86_64,
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "riscv64")]
    Riscv64,
}

impl Arch {
    pub const ALL: &[Self] = &[Self::X86_64, Self::Arm64, Self::Riscv64];

    /// The architectures that are tested unless others are named.
    pub const TESTED: &[Self] = &[Self::X86_64, Self::Arm64];

    /// The architectures whose kernel boosts slots.
    pub const BOOSTED: &[Self] = &[Self::X86_64, Self::Arm64];

    /// The architectures with kernels and disks of Debian's configuration.
    pub const DISTRO: &[Self] = &[Self::X86_64, Self::Arm64];

    /// The name used in directories, file names and `configs/<name>.config`.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The kernel's `ARCH=`.
    pub fn kernel_arch(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv",
        }
    }

    /// Its directory in the kernel tree.
    pub fn folder(self) -> &'static str {
        match self {
            Self::X86_64 => "arch/x86",
            Self::Arm64 => "arch/arm64",
            Self::Riscv64 => "arch/riscv",
        }
    }

    /// The make target of the image, and its path below the build directory.
    pub fn image(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => ("bzImage", "arch/x86/boot/bzImage"),
            Self::Arm64 => ("Image", "arch/arm64/boot/Image"),
            Self::Riscv64 => ("Image", "arch/riscv/boot/Image"),
        }
    }

    /// Debian's name for it, as dpkg and mmdebstrap take it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The prefix of the GNU cross tools and of Debian's multiarch directories.
    pub fn gnu_triplet(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Riscv64 => "riscv64-linux-gnu",
        }
    }

    /// This machine's, if a kernel can be built for it.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Arm64),
            "riscv64" => Some(Self::Riscv64),
            _ => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
