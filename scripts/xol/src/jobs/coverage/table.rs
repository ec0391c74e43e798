// SPDX-License-Identifier: GPL-2.0
//! The tables: the same text for a terminal and as Markdown.

use std::cmp::Reverse;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::decoder::Kernel;
use super::left::Left;
use super::{Analyzed, Counts, Figures, Report};

/// How many programs, and how many of the instructions that are left, are shown.
const PROGRAMS: usize = 20;
const LEFT: usize = 12;

const NOTE: &str = "An emulated or boosted hit takes one exception, a stepped one two. A refused \
                    probe cannot be attached.";

/// Where people put probes, and their figures.
type Place = (&'static str, fn(&Figures) -> Counts);

const PLACES: [Place; 4] = [
    ("function entries", |figures| figures.entries),
    ("returns", |figures| figures.returns),
    ("USDT sites", |figures| figures.usdt),
    ("all instructions", |figures| figures.instructions),
];

pub fn render(report: &Report) -> String {
    let mut sum = [Figures::default(); Kernel::ALL.len()];
    for analyzed in &report.programs {
        for (sum, kernel) in sum.iter_mut().zip(Kernel::ALL) {
            *sum += analyzed.kernels[&kernel];
        }
    }
    let title = match &report.programs[..] {
        [only] => only.program.display().to_string(),
        all => format!("{} programs", all.len()),
    };
    let arch = report.arch;
    let mut text = format!("## {title} ({arch})\n\n{NOTE}\n\n{}\n", treatments(&sum));
    let [_, series] = &sum;
    if series.bytes_not_decoded > 0 {
        let bytes = series.bytes_not_decoded;
        text += &format!("\nThe decoder knows no instruction for {bytes} bytes of functions.\n");
    }
    if report.programs.len() > 1 {
        text += &format!("\nThe largest programs:\n\n{}\n", programs(report));
    }
    let total = series.instructions.total();
    for (refused, heading) in [(false, "stepped"), (true, "refused")] {
        let left: Vec<_> = report
            .left
            .iter()
            .filter(|left| left.refused == refused)
            .collect();
        if !left.is_empty() {
            let table = leftovers(&left, total);
            text += &format!("\nStill {heading} in this series, most frequent first:\n\n{table}\n");
        }
    }
    text + "\n"
}

fn new_table(header: &[&str], texts: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The treatments by both kernels.
fn treatments(sum: &[Figures]) -> Table {
    let header = [
        "probes on",
        "count",
        "kernel",
        "emulated",
        "boosted",
        "stepped",
        "refused",
    ];
    let mut table = new_table(&header, 0);
    for column in [0, 2] {
        let column = table.column_mut(column).expect("it is in the header");
        column.set_cell_alignment(CellAlignment::Left);
    }
    for (name, counts) in PLACES {
        for (index, (figures, kernel)) in sum.iter().zip(Kernel::ALL).enumerate() {
            let counts = counts(figures);
            let total = counts.total();
            let (name, count) = match index {
                0 => (name.to_owned(), total.to_string()),
                _ => Default::default(),
            };
            let mut row = vec![name, count, kernel.name().to_owned()];
            let treated = [
                counts.emulated,
                counts.boosted,
                counts.stepped,
                counts.refused,
            ];
            row.extend(treated.map(|part| share(part, total)));
            table.add_row(row);
        }
    }
    table
}

/// The programs with the most functions, a row each, and the mean of these programs.
fn programs(report: &Report) -> Table {
    let header = [
        "program",
        "entries stepped, upstream",
        "this series",
        "instructions stepped, upstream",
        "this series",
        "refused, upstream",
        "this series",
    ];
    let functions = |of: &&Analyzed| of.kernels[&Kernel::Series].entries.total();
    let mut largest: Vec<_> = report.programs.iter().collect();
    largest.sort_by_key(|of| Reverse(functions(of)));
    largest.truncate(PROGRAMS);
    let mut table = new_table(&header, 1);
    let mut sums = [0.0; 6];
    for analyzed in &largest {
        let mut shares = [0.0; 6];
        for (index, kernel) in Kernel::ALL.iter().enumerate() {
            let figures = &analyzed.kernels[kernel];
            let Figures {
                entries,
                instructions,
                ..
            } = figures;
            shares[index] = percent(entries.stepped, entries.total());
            shares[2 + index] = percent(instructions.stepped, instructions.total());
            shares[4 + index] = percent(instructions.refused, instructions.total());
        }
        for (sum, share) in sums.iter_mut().zip(shares) {
            *sum += share;
        }
        let name = analyzed.program.file_name().unwrap_or_default();
        table.add_row(row(name.to_string_lossy().into_owned(), shares));
    }
    let count = largest.len() as f64;
    table.add_row(row("mean".to_owned(), sums.map(|sum| sum / count)));
    table
}

fn row(name: String, shares: [f64; 6]) -> Vec<String> {
    let shares = shares.map(|share| format!("{share:.2} %"));
    [name].into_iter().chain(shares).collect()
}

fn leftovers(left: &[&Left], total: u64) -> Table {
    let header = ["instruction", "example", "of all", "count", "entries"];
    let mut table = new_table(&header, 2);
    for left in left.iter().take(LEFT) {
        table.add_row([
            left.name.clone(),
            left.example.clone(),
            format!("{:.3} %", percent(left.count, total)),
            left.count.to_string(),
            left.entries.to_string(),
        ]);
    }
    table
}

fn percent(part: u64, total: u64) -> f64 {
    match total {
        0 => 0.0,
        _ => 100.0 * part as f64 / total as f64,
    }
}

/// A percentage and the number itself.
fn share(part: u64, total: u64) -> String {
    match part {
        0 => "0".to_owned(),
        _ => format!("{:.2} % ({part})", percent(part, total)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Compared;
    use super::*;
    use crate::arch::Arch;

    fn analyzed(program: &str, upstream: u64) -> Analyzed {
        let figures = |stepped| {
            let counts = Counts {
                emulated: 4 - stepped,
                stepped,
                ..Counts::default()
            };
            Figures {
                entries: counts,
                instructions: counts,
                ..Figures::default()
            }
        };
        Analyzed {
            program: program.into(),
            kernels: Compared::from([
                (Kernel::Upstream, figures(upstream)),
                (Kernel::Series, figures(0)),
            ]),
        }
    }

    fn report(programs: Vec<Analyzed>, left: Vec<Left>) -> Report {
        Report {
            arch: Arch::X86_64,
            programs,
            left,
        }
    }

    /// Checks that a table has both kernels, with percentages and counts.
    #[test]
    fn one_program_is_compared() {
        let left = Left {
            name: "syscall".to_owned(),
            refused: false,
            count: 1,
            entries: 0,
            example: "0f 05".to_owned(),
        };
        let text = render(&report(vec![analyzed("/bin/a", 3)], vec![left]));
        let find = |wanted: &str| {
            let line = text.lines().find(|line| line.contains(wanted));
            let line = line.unwrap_or_else(|| panic!("{wanted}: {text}"));
            let cells = line
                .split('|')
                .map(str::trim)
                .filter(|cell| !cell.is_empty());
            cells.collect::<Vec<_>>()
        };
        assert!(text.starts_with("## /bin/a (x86_64)\n"), "{text}");
        assert_eq!(
            find("function entries"),
            [
                "function entries",
                "4",
                "upstream",
                "25.00 % (1)",
                "0",
                "75.00 % (3)",
                "0"
            ]
        );
        assert_eq!(find("syscall"), ["syscall", "0f 05", "25.000 %", "1", "0"]);
        assert!(!text.contains("Still refused"), "{text}");
        assert!(!text.contains("mean"), "{text}");
    }

    /// Checks that several programs are summed up, and that each counts the same in the mean.
    #[test]
    fn programs_have_a_mean() {
        let programs = vec![analyzed("/bin/a", 4), analyzed("/bin/b", 1)];
        let text = render(&report(programs, Vec::new()));
        assert!(text.starts_with("## 2 programs (x86_64)\n"), "{text}");
        let mean = text.lines().find(|line| line.contains("mean")).unwrap();
        assert!(mean.contains("62.50 %"), "{mean}");
    }
}
