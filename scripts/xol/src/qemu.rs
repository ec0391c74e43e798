// SPDX-License-Identifier: GPL-2.0
//! Boots a kernel with an initramfs under QEMU, runs jobs in it, and returns the
//! outcome.
//!
//! QEMU is called directly: a guest that is nothing but a kernel and a cpio
//! needs no disk, network or PCI in the kernel, which keeps the build small.
//! virtme-ng would need PCI, virtio and a shared file system, and costs more: on
//! Debian's 6.12 cloud kernel with two processors under TCG it took 18.7 s of
//! processor time from the call to its end (1.42, virtiofs, its Rust init, `true`
//! as the job), this machine with a cpio of busybox 4.4 s: medians of five runs
//! in turns. Our own kernel with the job `nothing` took 3.1 s.
//!
//! A guest has two serial lines: the console, which goes to a file, and the
//! report channel, which QEMU passes to its standard output.

mod console;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::command::{self, Interrupted};
use crate::flavour::Flavour;
use crate::plugin;
use crate::stage::{Fingerprint, Progress, Runner, write_file};

/// The engine that executes a guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Kvm,
    /// QEMU's translator, with a host thread for each processor of the guest.
    Tcg,
    /// The translator, with one host thread that runs the processors in turns.
    TcgInTurns,
    /// The translator on an instruction clock: a nanosecond of the guest is an
    /// instruction, and every boot counts the same.
    InstructionClock,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "QEMU TCG",
            Self::TcgInTurns => "QEMU TCG, processors in turns",
            Self::InstructionClock => "QEMU instruction clock",
        }
    }

    /// The same without the faults of a translator with several threads, see
    /// [`engine_for_tests`]: for what does not gain from processors that really run
    /// beside each other.
    pub fn in_turns(self) -> Self {
        match self {
            Self::Tcg => Self::TcgInTurns,
            other => other,
        }
    }
}

/// A boot to be done.
pub struct Boot<'a> {
    pub arch: Arch,
    pub kernel: &'a Path,
    pub initramfs: &'a Path,
    pub engine: Engine,
    pub processors: usize,
    /// Scripts of `scripts/guest/jobs`, run one after the other.
    pub jobs: &'a [&'a str],
    /// More words for the kernel's command line; `xol.NAME=VALUE` reaches the
    /// jobs as a variable.
    pub arguments: &'a [&'a str],
    pub limit: Duration,
}

/// The outcome of a boot.
pub struct Outcome {
    /// The lines that the jobs wrote.
    pub report: Vec<String>,
    /// The kernel's log.
    pub log: String,
    /// The reason not to trust this guest.
    pub fault: Option<Fault>,
    /// The first status of a job that was not 0.
    pub status: i32,
}

/// The kinds of faults of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The kernel says that something is broken.
    Splat,
    /// It did not end in time.
    Hang,
    /// It ended before its jobs were done.
    EarlyEnd,
}

/// A fault of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// A line for the user, with the console's path.
    pub text: String,
}

impl Outcome {
    /// The report of a guest in which nothing went wrong.
    pub fn good(self) -> Result<Vec<String>> {
        if let Some(fault) = self.fault {
            bail!(fault.text);
        }
        if self.status != 0 {
            let last = self.report.last().map_or("nothing", String::as_str);
            bail!("a job in the guest ended with {}: {last}", self.status);
        }
        Ok(self.report)
    }

    /// KCSAN's reports that uprobes take no part in.
    pub fn races_elsewhere(&self) -> Vec<&str> {
        console::races_elsewhere(&self.log)
    }
}

/// The last line of the guest's init begins so.
const EXIT_MARK: &str = "xol: exit ";

/// Boots and waits. Faults of the guest are in the outcome; an error means that
/// there was no guest.
pub fn boot(runner: &Runner, progress: &Progress, boot: &Boot) -> Result<Outcome> {
    boot_machine(runner, progress, boot, qemu(boot))
}

/// The same, with a plugin of the translator: its path and its arguments.
pub fn boot_with_plugin(
    runner: &Runner,
    progress: &Progress,
    boot: &Boot,
    plugin: &str,
) -> Result<Outcome> {
    let mut machine = qemu(boot);
    machine.args(["-plugin", plugin]);
    boot_machine(runner, progress, boot, machine)
}

/// The same, with the system of a disk, which the boot does not change.
pub fn boot_with_disk(
    runner: &Runner,
    progress: &Progress,
    boot: &Boot,
    disk: &Path,
) -> Result<Outcome> {
    let mut machine = qemu(boot);
    machine.args(drive(disk));
    boot_machine(runner, progress, boot, machine)
}

