// SPDX-License-Identifier: GPL-2.0
//! `make series`: overlay and patches as one bisectable `git format-patch`
//! series, proved to give the same tree.
//!
//! `patches/series` says what goes together: a patch at the start of a line,
//! then, indented, the new files that come with it; a folder stands for all that
//! is in it. `#` starts a comment. A patch may have a message only, when a commit
//! adds files and changes none.
//!
//! The git repository holds only the files concerned; git needs no more, and
//! every other file of the tree is pristine on both sides.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::apply::{self, Feature, Patch, install, update};
use crate::source::{self, Pristine};
use crate::stage::{Fingerprint, Progress, Runner};

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A patch, and the new files (or folders) that come with it, as listed.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    patch: String,
    paths: Vec<PathBuf>,
}

/// One commit of the series.
struct Commit<'a> {
    patch: &'a Patch,
    /// Where each new file is, and its path in the kernel tree.
    files: Vec<&'a (PathBuf, PathBuf)>,
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
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
        } else {
            entries.push(Entry {
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
        commits.push(Commit { patch, files });
    }
    if let Some(patch) = patches.keys().next() {
        bail!("patches/series lacks the patch {patch}");
    }
    if let Some((_, file)) = rest.first() {
        bail!("patches/series lacks the new file {}", file.display());
    }
    Ok(commits)
}

/// The commit message that a patch starts with.
fn message(patch: &Patch) -> Result<String> {
    let Some((_, message)) = apply::message(&patch.text).split_once("Subject: ") else {
        bail!("patches/{} has no Subject:", patch.name);
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

pub fn run(runner: &Runner) -> Result<()> {
    runner.plan(["source", "series"]);
    let pristine = source::pristine(runner)?;
    let feature = Feature::read(&runner.paths.checkout, source::series(&pristine.path)?)?;
    let list = runner.paths.checkout.join("patches/series");
    let text = fs::read_to_string(&list).context("cannot read patches/series")?;
    let entries = parse(&text)?;
    let commits = commits(&entries, &feature)?;

    let folder = runner.paths.build().join("series");
    let inputs = feature.fingerprint(
        Fingerprint::new("series")
            .text(&pristine.identity)
            .text(&text),
    )?;
    runner.stage("series", &inputs, &[&folder], |progress| {
        let part = folder.with_extension("part");
        for old in [&part, &folder] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        fs::create_dir_all(&part)?;
        make(runner, &pristine, &feature, &commits, &part, progress)?;
        prove(&pristine, &feature, &part, progress)?;
        checkpatch(&pristine, &part, progress)?;
        fs::rename(&part, &folder)?;
        Ok(())
    })?;
    println!(
        "{} patches in {}; applied to the pristine tree they give what make apply gives",
        commits.len(),
        runner.paths.outside(&folder).display()
    );
    Ok(())
}

fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(arguments);
    // Commits of the base must not depend on who makes them, nor when.
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), "uprobes-xol")
            .env(format!("GIT_{role}_EMAIL"), "uprobes-xol@localhost")
            .env(format!("GIT_{role}_DATE"), "2026-01-01T00:00:00Z");
    }
    git
}

/// A repository with the pristine version of all files that are patched.
fn base(pristine: &Pristine, feature: &Feature, progress: &Progress) -> Result<tempfile::TempDir> {
    let repository = tempfile::tempdir()?;
    for path in feature.paths() {
        update(&pristine.path, repository.path(), &path)?;
    }
    let run = |arguments: &[&str], what| {
        progress.run(&mut git(repository.path(), arguments), what, LIMIT)
    };
    run(&["init", "-q", "-b", "series"], "git init")?;
    run(&["add", "-Af"], "git add")?;
    run(
        &["commit", "-q", "--allow-empty", "-m", "base"],
        "git commit",
    )?;
    run(&["tag", "base"], "git tag")?;
    Ok(repository)
}

