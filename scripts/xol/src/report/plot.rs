// SPDX-License-Identifier: GPL-2.0
//! Plots as SVG.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::record::Record;
use crate::report::summary::{Summary, title};
use crate::report::{contention, steps};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const COLUMNS: usize = 4;
const PANEL: (usize, usize) = (300, 240);
const FONT: &str = "sans-serif";

/// Writes all plots there is data for into `folder`.
pub fn write(summary: &Summary, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for arch in summary.archs() {
        for (name, draw) in [
            (
                "instructions-per-hit",
                cost as fn(&Summary, Arch, &Path) -> Result<bool>,
            ),
            ("shared-memory", shared_memory),
            ("slot-layer", slot_layer),
            ("hits-per-second", throughput),
        ] {
            let path = folder.join(format!("{name}-{arch}.svg"));
            if draw(summary, arch, &path)? {
                written.push(path);
            }
        }
    }
    Ok(written)
}

fn colour(flavour: Flavour) -> RGBColor {
    match flavour {
        Flavour::C => RGBColor(90, 105, 120),
        Flavour::Rust => RGBColor(206, 66, 43),
        Flavour::Stepped => RGBColor(220, 120, 100),
        Flavour::RustCalls => RGBColor(235, 170, 120),
        _ => RGBColor(60, 60, 60),
    }
}

/// Bars: for each instruction one of each flavour. False when there is no data.
fn cost(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let flavours = summary.flavours(|record| matches!(record, Record::Cost { .. }));
    let names = of_arch(arch, summary.costed());
    let value = |name: &str, flavour| summary.cost_of(arch, flavour, name);
    let all = names
        .iter()
        .flat_map(|name| flavours.iter().filter_map(|&f| value(name, f)));
    let top = all.fold(0.0, f64::max);
    if top == 0.0 {
        return Ok(false);
    }

    let width = 160 + 110 * names.len() as u32;
    let root = SVGBackend::new(path, (width, 400)).into_drawing_area();
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let caption = format!("Instructions per hit, {arch}");
        let mut chart = ChartBuilder::on(&root)
            .caption(caption, (FONT, 20))
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(56)
            .build_cartesian_2d((0..names.len() - 1).into_segmented(), 0.0..top * 1.25)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_labels(names.len())
            .x_label_formatter(&|at| match at {
                SegmentValue::CenterOf(at) => names.get(*at).cloned().unwrap_or_default(),
                _ => String::new(),
            })
            .y_label_formatter(&|value| format!("{value}"))
            .label_style((FONT, 14))
            .draw()?;
        // A segment holds the bars side by side, which plotters cannot say in
        // its coordinates: so in pixels.
        let bar = 80 / flavours.len() as i32;
        for (nth, &flavour) in flavours.iter().enumerate() {
            let left = nth as i32 * bar - 40;
            let bars = names.iter().enumerate().filter_map(|(at, name)| {
                let value = value(name, flavour)?;
                let (x, y) = chart.backend_coord(&(SegmentValue::CenterOf(at), value));
                let (_, zero) = chart.backend_coord(&(SegmentValue::CenterOf(at), 0.0));
                let corners = [(x + left, y), (x + left + bar - 3, zero)];
                Some((value, corners))
            });
            for (value, corners) in bars {
                root.draw(&Rectangle::new(corners, colour(flavour).filled()))?;
                let text = format!("{value:.0}");
                let place = (corners[0].0, corners[0].1 - 14);
                root.draw(&Text::new(text, place, (FONT, 12)))?;
            }
        }
        legend(&root, &flavours, (70, 44))?;
        root.present()?;
        Ok(())
    };
    draw().map_err(|error| cannot_draw(path, &*error))?;
    Ok(true)
}

/// A panel for each number of probes: accesses over processors.
fn shared_memory(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let trials = of_arch(arch, summary.distinct(contention::trial));
    let flavours = summary.flavours(|record| matches!(record, Record::Contention(_)));
    let panels = distinct(trials.iter().map(|trial| trial.1)).map(|probes| {
        let value = |flavour, processors: u32| {
            let of = summary.contention_of(arch, flavour, (processors as usize, probes))?;
            Some(of.accesses.both())
        };
        Panel::new(&flavours, &counts(&trials, |trial| trial.0 as u32), &value)
            .named(probes_text(probes))
    });
    let title = format!("Accesses to shared lines per hit over processors, {arch}");
    draw_panels(path, &title, &flavours, &panels.collect::<Vec<_>>())
}