/// The word of the kernel's command line that starts the system of the disk.
pub const DISK: &str = "xol.disk=/dev/vda";

fn drive(disk: &Path) -> [String; 2] {
    let options = "if=virtio,format=raw,snapshot=on,cache=unsafe";
    [
        "-drive".into(),
        format!("file={},{options}", disk.display()),
    ]
}

fn boot_machine(
    runner: &Runner,
    progress: &Progress,
    boot: &Boot,
    mut machine: Command,
) -> Result<Outcome> {
    let console = progress.log.with_extension("console");
    fs::write(&console, "").with_context(|| format!("cannot write {}", console.display()))?;
    let mut report = Vec::new();
    let mut exit = None;
    let mut complaint = None;
    let program = program(boot.arch);
    let ended = command::run_to_status(
        machine.args(serial_lines(boot.arch, &console)),
        "the guest",
        boot.limit,
        &progress.log,
        |line| {
            let complains = [program, plugin::NAME];
            if let Some(text) = complains.iter().find_map(|name| line.strip_prefix(name)) {
                complaint = Some(text.trim_start_matches(':').trim().to_owned());
            } else if let Some(code) = line.trim().strip_prefix(EXIT_MARK) {
                exit = code.parse().ok();
            } else {
                if !line.trim().is_empty() {
                    progress.message(line.trim());
                }
                report.push(line.trim_end().to_owned());
            }
        },
    );
    let log = String::from_utf8_lossy(&fs::read(&console)?).into_owned();
    let place = runner.paths.outside(&console);
    let fault = fault(&log, ended, exit, complaint)?.map(|fault| Fault {
        text: format!("{} (console: {})", fault.text, place.display()),
        ..fault
    });
    Ok(Outcome {
        report,
        log,
        fault,
        status: exit.unwrap_or(0),
    })
}

/// The fault of a guest that has ended; the one that explains most wins.
fn fault(
    log: &str,
    ended: Result<ExitStatus>,
    exit: Option<i32>,
    complaint: Option<String>,
) -> Result<Option<Fault>> {
    let is = |kind, text| Ok(Some(Fault { kind, text }));
    let ended = match ended {
        Err(error) if error.is::<Interrupted>() => return Err(error),
        ended => ended,
    };
    if let Some(splat) = console::splat(log) {
        return is(
            FaultKind::Splat,
            format!("the guest's kernel says: {splat}"),
        );
    }
    let last = console::last_message(log).unwrap_or("nothing");
    match ended {
        Err(error) => is(
            FaultKind::Hang,
            format!("{error:#}; its last message: {last}"),
        ),
        Ok(status) if !status.success() => {
            let why = complaint.unwrap_or_else(|| "it said nothing".into());
            Err(anyhow::anyhow!("QEMU failed ({status}): {why}"))
        }
        Ok(_) if exit.is_none() => is(
            FaultKind::EarlyEnd,
            format!("the guest ended before its jobs; its last message: {last}"),
        ),
        Ok(_) => Ok(None),
    }
}

/// KVM if it boots this kernel within a short time, else TCG. `/dev/kvm` alone
/// says little: where it cannot run a stock kernel, QEMU hangs. The answer holds
/// for this kernel until the host is booted again.
pub fn fastest_engine(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    base: &Path,
) -> Result<Engine> {
    if Arch::host() != Some(arch) || !openable(Path::new("/dev/kvm")) {
        return Ok(Engine::Tcg);
    }
    let name = flavour.built().name();
    let answer = runner.paths.guest(arch).join(format!("engine-{name}"));
    let host_boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let kernel = runner.paths.image(arch, flavour);
    let inputs = Fingerprint::new("KVM probe 1")
        .text(&host_boot)
        .file(&kernel)?;
    runner.stage(
        &format!("KVM probe ({arch} {name})"),
        &inputs,
        &[&answer],
        |progress| {
            let outcome = boot(
                runner,
                progress,
                &Boot {
                    arch,
                    kernel: &kernel,
                    initramfs: base,
                    engine: Engine::Kvm,
                    processors: 2,
                    jobs: &["nothing"],
                    arguments: &["kunit.enable=0"],
                    limit: Duration::from_secs(20),
                },
            );
            // Only Ctrl-C is an error here: a KVM that does not work says so in
            // many ways.
            let works = match outcome {
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(_) => false,
                Ok(outcome) => outcome.good().is_ok(),
            };
            progress.say(if works {
                "KVM boots a kernel and is used"
            } else {
                "KVM does not boot a kernel here, so guests run under TCG"
            });
            write_file(&answer, if works { b"kvm" } else { b"tcg" })
        },
    )?;
    Ok(match fs::read_to_string(&answer)?.as_str() {
        "kvm" => Engine::Kvm,
        _ => Engine::Tcg,
    })
}