/// Makes the commits, and writes the series to `to`.
fn make(
    runner: &Runner,
    pristine: &Pristine,
    feature: &Feature,
    commits: &[Commit<'_>],
    to: &Path,
    progress: &Progress,
) -> Result<()> {
    let repository = base(pristine, feature, progress)?;
    let tree = repository.path();
    for Commit { patch, files } in commits {
        patch.apply(tree, false)?;
        for (from, path) in files {
            install(from, &tree.join(path))?;
        }
        progress.run(&mut git(tree, &["add", "-Af"]), "git add", LIMIT)?;
        let mut commit = git(tree, &["commit", "-q", "-m", &message(patch)?]);
        author(runner, patch, &mut commit);
        progress.run(&mut commit, &format!("committing {}", patch.name), LIMIT)?;
    }
    let to = to.to_string_lossy();
    let mut format = git(
        tree,
        &["format-patch", "-q", "--no-signature", "-o", &to, "base"],
    );
    progress.run(&mut format, "git format-patch", LIMIT)
}

/// Who wrote a patch, and when, is what the checkout's history says.
fn author(runner: &Runner, patch: &Patch, commit: &mut Command) {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-C"])
        .arg(&runner.paths.checkout)
        .args(["log", "-1", "--format=%an%n%ae%n%aI", "--"])
        .arg(Path::new("patches").join(&patch.name))
        .output();
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().collect();
    if let [name, email, date] = lines[..] {
        commit
            .env("GIT_AUTHOR_NAME", name)
            .env("GIT_AUTHOR_EMAIL", email)
            .env("GIT_AUTHOR_DATE", date);
    }
}

/// Applies the written series to a new base, and compares every file with what
/// `make apply` makes of it.
fn prove(pristine: &Pristine, feature: &Feature, series: &Path, progress: &Progress) -> Result<()> {
    let repository = base(pristine, feature, progress)?;
    let mut am = git(repository.path(), &["am", "-q"]);
    am.args(patches(series)?);
    progress.run(&mut am, "applying the series to the pristine tree", LIMIT)?;

    let applied = feature.stage(&pristine.path)?;
    for path in feature.paths() {
        if update(applied.path(), repository.path(), &path)? {
            bail!(
                "the series gives another {} than make apply does",
                path.display()
            );
        }
    }
    let mut status = git(repository.path(), &["status", "--porcelain", "--ignored"]);
    let rest = progress.output(&mut status, "git status", LIMIT)?;
    match rest.lines().next() {
        None => Ok(()),
        Some(line) => bail!("the series gives another tree than make apply does: {line}"),
    }
}

fn checkpatch(pristine: &Pristine, series: &Path, progress: &Progress) -> Result<()> {
    let mut perl = Command::new("perl");
    perl.arg("scripts/checkpatch.pl")
        // Whose a new file is would be asked of every patch that has one. The uprobe
        // core is a reader of tasks trace RCU, which checkpatch does not know.
        .args(["--no-signoff", "--ignore=FILE_PATH_CHANGES,RCU_TASKS_TRACE"])
        .args(["--terse", "--no-summary", "--color=never"])
        .args(patches(series)?)
        .current_dir(&pristine.path);
    progress.run(&mut perl, "checkpatch", LIMIT)
}

fn patches(series: &Path) -> Result<Vec<PathBuf>> {
    let mut patches = fs::read_dir(series)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    patches.sort();
    Ok(patches)
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
        let entries = parse("# order\n\na.patch\n\tx/y\n  z # why\nb.patch\n").unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].paths, [Path::new("x/y"), Path::new("z")]);
        assert!(entries[1].paths.is_empty());
        assert!(parse("\tx\n").is_err());
    }

    #[test]
    fn series_must_be_complete() {
        let entries = parse("a.patch\n\tx\n\td\n").unwrap();
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
        let twice = parse("a.patch\n\tx\n\tx\n\td\n").unwrap();
        assert!(commits(&twice, &good).is_err());
    }

    #[test]
    fn messages_are_found() {
        let message = |text: &str| message(&Patch::new("p", text.to_owned()));
        let text = "From x\nSubject: [PATCH 2/5] a: Do\n\nWhy.\n\n---\n f | 1 +\ndiff --git a b\n";
        assert_eq!(message(text).unwrap(), "a: Do\n\nWhy.\n");
        assert_eq!(message("Subject: a\n\nWhy.\n").unwrap(), "a\n\nWhy.\n");
        assert!(message("diff --git a/x b/x\n").is_err());
    }
}
