// SPDX-License-Identifier: GPL-2.0
//! Plots as SVG.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::layout::{LINES, Lines};
use crate::report::summary::{Summary, key, title};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const COLUMNS: usize = 4;
const PANEL: (usize, usize) = (300, 240);
const FONT: &str = "sans-serif";

/// The one plot that is made for readers of README: both kernels, all architectures.
const OVERVIEW: &str = "instructions.svg";

/// Writes all plots that there is data for into `folder`.
pub fn write(summary: &Summary, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut draw = |name: String, draw: &dyn Fn(&Path) -> Result<bool>| -> Result<()> {
        let path = folder.join(name);
        if draw(&path)? {
            written.push(path);
        }
        Ok(())
    };
    let compared = summary.filter(|of| Flavour::COMPARED.contains(&of.flavour));
    draw(OVERVIEW.to_owned(), &|path| bars(&compared, path))?;
    for arch in summary.archs() {
        let part = summary.on(arch);
        let name = format!("instructions-per-hit-{arch}.svg");
        draw(name, &|path| bars(&part, path))?;
        for plot in LINES {
            let name = format!("{}-{arch}.svg", plot.file);
            draw(name, &|path| lines(&part, plot, arch, path))?;
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

/// Draws the cost of instructions, a row of bars for each architecture. False when there is no data.
fn bars(summary: &Summary, path: &Path) -> Result<bool> {
    let summary = summary.of("instructions_per_hit");
    let flavours = summary.flavours();
    let rows = summary.archs();
    let names = |arch| -> Vec<&str> {
        let names = summary.on(arch).distinct(&["instruction"]);
        names.into_iter().map(|name| name[0]).collect()
    };
    let Some(most) = rows.iter().map(|&arch| names(arch).len()).max() else {
        return Ok(false);
    };
    let size = (160 + 110 * most as u32, 400 * rows.len() as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        for (&arch, area) in rows.iter().zip(root.split_evenly((rows.len(), 1))) {
            let width = 160 + 110 * names(arch).len() as i32;
            let area = area.margin(0, 0, 0, size.0 as i32 - width);
            let title = format!("Instructions per hit, {arch}");
            bars_of_arch(
                &area,
                &title,
                (&names(arch), &flavours),
                &|name, flavour| {
                    let of = summary.on(arch).kernel(flavour);
                    of.with(&[("instruction", name)]).value()
                },
            )?;
        }
        root.present()?;
        Ok(())
    };
    draw().map_err(|error| cannot_draw(path, &*error))?;
    Ok(true)
}

fn bars_of_arch(
    area: &Area,
    title: &str,
    (names, flavours): (&[&str], &[Flavour]),
    value: &dyn Fn(&str, Flavour) -> Option<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let all = names
        .iter()
        .flat_map(|name| flavours.iter().filter_map(|&of| value(name, of)));
    let top = all.fold(0.0, f64::max).max(1e-3);
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20))
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
            SegmentValue::CenterOf(at) => names.get(*at).copied().unwrap_or_default().to_owned(),
            _ => String::new(),
        })
        .y_label_formatter(&|value| format!("{value}"))
        .label_style((FONT, 14))
        .draw()?;
    // A segment holds several bars side by side. Coordinates of plotters cannot express that, so
    // the bars are drawn in pixels.
    let (columns, rows) = area.get_pixel_range();
    let bar = 80 / flavours.len() as i32;
    for (nth, &flavour) in flavours.iter().enumerate() {
        let left = nth as i32 * bar - 40;
        for (at, name) in names.iter().enumerate() {
            let Some(value) = value(name, flavour) else {
                continue;
            };
            let pixel = |value| {
                let (x, y) = chart.backend_coord(&(SegmentValue::CenterOf(at), value));
                (x - columns.start, y - rows.start)
            };
            let ((x, y), (_, zero)) = (pixel(value), pixel(0.0));
            let corners = [(x + left, y), (x + left + bar - 3, zero)];
            area.draw(&Rectangle::new(corners, colour(flavour).filled()))?;
            let place = (x + left, y - 14);
            area.draw(&Text::new(format!("{value:.0}"), place, (FONT, 12)))?;
        }
    }
    legend(area, flavours, (70, 44))
}

