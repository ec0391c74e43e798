// SPDX-License-Identifier: GPL-2.0
//! Memory that processors share while they hit probes: boots with the plugin `qemu-contention`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::jobs::measure::{Needs, Task};
use crate::qemu::{self, Boot};
use crate::report::metric::Metric;
use crate::stage::{Progress, Runner, read_text};

pub const TASK: Task = Task {
    name: "contention",
    jobs: &["contention"],
    needs: Needs::Plugin,
    rounds: 1,
    processors: &[Some(2), Some(4), Some(8), Some(16)],
};

/// The number of hits of all processors together.
const HITS: usize = 20_000;

/// The plugin's group of functions whose accesses are reported.
const UPROBES: &str = "uprobes";

/// The directories of a kernel's build in which object files belong to uprobes if their names, or
/// their directory's, begin with `uprobes`.
const OBJECTS: [&str; 4] = [
    "kernel/events",
    "arch/x86/kernel",
    "arch/arm64/kernel/probes",
    "arch/riscv/kernel/probes",
];

/// The plugin's group of functions that uprobes call for each hit: what a probe was made for.
const CONSUMER: &str = "consumer";

/// The plugin's group of functions that make instruction caches see what was written to a slot.
const CACHES: &str = "caches";

/// More groups, so that their work within a hit is not taken for that of uprobes. Interrupts are
/// entered on the stack that they found and on their own; x86 has many entries `*sysvec_*`.
const FUNCTIONS: [(&str, &str); 4] = [
    (
        CONSUMER,
        "uprobe_dispatcher:uretprobe_dispatcher:uprobe_multi_link_handler:\
         uprobe_multi_link_ret_handler",
    ),
    (CACHES, "sync_icache_aliases:flush_icache_all"),
    (
        "interrupt",
        "asm_common_interrupt:common_interrupt:__common_interrupt:*sysvec_*:el0t_64_irq:\
         el0t_64_irq_handler:el1h_64_irq:el1h_64_irq_handler:gic_handle_irq:do_irq:\
         __irq_exit_rcu:handle_softirqs",
    ),
    ("scheduler", "schedule:__schedule"),
];

/// The metrics of the plugin that are reported; others are details for its file.
const REPORTED: [&str; 3] = ["contended_", "function_", "page_bytes"];

/// Words of the kernel's command line. The plugin knows functions by the addresses at which they
/// were linked.
pub fn arguments(processors: usize) -> [String; 2] {
    [
        "nokaslr".to_owned(),
        format!("xol.hits={}", HITS / processors),
    ]
}

/// Boots with the plugin, and returns what uprobes share. The paths are the plugin's library, the
/// directory in which the kernel was built, and the file for the plugin's whole output.
pub fn boot(
    runner: &Runner,
    progress: &Progress,
    boot: &Boot,
    (library, build, output): (&Path, &Path, &Path),
) -> Result<Vec<Metric>> {
    let _ = fs::remove_file(output);
    let options = options(build, output)?.join(",");
    let plugin = format!("{},{options}", library.display());
    qemu::boot_with_plugin(runner, progress, boot, &plugin)?.good()?;
    let text = read_text(output)
        .context("the plugin wrote nothing; did QEMU load it, and is it for this QEMU?")?;
    parse(&text, boot.processors)
}

/// The plugin's arguments for the kernel in `build`.
fn options(build: &Path, output: &Path) -> Result<Vec<String>> {
    let objects: Vec<_> = objects(build)?
        .iter()
        .map(|file| format!(":{}", file.display()))
        .collect();
    if objects.is_empty() {
        bail!("no object file of uprobes is in {}", build.display());
    }
    let mut options = vec![
        format!("symbols={}", build.join("vmlinux").display()),
        format!("output={}", output.display()),
        "label=probes".to_owned(),
        "pages=[uprobes]".to_owned(),
        format!("objects={UPROBES}{}", objects.concat()),
    ];
    options.extend(FUNCTIONS.map(|(group, names)| format!("functions={group}:{names}")));
    Ok(options)
}

