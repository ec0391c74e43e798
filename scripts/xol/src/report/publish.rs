// SPDX-License-Identifier: GPL-2.0
//! Leaves what a run has measured: tables on the terminal and as Markdown, all
//! figures as JSON, plots as SVG.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::report::plot;
use crate::report::record::Measured;
use crate::report::summary::{Section, Summary};
use crate::stage::{Runner, write_file};

/// What files are called, and what the tables are headed by.
pub struct Publication<'a> {
    pub folder: &'a Path,
    pub stem: &'a str,
    pub heading: &'a str,
}

impl Publication<'_> {
    /// Prints the tables, those of `closing` last, and writes everything.
    pub fn publish(&self, runner: &Runner, measured: &Measured, closing: &[Section]) -> Result<()> {
        let Self {
            folder,
            stem,
            heading,
        } = self;
        let outside = runner.paths.outside(folder);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", outside.display()))?;
        let summary = Summary(&measured.samples);
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
    use crate::report::requirements;
    use crate::report::summary::tests::step;
    use crate::stage::tests::runner;

    #[test]
    fn all_is_left_in_the_folder() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let folder = runner.paths.bench();
        let measured = Measured {
            machines: Vec::new(),
            samples: vec![
                step(Flavour::C, (1, 1), 40.0),
                step(Flavour::Rust, (1, 1), 4.0),
                step(Flavour::C, (1, 2), 80.0),
                step(Flavour::Rust, (1, 2), 4.0),
            ],
        };
        let required = requirements::section(&Summary(&measured.samples));
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
        assert!(at("## The slot layer") < at("## What is required"));
        assert!(at("## What is required") < at("![slot-layer-x86_64](slot-layer-x86_64.svg)"));
        assert!(read("slot-layer-x86_64.svg").contains("Million steps"));
    }
}
