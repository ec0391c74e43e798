// SPDX-License-Identifier: GPL-2.0
//! `make series`: overlay and patches as bisectable `git format-patch` series, one for
//! each tree that takes patches, proved to give the same files.
//!
//! `patches/series` lists the commits: a patch at the start of a line, then, indented,
//! the new files that come with it; a directory stands for all that is in it. `#` starts
//! a comment. A patch that changes no existing file has a message only. Later patches may
//! change a new file: the checkout has its last version, and the series starts with the
//! version without these changes. `[NAME]` begins a part, which is sent as a series of its
//! own, with the cover letter `patches/covers/NAME.txt`.

pub mod check;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::apply::{self, Feature, Patch, install, update};
use crate::repository::{BASE, Repository};
use crate::source::{self, Pristine};
use crate::stage::{Fingerprint, Progress, Runner, files_below, read_text};

/// The end of the name of a part that can be sent today.
const FIXES: &str = "-fixes";

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A patch, and the new files (or directories) that come with it, as listed.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    part: String,
    patch: String,
    paths: Vec<PathBuf>,
}

/// One commit of the series.
pub struct Commit<'a> {
    /// The part of the series that the commit is sent with.
    pub part: String,
    pub patch: &'a Patch,
    /// Where each new file is, and its path in the kernel tree.
    pub files: Vec<&'a (PathBuf, PathBuf)>,
}

impl Commit<'_> {
    /// The commit message: what the patch starts with.
    pub fn message(&self) -> Result<String> {
        let Some((_, message)) = apply::message(&self.patch.text).split_once("Subject: ") else {
            bail!("patches/{} has no Subject:", self.patch.name);
        };
        // format-patch adds this mark; a commit does not have it.
        let message = match message
            .strip_prefix("[PATCH")
            .and_then(|m| m.split_once("] "))
        {
            Some((_, rest)) => rest,
            None => message,
        };
        Ok(message.trim().to_owned() + "\n")
    }

    /// Whether it fixes a fault of upstream's.
    fn is_fix(&self) -> bool {
        let mut lines = apply::message(&self.patch.text).lines();
        lines.any(|line| line.starts_with("Fixes: "))
    }
}

/// A directory with the new files of `commits`, as they are before the patches of `later`
/// commits change them.
pub fn new_files(commits: &[Commit<'_>], later: &[Commit<'_>]) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for (file, path) in commits.iter().flat_map(|commit| &commit.files) {
        install(file, &folder.path().join(path))?;
    }
    for commit in later.iter().rev() {
        let changes = commit.patch.only(|path| folder.path().join(path).exists());
        changes.apply(folder.path(), true)?;
    }
    Ok(folder)
}

/// The commits of the checkout.
pub fn commits_of<'a>(checkout: &Path, feature: &'a Feature) -> Result<Vec<Commit<'a>>> {
    let text = read_text(&checkout.join("patches/series"))?;
    commits(&parse(&text)?, feature)
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut part = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        if line.is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let Some(entry) = entries.last_mut() else {
                bail!("patches/series starts with a file, not with a patch");
            };
            entry.paths.push(line.trim().into());
        } else if let Some(name) = line.strip_prefix('[') {
            part = Some(name.trim_end_matches(']').to_owned());
        } else {
            let Some(part) = &part else {
                bail!("patches/series: {line} stands before the first [part]");
            };
            entries.push(Entry {
                part: part.clone(),
                patch: line.to_owned(),
                paths: Vec::new(),
            });
        }
    }
    Ok(entries)
}

/// Finds what the entries name. Every patch and every new file must be in the
/// series exactly once.
fn commits<'a>(entries: &[Entry], feature: &'a Feature) -> Result<Vec<Commit<'a>>> {
    let mut patches: BTreeMap<_, _> = feature
        .patches
        .iter()
        .map(|patch| (patch.name.as_str(), patch))
        .collect();
    let mut rest: Vec<_> = feature.overlay.iter().collect();
    let mut commits = Vec::new();
    for entry in entries {
        let Some(patch) = patches.remove(entry.patch.as_str()) else {
            bail!(
                "patches/series names {}, which is missing or named twice",
                entry.patch
            );
        };
        let mut files = Vec::new();
        for path in &entry.paths {
            let (named, others): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|(_, file)| file.starts_with(path));
            if named.is_empty() {
                let path = path.display();
                bail!("patches/series names {path}, which is missing or named twice");
            }
            files.extend(named);
            rest = others;
        }
        commits.push(Commit {
            part: entry.part.clone(),
            patch,
            files,
        });
    }
    if let Some(patch) = patches.keys().next() {
        bail!("patches/series lacks the patch {patch}");
    }
    if let Some((_, file)) = rest.first() {
        bail!("patches/series lacks the new file {}", file.display());
    }
    let mut others = commits.iter().filter(|it| !it.part.ends_with(FIXES));
    if let Some(late) = others.find(|commit| commit.is_fix()) {
        bail!(
            "patches/series: {} is a fix; list it in a part named ...{FIXES}",
            late.patch.name
        );
    }
    Ok(commits)
}