/// The engine to trust with tests.
///
/// On arm64 with a host thread for each processor, one of four runs of the suite
/// had 1521 hits execute what had been in a slot before. The likely cause is the
/// translator: it watches the pages that it has translated for stores, and another
/// processor's translation may come between a store and the end of the watch. With
/// processors in turns there is nothing in between.
///
/// On x86-64 it was seen twice with jump labels, in KUnit and before the guest's init:
/// processors executed the breakpoint with which a label is patched after that was gone.
/// Hence a kernel boots on one processor, and init brings up the others.
/// And it was seen with slots in C, which are written at each step: what a slot had held
/// before was executed in 2 of 23 runs, in none of 13 with processors in turns. KUnit
/// and the C kernel take turns, see [`Engine::in_turns`]. Slots in Rust are rarely
/// written, and their tests are about processors that meet: they keep a host thread for
/// each.
pub fn engine_for_tests(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    base: &Path,
) -> Result<Engine> {
    let engine = fastest_engine(runner, arch, flavour, base)?;
    Ok(match arch {
        Arch::Arm64 => engine.in_turns(),
        Arch::X86_64 | Arch::Riscv64 => engine,
    })
}

fn openable(device: &Path) -> bool {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .is_ok()
}

fn program(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "qemu-system-x86_64",
        Arch::Arm64 => "qemu-system-aarch64",
        Arch::Riscv64 => "qemu-system-riscv64",
    }
}

/// The machine, without its serial lines.
fn qemu(boot: &Boot) -> Command {
    let kvm = boot.engine == Engine::Kvm;
    let (machine, cpu) = match (boot.arch, kvm) {
        // KASAN goes by the number of levels of page tables to tell what an address is,
        // and an interrupt that comes while the processor is being identified sees four.
        (Arch::X86_64, false) => ("pc", "max,la57=off"),
        (Arch::X86_64, true) => ("pc", "host"),
        (Arch::Arm64, false) => ("virt,gic-version=3", "max,pauth-impdef=on"),
        (Arch::Arm64, true) => ("virt,gic-version=host", "host"),
        (Arch::Riscv64, false) => ("virt", "max"),
        (Arch::Riscv64, true) => ("virt", "host"),
    };
    let accelerator: &[&str] = match boot.engine {
        Engine::Kvm => &["kvm"],
        Engine::Tcg => &["tcg,thread=multi"],
        Engine::TcgInTurns => &["tcg,thread=single"],
        Engine::InstructionClock => &["tcg,thread=single", "-icount", "shift=0,sleep=off"],
    };
    let mut command = Command::new(program(boot.arch));
    command
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-monitor", "none", "-m", "2G"])
        .args(["-M", machine, "-cpu", cpu])
        .args(["-smp", &boot.processors.to_string(), "-accel"])
        .args(accelerator)
        .arg("-kernel")
        .arg(boot.kernel)
        .arg("-initrd")
        .arg(boot.initramfs)
        .args(["-append", &kernel_arguments(boot)]);
    command
}

fn kernel_arguments(boot: &Boot) -> String {
    let (console, report) = match boot.arch {
        Arch::X86_64 => ("ttyS0", "ttyS1"),
        Arch::Arm64 => ("ttyAMA0", "hvc0"),
        Arch::Riscv64 => ("ttyS0", "hvc0"),
    };
    // A panic ends the guest at once, thanks to -no-reboot.
    let mut words = vec![format!("console={console}"), "panic=-1".into()];
    if boot.arch == Arch::X86_64 && boot.engine == Engine::Tcg {
        // Init brings up the others, see engine_for_tests(). Each would take seconds to
        // calibrate its delay loop; this is for 5 GHz and 250 Hz, and what is too much
        // makes delays longer.
        words.push("maxcpus=1 lpj=20000000".into());
    }
    if !boot.jobs.is_empty() {
        // A processor that is stuck does not get better until the limit.
        words.push("sysctl.kernel.panic_on_rcu_stall=1".into());
        words.push(format!("xol.report=/dev/{report}"));
        words.push(format!("xol.jobs={}", boot.jobs.join(",")));
    }
    words.extend(boot.arguments.iter().map(|&word| word.to_owned()));
    words.join(" ")
}

fn serial_lines(arch: Arch, console: &Path) -> Vec<String> {
    let mut arguments = vec![
        "-chardev".into(),
        format!("file,id=console,path={}", console.display()),
        "-serial".into(),
        "chardev:console".into(),
        "-chardev".into(),
        "stdio,id=report,signal=off".into(),
    ];
    let report: &[&str] = match arch {
        Arch::X86_64 => &["-serial", "chardev:report"],
        Arch::Arm64 | Arch::Riscv64 => &[
            "-device",
            "virtio-serial-device",
            "-device",
            "virtconsole,chardev=report",
        ],
    };
    arguments.extend(report.iter().map(|&word| word.to_owned()));
    arguments
}

