// SPDX-License-Identifier: GPL-2.0
//! Plots as SVG.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::layout::{LINES, Lines};
use crate::report::summary::{Summary, key, title};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The number of panels side by side, and the width and height of one with lines, in pixels.
const COLUMNS: usize = 4;
const PANEL: (usize, usize) = (300, 240);
/// The height of title and legend, in pixels.
const HEAD: usize = 60;
const FONT: &str = "sans-serif";
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The plot of costs: both kernels on all architectures.
const OVERVIEW: &str = "instructions.svg";

/// Writes all plots that there is data for into `folder`.
pub fn write(summary: &Summary, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut draw = |name: String, plot: Plot| -> Result<()> {
        let path = folder.join(name);
        if !plot.panels.is_empty() {
            let drawn = plot.draw(&path);
            drawn.map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
            written.push(path);
        }
        Ok(())
    };
    let compared = summary.filter(|of| Flavour::COMPARED.contains(&of.flavour));
    draw(OVERVIEW.to_owned(), Plot::of_costs(&compared))?;
    for arch in summary.archs() {
        let part = summary.on(arch);
        let name = format!("instructions-per-hit-{arch}.svg");
        draw(name, Plot::of_costs(&part))?;
        for lines in LINES {
            let name = format!("{}-{arch}.svg", lines.file);
            draw(name, Plot::of_lines(&part, lines, arch))?;
        }
    }
    Ok(written)
}

/// Panels in a grid, under a title and a legend.
struct Plot {
    title: String,
    flavours: Vec<Flavour>,
    columns: usize,
    /// The width and height of a panel, in pixels.
    size: (usize, usize),
    panels: Vec<Panel>,
}

/// A chart: for each kernel a value at each place of the horizontal axis.
struct Panel {
    name: String,
    /// The labels of places: names for bars, numbers for lines.
    places: Vec<String>,
    kernels: Vec<(Flavour, Vec<Option<f64>>)>,
    bars: bool,
}

impl Plot {
    /// Draws the cost of each instruction as bars, with a panel for each architecture.
    fn of_costs(summary: &Summary) -> Self {
        let summary = summary.of("instructions_per_hit");
        let panels = summary.archs().into_iter().map(|arch| {
            let panel = Panel::new(&summary.on(arch), "instruction", 1.0, arch.to_string());
            Panel {
                bars: true,
                ..panel
            }
        });
        let panels: Vec<_> = panels.collect();
        let most = panels.iter().map(|panel| panel.places.len()).max();
        Self {
            title: "Instructions per hit".to_owned(),
            flavours: summary.flavours(),
            columns: 1,
            size: (160 + 110 * most.unwrap_or(0), 380),
            panels,
        }
    }

    /// Draws the declared plot, with a panel for each set of labels.
    fn of_lines(summary: &Summary, plot: &Lines, arch: Arch) -> Self {
        let summary = summary.of(plot.metric);
        let panels = summary.distinct(plot.panels).into_iter().map(|labels| {
            let key = key(plot.panels, &labels);
            let name = key.iter().map(|(label, value)| match value.parse::<u32>() {
                Ok(_) => format!("{label}: {value}"),
                Err(_) => (*value).to_owned(),
            });
            let name = name.collect::<Vec<_>>().join(", ");
            Panel::new(&summary.with(&key), plot.x, plot.unit, name)
        });
        Self {
            title: format!("{}, {arch}", plot.title),
            flavours: summary.flavours(),
            columns: COLUMNS,
            size: PANEL,
            panels: panels.collect(),
        }
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let rows = self.panels.len().div_ceil(self.columns);
        let columns = self.panels.len().min(self.columns);
        // The title may need the width of two panels.
        let width = (self.size.0 * columns).max(2 * PANEL.0) as u32;
        let height = (self.size.1 * rows + HEAD) as u32;
        let root = SVGBackend::new(path, (width, height)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&Text::new(self.title.as_str(), (12, 12), (FONT, 20)))?;
        let mut x = 12;
        for &flavour in &self.flavours {
            let mark = [(x, 38), (x + 12, 50)];
            root.draw(&Rectangle::new(mark, colour(flavour).filled()))?;
            root.draw(&Text::new(title(flavour), (x + 18, 38), (FONT, 14)))?;
            x += 50 + 8 * title(flavour).len() as i32;
        }
        let (_, areas) = root.split_vertically(HEAD as i32);
        for (panel, area) in self.panels.iter().zip(areas.split_evenly((rows, columns))) {
            match panel.bars {
                true => panel.draw_bars(&area)?,
                false => panel.draw_lines(&area)?,
            }
        }
        root.present()?;
        Ok(())
    }
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

impl Panel {
    fn new(summary: &Summary, x: &str, unit: f64, name: String) -> Self {
        let places = summary.distinct(&[x]).into_iter().map(|place| place[0]);
        let mut places: Vec<_> = places.collect();
        // Names stay in the order measured.
        places.sort_by_key(|place| place.parse::<u32>().ok());
        let kernels = summary.flavours().into_iter().map(|flavour| {
            let of = |place: &&str| summary.kernel(flavour).with(&[(x, place)]).value();
            let values = places.iter().map(|place| Some(of(place)? / unit));
            (flavour, values.collect())
        });
        Self {
            name,
            kernels: kernels.collect(),
            places: places.iter().map(|&place| place.to_owned()).collect(),
            bars: false,
        }
    }