pub fn run(runner: &Runner) -> Result<()> {
    runner.plan(["source", "series"]);
    let pristine = source::pristine(runner)?;
    let checkout = &runner.paths.checkout;
    let feature = Feature::read(checkout, source::series(&pristine.path)?)?;
    let commits = commits_of(checkout, &feature)?;

    let folder = runner.paths.build().join("series");
    let inputs = Fingerprint::new("series")
        .text(&pristine.identity)
        .file(&checkout.join("patches/series"))?;
    let inputs = feature.fingerprint(inputs)?;
    let inputs = files_below(&checkout.join("patches/covers"))?
        .iter()
        .try_fold(inputs, |inputs, cover| inputs.file(cover))?;
    runner.stage("series", &inputs, &[&folder], |progress| {
        let part = folder.with_extension("part");
        for old in [&part, &folder] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        fs::create_dir_all(&part)?;
        let repository = Repository::new(&pristine.path, &feature.paths(), progress)?;
        repository.commit_series(&commits, checkout)?;
        write_parts(&repository, &commits, checkout, &part)?;
        prove(&pristine, &feature, &part, progress)?;
        checkpatch(&pristine, &part, progress)?;
        fs::rename(&part, &folder)?;
        Ok(())
    })?;
    println!(
        "{} patches in {} series in {}; git am --empty=drop of all gives what make apply gives",
        commits.len(),
        commits.chunk_by(|a, b| a.part == b.part).count(),
        runner.paths.outside(&folder).display()
    );
    Ok(())
}