/// Boots with the console on this terminal, and with a disk if there is one, and waits for
/// the guest's end.
pub fn boot_interactive(boot: &Boot, disk: Option<&Path>) -> Result<()> {
    // QEMU stays in our process group, or it could not read the terminal. It
    // passes Ctrl-C on to the guest and restores the terminal when it ends, on
    // SIGTERM too, which timeout sends.
    let mut machine = qemu(boot);
    machine.args(disk.into_iter().flat_map(drive));
    let status = Command::new("timeout")
        .arg("--foreground")
        .arg(format!("{}s", boot.limit.as_secs()))
        .arg(machine.get_program())
        .args(machine.get_args())
        .args(["-chardev", "stdio,id=console,signal=off", "-serial"])
        .arg("chardev:console")
        .status()
        .context("cannot start QEMU")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(124) => bail!(
            "the guest was ended after {} h",
            boot.limit.as_secs() / 3600
        ),
        _ => bail!("QEMU failed ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn example(engine: Engine) -> Boot<'static> {
        Boot {
            arch: Arch::X86_64,
            kernel: Path::new("/k"),
            initramfs: Path::new("/i"),
            engine,
            processors: 3,
            jobs: &["attach", "perf-bench"],
            arguments: &["xol.calls=7"],
            limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn command_line_of_the_kernel() {
        assert_eq!(
            kernel_arguments(&example(Engine::Tcg)),
            "console=ttyS0 panic=-1 maxcpus=1 lpj=20000000 \
             sysctl.kernel.panic_on_rcu_stall=1 xol.report=/dev/ttyS1 xol.jobs=attach,perf-bench \
             xol.calls=7"
        );
        let words = kernel_arguments(&example(Engine::TcgInTurns));
        assert!(!words.contains("maxcpus"));
    }

    #[test]
    fn exact_boots_count_instructions() {
        let command = format!("{:?}", qemu(&example(Engine::InstructionClock)));
        assert!(command.contains(r#""tcg,thread=single" "-icount" "shift=0,sleep=off""#));
        let command = format!("{:?}", qemu(&example(Engine::Tcg)));
        assert!(command.contains(r#""tcg,thread=multi""#) && !command.contains("icount"));
        let command = format!("{:?}", qemu(&example(Engine::TcgInTurns)));
        assert!(command.contains(r#""tcg,thread=single""#) && !command.contains("icount"));
    }

    const HEALTHY: &str = "[ 0.1] Run /init\n[ 1.0] reboot: Power down\n";

    fn fault_of(log: &str, ended: Result<i32>, exit: Option<i32>) -> Option<Fault> {
        fault(log, ended.map(ExitStatus::from_raw), exit, None).unwrap()
    }

    #[test]
    fn a_finished_guest_has_no_fault() {
        assert_eq!(fault_of(HEALTHY, Ok(0), Some(0)), None);
        // A job's own failure is for the caller to judge.
        assert_eq!(fault_of(HEALTHY, Ok(0), Some(1)), None);
    }

    #[test]
    fn splats_hangs_and_early_ends_are_faults() {
        let splat = fault_of("[ 0.1] BUG: bad\n[ 0.2] more\n", Ok(0), Some(0)).unwrap();
        assert_eq!(splat.text, "the guest's kernel says: BUG: bad");
        assert_eq!(splat.kind, FaultKind::Splat);
        let hang = fault_of(HEALTHY, Err(anyhow::anyhow!("too long")), None).unwrap();
        assert_eq!(hang.text, "too long; its last message: reboot: Power down");
        assert_eq!(hang.kind, FaultKind::Hang);
        let early = fault_of(HEALTHY, Ok(0), None).unwrap();
        assert!(early.text.starts_with("the guest ended before its jobs"));
        assert_eq!(early.kind, FaultKind::EarlyEnd);
    }

    #[test]
    fn a_machine_that_does_not_start_is_an_error() {
        let status = Ok(ExitStatus::from_raw(1 << 8));
        let error = fault("", status, None, Some("no such machine".into())).unwrap_err();
        assert!(error.to_string().ends_with("no such machine"));
        let interrupted = Err(anyhow::Error::new(Interrupted));
        assert!(
            fault("[ 0.1] BUG: bad", interrupted, None, None)
                .unwrap_err()
                .is::<Interrupted>()
        );
    }
}
