// SPDX-License-Identifier: GPL-2.0
//! Makes disk images with Debian's userland, in which a kernel's packages are installed.
//!
//! A guest boots the kernel and the small initramfs directly. The initramfs puts the jobs
//! and the selftests on the disk, and starts systemd (`scripts/guest/distro/start`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Places, ROOT_LIMIT, foreign, replace};
use crate::arch::Arch;
use crate::debian;
use crate::flavour::Flavour;
use crate::stage::{Fingerprint, Progress, Runner};

/// Debian's packages: the system that boots, the tools that use uprobes, and a debugger.
const PACKAGES: &[&str] = &[
    "bash",
    "bpftool",
    "bpftrace",
    "dbus",
    "gdb",
    "iproute2",
    "kmod",
    "linux-perf",
    "login",
    "procps",
    "strace",
    "systemd-sysv",
    "udev",
    "uftrace",
    "util-linux",
    "valgrind",
];

/// The size of a disk, of which only the used part takes room on the host.
const SIZE: &str = "8G";

/// Runs a command that executes programs of another architecture ($1: its name in QEMU, $2:
/// its number in ELF files). A user namespace that mounts binfmt_misc has its own.
const EMULATED: &str = r#"
folder=/proc/sys/fs/binfmt_misc program=/usr/bin/qemu-$1
if [ ! -e $folder/qemu-$1 ]; then
    if read -r _ _ count </proc/self/uid_map && [ "$count" = 4294967295 ]; then
        echo "error: programs of $1 do not run here: install qemu-user-binfmt on the host, or call make as an ordinary user"
        exit 1
    fi
    mount -t binfmt_misc binfmt_misc $folder ||
        { echo "error: Linux 6.7 is needed to run programs of $1; or install qemu-user-binfmt on the host"; exit 1; }
    header='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x'$2'\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf %s ":qemu-$1:M::$header:$mask:$program:F" >$folder/register
fi
shift 2
exec "$@"
"#;

/// Makes the disk $3 from the archive $2 and the packages after it, in the directory $1.
const MAKE_DISK: &str = r#"
root=$1 archive=$2 disk=$3
shift 3
rm -rf "$root"
mkdir "$root"
tar -C "$root" --numeric-owner -xf "$archive"
cp "$@" "$root/tmp"
chroot "$root" sh -c 'exec apt-get -q -y -o APT::Sandbox::User=root install /tmp/linux-image-*.deb'
rm "$root"/tmp/*.deb
truncate -s "$SIZE" "$disk"
mke2fs -q -t ext4 -d "$root" "$disk"
rm -rf "$root"
"#;

/// The stages of [`build`].
pub fn stage_names(arch: Arch, flavour: Flavour) -> [String; 2] {
    [
        format!("Debian's userland {arch}"),
        format!("disk {arch} {}", flavour.name()),
    ]
}

/// Builds what is missing, and returns the disk with these packages of a kernel.
pub fn build(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    packages: &[PathBuf],
) -> Result<PathBuf> {
    let places = Places::new(runner, arch)?;
    let [userland, disk] = stage_names(arch, flavour);

    let archive = places.folder.join("debian.tar");
    let inputs = Fingerprint::new("Debian's userland 1").text(&PACKAGES.join(" "));
    runner.stage(&userland, &inputs, &[&archive], |progress| {
        replace(&archive, |part| make_userland(arch, part, progress))
    })?;

    let path = places.folder.join(format!("{}.disk", flavour.name()));
    let mut inputs = inputs.text("disk 1").text(MAKE_DISK).text(SIZE);
    for package in packages {
        inputs = inputs.file(package)?;
    }
    runner.stage(&disk, &inputs, &[&path], |progress| {
        let mut command = emulated(arch, "sh");
        command
            .args(["-ec", MAKE_DISK, "sh"])
            .arg(places.folder.join("disk-root"))
            .arg(&archive)
            .env("SIZE", SIZE)
            .env("DEBIAN_FRONTEND", "noninteractive");
        replace(&path, |part| {
            command.arg(part).args(packages);
            progress.run(&mut command, "making the disk", ROOT_LIMIT)
        })
    })?;
    Ok(path)
}

/// Unpacks and configures Debian's packages, and makes an archive of them.
fn make_userland(arch: Arch, archive: &Path, progress: &Progress) -> Result<()> {
    let mut command = emulated(arch, "mmdebstrap");
    command
        .args(["--mode=root", "--variant=apt", "--format=tar"])
        // Emulated programs run, but not by the names that are looked for.
        .arg("--skip=check/qemu")
        .arg(format!("--architectures={}", arch.debian()))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args(debian::settings())
        // The sandbox's /tmp is in memory.
        .env("TMPDIR", archive.parent().expect("it is not the root"))
        .arg(debian::SUITE)
        .arg(archive)
        .args(debian::sources()?);
    progress.run(&mut command, "mmdebstrap", 2 * ROOT_LIMIT)
}

/// A command that may execute programs of `arch`.
fn emulated(arch: Arch, program: &str) -> Command {
    if !foreign(arch) {
        return Command::new(program);
    }
    let (name, number) = match arch {
        Arch::X86_64 => ("x86_64", "3e"),
        Arch::Arm64 => ("aarch64", "b7"),
        Arch::Riscv64 => ("riscv64", "f3"),
    };
    let mut command = Command::new("sh");
    command.args(["-ec", EMULATED, "sh", name, number, program]);
    command
}