    /// The upper end of the vertical axis.
    fn top(&self) -> f64 {
        let values = self.kernels.iter().flat_map(|(_, values)| values);
        (values.flatten().copied().fold(0.0, f64::max) * 1.15).max(1e-3)
    }

    fn draw_bars(&self, area: &Area) -> Result<(), Box<dyn std::error::Error>> {
        let count = self.places.len();
        let mut chart = ChartBuilder::on(area)
            .caption(&self.name, (FONT, 15))
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(56)
            .build_cartesian_2d((0..count - 1).into_segmented(), 0.0..self.top())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .x_labels(count)
            .x_label_formatter(&|at| match at {
                SegmentValue::CenterOf(at) => self.places.get(*at).cloned().unwrap_or_default(),
                _ => String::new(),
            })
            .y_label_formatter(&|value| format!("{value}"))
            .label_style((FONT, 14))
            .draw()?;
        // A segment holds several bars side by side. Coordinates of plotters cannot express that,
        // so the bars are drawn in pixels.
        let (columns, rows) = area.get_pixel_range();
        let pixel = |at, value| {
            let (x, y) = chart.backend_coord(&(SegmentValue::CenterOf(at), value));
            (x - columns.start, y - rows.start)
        };
        let bar = 80 / self.kernels.len() as i32;
        for (nth, (flavour, values)) in self.kernels.iter().enumerate() {
            let left = nth as i32 * bar - 40;
            for (at, value) in values.iter().enumerate() {
                let Some(value) = *value else { continue };
                let ((x, y), (_, zero)) = (pixel(at, value), pixel(at, 0.0));
                let corners = [(x + left, y), (x + left + bar - 3, zero)];
                area.draw(&Rectangle::new(corners, colour(*flavour).filled()))?;
                let place = (x + left, y - 14);
                area.draw(&Text::new(format!("{value:.0}"), place, (FONT, 12)))?;
            }
        }
        Ok(())
    }

    fn draw_lines(&self, area: &Area) -> Result<(), Box<dyn std::error::Error>> {
        let numbers = self.places.iter().filter_map(|place| place.parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        let most = numbers.last().copied().unwrap_or(1);
        let axis = (1..most + 1).log_scale().base(2.0);
        let axis = axis.with_key_points(numbers.clone());
        let mut chart = ChartBuilder::on(area)
            .caption(&self.name, (FONT, 15))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(44)
            .build_cartesian_2d(axis, 0.0..self.top())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .x_labels(numbers.len() + 2)
            .y_labels(5)
            .y_label_formatter(&|value| format!("{value}"))
            .label_style((FONT, 12))
            .draw()?;
        for (flavour, values) in &self.kernels {
            let style = colour(*flavour).stroke_width(2);
            let points = numbers.iter().zip(values);
            let points: Vec<_> = points.filter_map(|(&x, y)| Some((x, (*y)?))).collect();
            let dots = points.iter().map(|&at| Circle::new(at, 3, style.filled()));
            chart.draw_series(dots.collect::<Vec<_>>())?;
            chart.draw_series(LineSeries::new(points, style))?;
        }
        Ok(())
    }
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