/// Writes the patches and the cover letter of each part to a folder of its own.
fn write_parts(
    repository: &Repository<'_>,
    commits: &[Commit<'_>],
    checkout: &Path,
    to: &Path,
) -> Result<()> {
    let mut hashes = repository.series()?.into_iter();
    let mut start = BASE.to_owned();
    for part in commits.chunk_by(|a, b| a.part == b.part) {
        let Some(end) = hashes.nth(part.len() - 1) else {
            bail!("git has fewer commits than patches/series");
        };
        let name = &part[0].part;
        let cover = checkout.join(format!("patches/covers/{name}.txt"));
        if !cover.exists() {
            bail!("patches/covers/{name}.txt is missing: [{name}] needs a cover letter");
        }
        let mut format = repository.command(&["format-patch", "-q", "--no-signature"]);
        format
            .args(["--cover-letter", "--cover-from-description=subject"])
            .arg("--description-file")
            .arg(cover)
            .arg("-o")
            .arg(to.join(name))
            .arg(format!("{start}..{end}"));
        repository.run(&mut format)?;
        start = end;
    }
    Ok(())
}

/// Applies the written series to a new base, and compares every file with what
/// `make apply` makes of it.
fn prove(pristine: &Pristine, feature: &Feature, series: &Path, progress: &Progress) -> Result<()> {
    let repository = Repository::new(&pristine.path, &feature.paths(), progress)?;
    // A cover letter is an empty patch.
    let mut am = repository.command(&["am", "-q", "--empty=drop"]);
    repository.run(am.args(files_below(series)?))?;

    let applied = feature.stage(&pristine.path)?;
    for path in feature.paths() {
        if update(&applied.path().join(&path), &repository.path().join(&path))? {
            bail!(
                "the series gives another {} than make apply does",
                path.display()
            );
        }
    }
    let rest = repository.output(&["status", "--porcelain", "--ignored"])?;
    match rest.lines().next() {
        None => Ok(()),
        Some(line) => bail!("the series gives another tree than make apply does: {line}"),
    }
}

fn checkpatch(pristine: &Pristine, series: &Path, progress: &Progress) -> Result<()> {
    let ignored = [
        // Asks for maintainers with each new file.
        "FILE_PATH_CHANGES",
        // The uprobe core is a reader of tasks trace RCU, which checkpatch does not know.
        "RCU_TASKS_TRACE",
        // A source package has no history to look a commit up in.
        "UNKNOWN_COMMIT_ID",
        // A fix for stable kernels names no commit where the origin is not known.
        "MISSING_FIXES_TAG",
        // The code that the series changes returns these errors.
        "ENOTSUPP",
        "ENOSYS",
        // Selftests must make an access that the compiler could leave out.
        "VOLATILE",
        // Trace events are written this way everywhere.
        "OPEN_ENDED_LINE",
        "PARENTHESIS_ALIGNMENT",
        // The files of an architecture include its own headers.
        "ARCH_INCLUDE_LINUX",
        // These are the names of the C library, and of units.
        "CAMELCASE",
        // Selftests have no BIT(), and some masks are not of one bit.
        "BIT_MACRO",
        // Functions of one line follow each other.
        "LINE_SPACING",
        // No argument of these macros has a side effect.
        "MACRO_ARG_REUSE",
        // A variable is taken for a prototype.
        "AVOID_EXTERNS",
    ];
    let mut patches = files_below(series)?;
    patches.retain(|file| !file.ends_with("0000-cover-letter.patch"));
    // It writes a file to the working directory, which must not be the pristine tree.
    let scratch = tempfile::tempdir()?;
    let mut perl = Command::new("perl");
    perl.arg(pristine.path.join("scripts/checkpatch.pl"))
        .arg(format!("--root={}", pristine.path.display()))
        .args([
            "--strict",
            "--no-signoff",
            &format!("--ignore={}", ignored.join(",")),
        ])
        .args(["--terse", "--no-summary", "--color=never"])
        .args(patches)
        .current_dir(scratch.path());
    progress.run(&mut perl, "checkpatch", LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(patches: &[&str], files: &[&str]) -> Feature {
        Feature {
            overlay: files.iter().map(|f| (f.into(), f.into())).collect(),
            patches: patches
                .iter()
                .map(|name| Patch::new(name, String::new()))
                .collect(),
            mutation: Vec::new(),
        }
    }

    #[test]
    fn series_is_parsed() {
        let entries = parse("# order\n\n[1]\na.patch\n\tx/y\n  z # why\n[2]\nb.patch\n").unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!([&*entries[0].part, &*entries[1].part], ["1", "2"]);
        assert_eq!(entries[0].paths, [Path::new("x/y"), Path::new("z")]);
        assert!(entries[1].paths.is_empty());
        assert!(parse("\tx\n").is_err());
        assert!(parse("a.patch\n").is_err());
    }

    #[test]
    fn series_must_be_complete() {
        let entries = parse("[1]\na.patch\n\tx\n\td\n").unwrap();
        let good = feature(&["a.patch"], &["x", "d/1", "d/2"]);
        let commits_of_good = commits(&entries, &good).unwrap();
        assert_eq!(commits_of_good[0].files.len(), 3);
        for (patches, files, named) in [
            (&["a.patch", "b.patch"][..], &["x", "d/1"][..], "b.patch"),
            (&["a.patch"], &["x", "d/1", "y"], "new file y"),
            (&["a.patch"], &["d/1"], "x, which"),
            (&["a.patch"], &["x", "dd"], "d, which"),
            (&[], &["x", "d/1"], "a.patch, which"),
        ] {
            let error = commits(&entries, &feature(patches, files)).err().unwrap();
            assert!(error.to_string().contains(named), "{error}");
        }
        let twice = parse("[1]\na.patch\n\tx\n\tx\n\td\n").unwrap();
        assert!(commits(&twice, &good).is_err());
    }

    /// Checks that all fixes can be sent today.
    #[test]
    fn fixes_have_their_own_parts() {
        let entries = parse("[1-fixes]\na.patch\n[2]\nb.patch\n").unwrap();
        let mut feature = feature(&["a.patch", "b.patch"], &[]);
        let fix = "Subject: x\n\nFixes: 012345678901 (\"y\")\n\n---\n";
        feature.patches[0].text = fix.to_owned();
        assert!(commits(&entries, &feature).is_ok());
        feature.patches.swap(0, 1);
        feature.patches[0].name = "a.patch".into();
        feature.patches[1].name = "b.patch".into();
        let error = commits(&entries, &feature).err().unwrap().to_string();
        assert!(error.contains("b.patch is a fix"), "{error}");
    }

    #[test]
    fn messages_are_found() {
        let message = |text: &str| {
            let patch = &Patch::new("p", text.to_owned());
            Commit {
                part: String::new(),
                patch,
                files: Vec::new(),
            }
            .message()
        };
        let text = "From x\nSubject: [PATCH 2/5] a: Do\n\nWhy.\n\n---\n f | 1 +\ndiff --git a b\n";
        assert_eq!(message(text).unwrap(), "a: Do\n\nWhy.\n");
        assert_eq!(message("Subject: a\n\nWhy.\n").unwrap(), "a\n\nWhy.\n");
        assert!(message("diff --git a/x b/x\n").is_err());
    }
}