/// A panel for each number of probes: steps per second over threads.
fn slot_layer(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let flavours = summary.flavours(|record| matches!(record, Record::Step { .. }));
    let steps = of_arch(arch, summary.distinct(steps::step));
    let panels = distinct(steps.iter().map(|step| step.0)).map(|probes| {
        let value = |flavour, count: u32| {
            let ns = summary.step_of(arch, flavour, (probes, count))?;
            Some(f64::from(count) * 1000.0 / ns)
        };
        Panel::new(&flavours, &counts(&steps, |step| step.1), &value).named(probes_text(probes))
    });
    let title = format!("Million steps per second over threads, {arch}");
    draw_panels(path, &title, &flavours, &panels.collect::<Vec<_>>())
}

/// A panel for each instruction and number of probes: hits per second over
/// threads.
fn throughput(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let flavours = summary.flavours(|record| matches!(record, Record::Throughput { .. }));
    let timed = of_arch(arch, summary.timed());
    let threads = counts(&timed, |of| of.1);
    let panels = distinct(timed.iter().map(|of| of.0.clone())).map(|hit| {
        let value = |flavour, count| {
            let hits = summary.throughput_of(arch, flavour, &hit, count)?;
            Some(hits / 1000.0)
        };
        let name = match &hit {
            (instruction, 1) => instruction.clone(),
            (instruction, probes) => format!("{instruction}, {}", probes_text(*probes)),
        };
        Panel::new(&flavours, &threads, &value).named(name)
    });
    let title = format!("Thousand hits per second over threads, {arch}");
    draw_panels(path, &title, &flavours, &panels.collect::<Vec<_>>())
}

fn probes_text(probes: u32) -> String {
    match probes {
        1 => "1 probe".to_owned(),
        n => format!("{n} probes in turn"),
    }
}

/// Each once, in order.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found.into_iter()
}

/// What there is along the horizontal axis.
fn counts<T>(of: &[T], count: impl Fn(&T) -> u32) -> Vec<u32> {
    let counts: BTreeSet<u32> = of.iter().map(count).collect();
    counts.into_iter().collect()
}

/// Lines over counts of something, one for each flavour.
struct Panel {
    name: String,
    counts: Vec<u32>,
    lines: Vec<(Flavour, Vec<(u32, f64)>)>,
}

impl Panel {
    fn new(
        flavours: &[Flavour],
        counts: &[u32],
        value: &dyn Fn(Flavour, u32) -> Option<f64>,
    ) -> Self {
        let line = |&flavour: &Flavour| {
            let point = |&count: &u32| Some((count, value(flavour, count)?));
            (flavour, counts.iter().filter_map(point).collect())
        };
        Self {
            name: String::new(),
            counts: counts.to_vec(),
            lines: flavours.iter().map(line).collect(),
        }
    }

    fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    fn draw(&self, area: &Area) -> Result<(), Box<dyn std::error::Error>> {
        let values = self.lines.iter().flat_map(|(_, points)| points);
        let top = values.map(|point| point.1).fold(0.0, f64::max);
        let most = self.counts.last().copied().unwrap_or(1);
        let counts = (1..most + 1).log_scale().base(2.0);
        let counts = counts.with_key_points(self.counts.clone());
        let mut chart = ChartBuilder::on(area)
            .caption(&self.name, (FONT, 15))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(44)
            .build_cartesian_2d(counts, 0.0..(top * 1.15).max(1e-3))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_labels(self.counts.len() + 2)
            .y_labels(5)
            .y_label_formatter(&|value| format!("{value}"))
            .label_style((FONT, 12))
            .draw()?;
        for (flavour, points) in &self.lines {
            let style = colour(*flavour).stroke_width(2);
            let dots = points
                .iter()
                .map(|&point| Circle::new(point, 3, style.filled()));
            chart.draw_series(dots.collect::<Vec<_>>())?;
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        }
        Ok(())
    }
}

