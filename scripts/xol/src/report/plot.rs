// SPDX-License-Identifier: GPL-2.0
//! Plots as SVG.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::arch::Arch;
use crate::kernel::Flavour;
use crate::report::record::Record;
use crate::report::summary::{Summary, title};

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
        Flavour::RustCalls => RGBColor(235, 170, 120),
        _ => RGBColor(60, 60, 60),
    }
}

/// Bars: for each instruction one of each flavour. False when there is no data.
fn cost(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let flavours = summary.flavours(|record| matches!(record, Record::Cost { .. }));
    let names = of_arch(
        arch,
        summary.distinct(|record| match record {
            Record::Cost {
                instruction,
                probed: true,
                ..
            } => Some(instruction.clone()),
            _ => None,
        }),
    );
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

/// A panel for each instruction: hits per second over threads. False when there
/// is no data.
fn throughput(summary: &Summary, arch: Arch, path: &Path) -> Result<bool> {
    let flavours = summary.flavours(|record| matches!(record, Record::Throughput { .. }));
    let names = of_arch(
        arch,
        summary.distinct(|record| match record {
            Record::Throughput {
                instruction,
                probed: true,
                ..
            } => Some(instruction.clone()),
            _ => None,
        }),
    );
    let mut threads = of_arch(
        arch,
        summary.distinct(|record| match record {
            Record::Throughput {
                threads,
                probed: true,
                ..
            } => Some(*threads),
            _ => None,
        }),
    );
    threads.sort_unstable();
    let Some(&most) = threads.last() else {
        return Ok(false);
    };

    let rows = names.len().div_ceil(COLUMNS);
    let columns = names.len().min(COLUMNS);
    let size = ((PANEL.0 * columns) as u32, (PANEL.1 * rows + 60) as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let caption = format!("Thousand hits per second over threads, {arch}");
        root.draw(&Text::new(caption, (12, 12), (FONT, 20)))?;
        legend(&root, &flavours, (12, 38))?;
        let (_, panels) = root.split_vertically(60);
        for (name, panel) in names.iter().zip(panels.split_evenly((rows, columns))) {
            let series: Vec<(Flavour, Vec<(u32, f64)>)> = flavours
                .iter()
                .map(|&flavour| {
                    let value = |count| summary.throughput_of(arch, flavour, name, count);
                    let point = |&count: &u32| Some((count, value(count)? / 1000.0));
                    (flavour, threads.iter().filter_map(point).collect())
                })
                .collect();
            let values = series.iter().flat_map(|(_, points)| points);
            let top = values.map(|point| point.1).fold(0.0, f64::max);
            let counts = (1..most + 1).log_scale().base(2.0);
            let counts = counts.with_key_points(threads.clone());
            let mut chart = ChartBuilder::on(&panel)
                .caption(name, (FONT, 15))
                .margin(8)
                .x_label_area_size(24)
                .y_label_area_size(44)
                .build_cartesian_2d(counts, 0.0..(top * 1.15).max(1e-3))?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(WHITE)
                .bold_line_style(RGBColor(225, 225, 225))
                .x_labels(threads.len() + 2)
                .y_labels(5)
                .y_label_formatter(&|value| format!("{value}"))
                .label_style((FONT, 12))
                .draw()?;
            for (flavour, points) in series {
                let style = colour(flavour).stroke_width(2);
                let dots = points
                    .iter()
                    .map(|&point| Circle::new(point, 3, style.filled()));
                chart.draw_series(dots.collect::<Vec<_>>())?;
                chart.draw_series(LineSeries::new(points, style))?;
            }
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
    use crate::report::record::Sample;

    #[test]
    fn plots_show_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let cost = |flavour, ns_per_hit| Sample {
            arch: Arch::X86_64,
            flavour,
            round: 1,
            record: Record::Cost {
                instruction: "endbr64".into(),
                probed: true,
                hits: 1,
                ns_per_hit,
            },
        };
        let samples = [cost(Flavour::C, 1794.0), cost(Flavour::Rust, 1500.0)];
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
}
