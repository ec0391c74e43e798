// SPDX-License-Identifier: GPL-2.0
//! A kernel, interactive.

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::jobs::measure;
use crate::qemu::{self, Boot};
use crate::stage::Runner;

/// Longer than a session lasts, but not for ever.
const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// Boots a kernel with a shell on this terminal: of the system on the disk, if there is one.
pub fn shell(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    guest: &Guest,
    disk: Option<&Path>,
) -> Result<()> {
    let engine = qemu::fastest_engine(runner, arch, flavour, &guest.base)?;
    let size = terminal_size();
    let mut arguments = vec!["quiet", "kunit.enable=0"];
    arguments.extend(size.iter().map(String::as_str));
    arguments.extend(disk.map(|_| qemu::DISK));
    let time = disk.map_or("a few seconds", |_| "a minute");
    println!("== shell {arch}: {}, up in {time}", engine.name());
    let boot = Boot {
        arch,
        kernel: &runner.paths.image(arch, flavour),
        initramfs: match disk {
            None => &guest.full,
            Some(_) => &guest.base,
        },
        engine,
        processors: measure::processors(runner),
        jobs: &[],
        arguments: &arguments,
        limit: LIMIT,
    };
    qemu::boot_interactive(&boot, disk)
}

/// Words of the command line with the size of this terminal, if it is one.
fn terminal_size() -> Vec<String> {
    if !std::io::stdin().is_terminal() {
        return Vec::new();
    }
    let stty = Command::new("stty")
        .arg("size")
        .stdin(Stdio::inherit())
        .output();
    let text = stty.map(|stty| String::from_utf8_lossy(&stty.stdout).into_owned());
    match text.unwrap_or_default().split_once(' ') {
        Some((rows, columns)) => vec![
            format!("xol.rows={}", rows.trim()),
            format!("xol.columns={}", columns.trim()),
        ],
        None => Vec::new(),
    }
}
