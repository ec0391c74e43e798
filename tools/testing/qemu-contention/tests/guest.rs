// SPDX-License-Identifier: GPL-2.0

//! The plugin in QEMU, with a guest of a page of assembly. Skipped where QEMU or an x86 assembler
//! is missing. `QEMU` names another `qemu-system-x86_64`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde::Deserialize;

#[derive(Deserialize)]
struct Metric {
    metric: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Seconds that a guest may take; it takes less than one.
const SECONDS: &str = "120";

/// Files of one test.
struct Machine {
    folder: PathBuf,
    qemu: String,
}

impl Machine {
    /// Builds the guest; none if a tool is missing.
    fn new(name: &str) -> Option<Self> {
        let qemu = env::var("QEMU").unwrap_or("qemu-system-x86_64".to_owned());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let machine = Self { folder, qemu };
        let mut compiler = Command::new("cc");
        compiler
            .args([
                "-m32",
                "-nostdlib",
                "-static",
                "-no-pie",
                "-Wl,-Ttext=0x100000",
            ])
            .args(["-Wl,--build-id=none", "-Wl,-z,noexecstack", "-o"])
            .arg(machine.guest())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest.S"));
        let works = |command: &mut Command| command.output().is_ok_and(|of| of.status.success());
        if works(&mut compiler) && works(Command::new(&machine.qemu).arg("--version")) {
            return Some(machine);
        }
        eprintln!("skipped: needs {} and a compiler for i386", machine.qemu);
        None
    }

    fn guest(&self) -> PathBuf {
        self.folder.join("guest")
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output.jsonl")
    }

    /// Runs the guest with the plugin.
    fn run(&self, arguments: &str) -> Output {
        let test = env::current_exe().unwrap();
        let target = test.parent().unwrap();
        let plugin = target.join("libqemu_contention.so");
        let _ = fs::remove_file(self.output());
        Command::new("timeout")
            .args([SECONDS, &self.qemu])
            .args(["-M", "pc", "-accel", "tcg,thread=multi", "-smp", "2"])
            .args(["-display", "none", "-no-reboot"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
            .arg("-kernel")
            .arg(self.guest())
            .arg("-plugin")
            .arg(format!("{}{arguments}", plugin.display()))
            .output()
            .unwrap()
    }

    /// Runs the guest, and returns the metrics.
    fn measure(&self, arguments: &str) -> Vec<Metric> {
        let (guest, output) = (self.guest(), self.output());
        let files = format!(",symbols={},output={}", guest.display(), output.display());
        let ended = self.run(&(files + arguments));
        // The guest writes 0 to the device, which makes this status of it.
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let text = fs::read_to_string(output).unwrap();
        let parse = |line| serde_json::from_str(line).unwrap();
        text.lines().map(parse).collect()
    }
}

/// The only value of a metric with these labels.
fn value(metrics: &[Metric], name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |of: &&Metric| {
        let mut labels = labels.iter();
        let label = |name| of.labels.get(name).map_or("", String::as_str);
        of.metric == name && labels.all(|(name, value)| label(*name) == *value)
    };
    let found: Vec<_> = metrics.iter().filter(has).collect();
    assert_eq!(found.len(), 1, "{name}, {labels:?}");
    found[0].value
}

/// Checks what two processors do with a counter that they share.
#[test]
fn a_shared_counter_is_found() {
    let Some(machine) = Machine::new("counter") else {
        return;
    };
    let metrics = machine.measure(",code=all,functions=counter:increment,label=name");
    let run = [("name", "7")];
    assert_eq!(value(&metrics, "operations", &run), 200.0);
    assert_eq!(value(&metrics, "page_bytes", &run), 4.0);
    for group in ["all", "counter"] {
        let group = [("group", group)];
        assert_eq!(value(&metrics, "contended_lines", &group), 1.0);
        assert_eq!(value(&metrics, "contended_loads", &group), 1.0);
        assert_eq!(value(&metrics, "contended_atomics", &group), 1.0);
    }
    let other = [("group", "other")];
    assert_eq!(value(&metrics, "contended_accesses", &other), 0.0);
    let counter = [("group", "counter")];
    assert_eq!(value(&metrics, "entries", &counter), 1.0);
    let function = [("function", "add_one"), ("called_by", "increment")];
    assert_eq!(value(&metrics, "function_stores", &function), 1.0);
    assert_eq!(value(&metrics, "line_users", &[("bytes", "0-3")]), 2.0);
    // Of each operation: the counter, and three calls and a push with what takes them back.
    let second = [("processor", "1")];
    assert_eq!(value(&metrics, "processor_loads", &second), 5.0);
}

/// Checks that only code of the kernel is instrumented unless all is asked for.
#[test]
fn code_of_lower_addresses_is_left_out() {
    let Some(machine) = Machine::new("kernel") else {
        return;
    };
    let metrics = machine.measure("");
    assert_eq!(value(&metrics, "operations", &[]), 200.0);
    assert_eq!(value(&metrics, "contended_lines", &[("group", "all")]), 0.0);
}

/// Checks that QEMU does not start with wrong arguments, and says why.
#[test]
fn wrong_arguments_are_reported() {
    let Some(machine) = Machine::new("arguments") else {
        return;
    };
    for (arguments, part) in [
        (",output=o", "symbols= is missing"),
        (",symbols=none,output=o", "cannot read none"),
        (",size=1", "size: no such argument"),
    ] {
        let ended = machine.run(arguments);
        let text = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{text}");
        assert!(text.contains(&format!("qemu-contention: {part}")), "{text}");
    }
}