/// False when there is no data.
fn draw_panels(path: &Path, title: &str, flavours: &[Flavour], panels: &[Panel]) -> Result<bool> {
    if panels.iter().all(|panel| panel.counts.is_empty()) {
        return Ok(false);
    }
    let rows = panels.len().div_ceil(COLUMNS);
    let columns = panels.len().min(COLUMNS);
    // The title is as wide as two panels.
    let width = (PANEL.0 * columns.max(2)) as u32;
    let root = SVGBackend::new(path, (width, (PANEL.1 * rows + 60) as u32)).into_drawing_area();
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        root.draw(&Text::new(title, (12, 12), (FONT, 20)))?;
        legend(&root, flavours, (12, 38))?;
        let (_, areas) = root.split_vertically(60);
        for (panel, area) in panels.iter().zip(areas.split_evenly((rows, columns))) {
            panel.draw(&area)?;
        }
        root.present()?;
        Ok(())
    };
    draw().map_err(|error| cannot_draw(path, &*error))?;
    Ok(true)
}

fn legend(
    area: &Area,
    flavours: &[Flavour],
    (mut x, y): (i32, i32),
) -> Result<(), Box<dyn std::error::Error>> {
    for &flavour in flavours {
        let mark = [(x, y), (x + 12, y + 12)];
        area.draw(&Rectangle::new(mark, colour(flavour).filled()))?;
        area.draw(&Text::new(title(flavour), (x + 18, y), (FONT, 14)))?;
        x += 50 + 8 * title(flavour).len() as i32;
    }
    Ok(())
}

fn of_arch<T>(arch: Arch, found: Vec<(Arch, T)>) -> Vec<T> {
    let found = found.into_iter();
    found
        .filter(|(of, _)| *of == arch)
        .map(|(_, key)| key)
        .collect()
}

fn cannot_draw(path: &Path, error: &dyn std::error::Error) -> anyhow::Error {
    anyhow!("cannot draw {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Accesses, Contention};
    use crate::report::summary::tests::{cost, sample, step};

    #[test]
    fn plots_show_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let samples = [
            cost(Flavour::C, "endbr64", 1794.0),
            cost(Flavour::Rust, "endbr64", 1500.0),
        ];
        let written = write(&Summary(&samples), folder.path()).unwrap();
        assert_eq!(
            written,
            [folder.path().join("instructions-per-hit-x86_64.svg")]
        );
        let svg = std::fs::read_to_string(&written[0]).unwrap();
        for text in ["endbr64", "1794", "1500", "Rust"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn lines_over_counts_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let contention = |flavour, processors, probes| {
            let of = Contention {
                processors,
                probes,
                lines: 5,
                accesses: Accesses {
                    loads: 6.0,
                    stores: 4.0,
                    atomics: 4.0,
                },
                ..Contention::default()
            };
            sample(flavour, 1, Record::Contention(of))
        };
        let hits = |probes, threads| {
            let record = Record::Throughput {
                instruction: "mov".into(),
                probes,
                probed: true,
                threads,
                hits: 500,
                ns: 1_000_000,
            };
            sample(Flavour::C, 1, record)
        };
        let samples = [
            contention(Flavour::C, 2, 1),
            contention(Flavour::C, 16, 100),
            step(Flavour::C, (1, 1), 40.0),
            step(Flavour::Rust, (1, 1), 4.0),
            hits(1, 1),
            hits(100, 256),
        ];
        let written = write(&Summary(&samples), folder.path()).unwrap();
        let svgs: Vec<_> = written
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        let texts: [&[&str]; 3] = [
            &["shared lines", "1 probe", "100 probes in turn", "16"],
            &["Million steps", "Rust"],
            &["hits per second", "mov, 100 probes in turn", "256"],
        ];
        assert_eq!(svgs.len(), texts.len());
        for (svg, texts) in svgs.iter().zip(texts) {
            for text in texts {
                assert!(svg.contains(text), "{text}");
            }
        }
    }
}
