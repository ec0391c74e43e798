// SPDX-License-Identifier: GPL-2.0
//! Publishes the measurements of a run: tables on the terminal and as Markdown, all metrics as
//! JSON, plots as SVG.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::report::metric::Measured;
use crate::report::plot;
use crate::report::summary::{Section, Summary};
use crate::stage::{Runner, write_file};

/// The names of the files, and the heading of the tables.
pub struct Publication<'a> {
    pub folder: &'a Path,
    pub stem: &'a str,
    pub heading: &'a str,
}

impl Publication<'_> {
    /// Prints the tables, with those of `closing` last, and writes all files.
    pub fn publish(&self, runner: &Runner, measured: &Measured, closing: &[Section]) -> Result<()> {
        let Self {
            folder,
            stem,
            heading,
        } = self;
        let outside = runner.paths.outside(folder);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", outside.display()))?;
        let summary = Summary::new(&measured.samples);
        let mut text = String::new();
        for machine in &measured.machines {
            writeln!(text, "{machine}")?;
        }
        for section in summary.sections().iter().chain(closing) {
            write!(text, "\n{section}")?;
        }
        println!("\n{text}");

        let plots = plot::write(&summary, folder)?;
        let mut markdown = format!("# {heading}\n\n{text}");
        for plot in &plots {
            let name = plot.file_name().unwrap_or_default().to_string_lossy();
            writeln!(markdown, "\n![{}]({name})", name.trim_end_matches(".svg"))?;
        }
        write_file(&folder.join(format!("{stem}.md")), markdown.as_bytes())?;
        write_file(
            &folder.join(format!("{stem}.json")),
            &serde_json::to_vec_pretty(measured)?,
        )?;
        println!(
            "Written: {stem}.md, {stem}.json and {} plots in {}",
            plots.len(),
            outside.display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flavour::Flavour;
    use crate::report::metric::tests::{sample, step};
    use crate::report::requirements;
    use crate::stage::tests::runner;

    /// Checks that all files are written, and the order of what is in them.
    #[test]
    fn all_is_left_in_the_folder() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let folder = runner.paths.bench();
        let steps = |flavour, value| {
            let labels = [("probes", "1"), ("threads", "2")];
            sample(flavour, "slot_layer_steps_per_second", &labels, value)
        };
        let measured = Measured {
            machines: Vec::new(),
            samples: vec![
                step(Flavour::C, (1, 1), 40.0),
                step(Flavour::Rust, (1, 1), 4.0),
                steps(Flavour::C, 2e6),
                steps(Flavour::Rust, 2e8),
            ],
        };
        let required = requirements::section(&Summary::new(&measured.samples));
        Publication {
            folder: &folder,
            stem: "figures",
            heading: "Figures",
        }
        .publish(&runner, &measured, &[required])
        .unwrap();

        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        let json = read("figures.json");
        assert_eq!(serde_json::from_str::<Measured>(&json).unwrap(), measured);
        let markdown = read("figures.md");
        let at = |text| markdown.find(text).expect(text);
        assert!(markdown.starts_with("# Figures\n"), "{markdown}");
        assert!(at("## The slot layer") < at("## Requirements"));
        assert!(at("## Requirements") < at("![slot-layer-x86_64](slot-layer-x86_64.svg)"));
        assert!(read("slot-layer-x86_64.svg").contains("Million steps"));
    }
}