/// Draws a panel for each set of labels. False when there is no data.
fn lines(summary: &Summary, plot: &Lines, arch: Arch, path: &Path) -> Result<bool> {
    let summary = summary.of(plot.metric);
    let flavours = summary.flavours();
    let counts = summary.distinct(&[plot.x]).into_iter();
    let counts: BTreeSet<u32> = counts.filter_map(|count| count[0].parse().ok()).collect();
    let panels = summary.distinct(plot.panels).into_iter().map(|labels| {
        let key = key(plot.panels, &labels);
        let all = summary.with(&key);
        let line = |&flavour: &Flavour| {
            let point = |&count: &u32| {
                let of = all.kernel(flavour).with(&[(plot.x, &count.to_string())]);
                Some((count, of.value()? / plot.unit))
            };
            (flavour, counts.iter().filter_map(point).collect())
        };
        let name = |(label, value): &(&str, &str)| match value.parse::<u32>() {
            Ok(_) => format!("{label}: {value}"),
            Err(_) => (*value).to_owned(),
        };
        Panel {
            name: key.iter().map(name).collect::<Vec<_>>().join(", "),
            counts: counts.iter().copied().collect(),
            lines: flavours.iter().map(line).collect(),
        }
    });
    let title = format!("{}, {arch}", plot.title);
    draw_panels(path, &title, &flavours, &panels.collect::<Vec<_>>())
}

/// Lines over counts of something, one for each flavour.
struct Panel {
    name: String,
    counts: Vec<u32>,
    lines: Vec<(Flavour, Vec<(u32, f64)>)>,
}

impl Panel {
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

fn cannot_draw(path: &Path, error: &dyn std::error::Error) -> anyhow::Error {
    anyhow!("cannot draw {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metric::Sample;
    use crate::report::metric::tests::{cost, sample};

    /// Draws all plots, and returns their names and contents.
    fn drawn(samples: &[Sample]) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let written = write(&Summary::new(samples), folder.path()).unwrap();
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        };
        written.into_iter().map(read).collect()
    }

    /// Checks the names of the plots of costs, and what is in them.
    #[test]
    fn plots_show_what_there_is() {
        let on_arm64 = |sample| Sample {
            arch: Arch::Arm64,
            ..sample
        };
        let drawn = drawn(&[
            cost(Flavour::C, "endbr64", 1794.0),
            cost(Flavour::Rust, "endbr64", 1500.0),
            cost(Flavour::Stepped, "endbr64", 1777.0),
            on_arm64(cost(Flavour::C, "paciasp", 1430.0)),
        ]);
        let texts: [(&str, &[&str]); 3] = [
            (
                OVERVIEW,
                &[
                    "endbr64", "1794", "1500", "Rust", "paciasp", "1430", "arm64",
                ],
            ),
            (
                "instructions-per-hit-x86_64.svg",
                &["endbr64", "1777", "all stepped"],
            ),
            ("instructions-per-hit-arm64.svg", &["paciasp", "1430"]),
        ];
        assert_eq!(drawn.len(), texts.len());
        for ((name, svg), (file, texts)) in drawn.iter().zip(texts) {
            assert_eq!(name, file);
            texts
                .iter()
                .for_each(|text| assert!(svg.contains(text), "{text}"));
        }
        assert!(!drawn[0].1.contains("1777"));
    }

    /// Checks the panels of plots over numbers.
    #[test]
    fn lines_over_counts_are_drawn() {
        let hits = |probes, threads| {
            let labels = [
                ("instruction", "mov"),
                ("probes", probes),
                ("threads", threads),
            ];
            sample(Flavour::C, "hits_per_second", &labels, 5e5)
        };
        let shared = |processors, probes| {
            let labels = [("processors", processors), ("probes", probes)];
            sample(Flavour::C, "contended_accesses", &labels, 10.0)
        };
        let drawn = drawn(&[
            shared("2", "1"),
            shared("16", "100"),
            hits("1", "1"),
            hits("100", "256"),
        ]);
        let texts: [&[&str]; 2] = [
            &["shared lines", "probes: 1", "probes: 100", "16"],
            &["hits per second", "mov, probes: 100", "256"],
        ];
        assert_eq!(drawn.len(), texts.len());
        for ((_, svg), texts) in drawn.iter().zip(texts) {
            texts
                .iter()
                .for_each(|text| assert!(svg.contains(text), "{text}"));
        }
    }
}