/// The object files of uprobes.
fn objects(build: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in OBJECTS.map(|folder| build.join(folder)) {
        for file in entries(&folder)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("uprobes") {
                found.extend(entries(&file)?);
                found.push(file);
            }
        }
    }
    found.retain(|file| file.extension().is_some_and(|of| of == "o"));
    Ok(found)
}

/// The files in a directory; none if it is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()));
    let paths = entries?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Reads the plugin's output, and checks that each operation was a hit.
fn parse(text: &str, processors: usize) -> Result<Vec<Metric>> {
    let mut found = Vec::new();
    let mut hits = false;
    for line in text.lines() {
        let Some(mut metric) = Metric::parse(line)? else {
            bail!("the plugin's output has other lines than JSON: {line}");
        };
        let group = metric.labels.remove("group");
        let group = group.as_deref();
        if metric.metric == "entries" && group == Some(CONSUMER) {
            if metric.value != 1.0 {
                bail!("the probe's BPF program ran {} times per hit", metric.value);
            }
            hits = true;
        }
        let mut is_reported = REPORTED.iter().any(|of| metric.metric.starts_with(of))
            && group.is_none_or(|group| group == UPROBES);
        if metric.metric == "entries" && group == Some(CACHES) {
            metric.metric = "cache_maintenance".to_owned();
            is_reported = true;
        }
        if is_reported {
            let labels = &mut metric.labels;
            labels.insert("processors".to_owned(), processors.to_string());
            found.push(metric);
        }
    }
    match hits {
        true => Ok(found),
        false => bail!("the plugin saw no measurement"),
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn example(runs: f64) -> String {
        let line = |metric: &str, labels: &[(&str, &str)], value| {
            let labels = [&[("probes", "100")], labels].concat();
            serde_json::to_string(&Metric::new(metric, &labels, value)).unwrap()
        };
        [
            line("entries", &[("group", UPROBES)], 9.0),
            line("entries", &[("group", CONSUMER)], runs),
            line("entries", &[("group", CACHES)], 0.5),
            line("page_bytes", &[], 16.0),
            line("contended_lines", &[("group", "all")], 7.0),
            line("contended_lines", &[("group", UPROBES)], 5.0),
            line("line_users", &[("line", "0x0")], 2.0),
        ]
        .join("\n")
    }

    /// Checks that the figures of uprobes are read, with the number of processors.
    #[test]
    fn the_plugins_output_is_read() {
        let labels = [("probes", "100"), ("processors", "4")];
        let expected = [
            ("cache_maintenance", 0.5),
            ("page_bytes", 16.0),
            ("contended_lines", 5.0),
        ];
        let expected = expected.map(|(name, value)| Metric::new(name, &labels, value));
        assert_eq!(parse(&example(1.0), 4).unwrap(), expected);
    }

    /// Checks that figures which are not of hits are refused.
    #[test]
    fn figures_without_hits_are_refused() {
        assert!(parse(&example(0.0), 4).is_err());
        assert!(parse("", 4).is_err());
        assert!(parse("words", 4).is_err());
    }

    /// Checks which object files are those of uprobes.
    #[test]
    fn object_files_are_found_by_their_names() {
        let build = tempfile::tempdir().unwrap();
        let files = [
            ("kernel/events/core.o", false),
            ("kernel/events/uprobes.c", false),
            ("kernel/events/uprobes.o", true),
            ("kernel/events/uprobes_xol/slots.o", true),
            ("arch/x86/kernel/uprobes_boost.o", true),
        ];
        for (file, _) in files {
            let file = build.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let found = objects(build.path()).unwrap();
        for (file, is_one) in files {
            assert_eq!(found.contains(&build.path().join(file)), is_one, "{file}");
        }
        let options = options(build.path(), Path::new("out")).unwrap();
        assert!(options.iter().any(|of| of.starts_with("objects=uprobes:/")));
        let empty = tempfile::tempdir().unwrap();
        assert!(super::options(empty.path(), Path::new("out")).is_err());
    }

    /// Checks that the selftest has the plugin's marks.
    #[test]
    fn marks_are_those_of_the_plugin() {
        let ours = include_str!("../../../../tools/testing/selftests/uprobes/marks.h");
        let plugins = include_str!("../../../../tools/testing/qemu-contention/marks.h");
        assert_eq!(ours, plugins);
    }
}
