// SPDX-License-Identifier: GPL-2.0
//! `make refresh`: takes edits of the patched tree into the checkout.
//!
//! An edit of a new file goes to the same path of the checkout. An edit of a patched
//! file goes into the last patch that changes the file, or into the patch that `PATCH`
//! names: the series is committed to a temporary repository, the edit becomes a fixup of
//! its commit, and git moves it there and writes the patches anew. Nothing is written
//! to the checkout until the new series gives exactly the edited tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::apply::{self, Feature, OVERLAY, install};
use crate::repository::{BASE, Repository};
use crate::series::{Commit, commits_of};
use crate::source;
use crate::stage::{Progress, Runner, is_scratch};

const LIMIT: Duration = Duration::from_secs(10 * 60);

pub fn run(runner: &Runner, patch: Option<&str>) -> Result<()> {
    if runner.paths.ksrc.is_some() {
        bail!("make refresh takes edits of Debian's tree; call it without KSRC");
    }
    runner.plan(["source", "refresh", "apply"]);
    let pristine = source::pristine(runner)?;
    let checkout = &runner.paths.checkout;
    let feature = Feature::read(checkout, source::series(&pristine.path)?)?;
    if !source::is_prepared(runner, &pristine, &feature)? {
        bail!(
            "the checkout is not what the tree in {} was made from, so that edits cannot be \
             told apart; put the checkout's changes aside (git stash), or, if nothing was \
             edited there, call make kernel",
            runner.paths.outside(&pristine.patched()).display()
        );
    }
    let trees = Trees {
        pristine: &pristine.path,
        edited: &pristine.patched(),
        checkout,
    };
    let written = runner.always("refresh", |progress| {
        trees.refresh(&feature, patch, progress)
    })?;
    // Only the stamp changes: the tree is what the checkout now makes.
    source::prepare(runner)?;
    match written.is_empty() {
        true => println!("no edits: the checkout is as it was"),
        false => println!("written: {}", written.join(", ")),
    }
    Ok(())
}

struct Trees<'a> {
    pristine: &'a Path,
    edited: &'a Path,
    checkout: &'a Path,
}

impl Trees<'_> {
    /// Returns what was written, by paths in the checkout.
    fn refresh(
        &self,
        feature: &Feature,
        patch: Option<&str>,
        progress: &Progress,
    ) -> Result<Vec<String>> {
        let commits = commits_of(self.checkout, feature)?;
        let (added, changed) = self.others(feature, progress)?;
        let paths: BTreeSet<_> = feature.paths().into_iter().chain(changed).collect();

        let repository = Repository::new(self.pristine, &paths, progress)?;
        repository.commit_series(&commits, self.checkout)?;
        let mut edits: BTreeMap<usize, Vec<&PathBuf>> = BTreeMap::new();
        let mut written = Vec::new();
        for path in &paths {
            let now = fs::read(self.edited.join(path)).ok();
            if now == fs::read(repository.path().join(path)).ok() {
                continue;
            }
            if feature.is_new(path) {
                if now.is_none() {
                    let path = path.display();
                    bail!(
                        "{path} was removed; remove it from the checkout and from patches/series"
                    );
                }
                written.push(path.clone());
            }
            let at = target(&commits, path, patch)?;
            edits.entry(at).or_default().push(path);
        }
        let hashes = repository.series()?;
        for (at, files) in edits {
            for path in files {
                apply::update(&self.edited.join(path), &repository.path().join(path))?;
            }
            repository.commit(&format!("fixup! {}", hashes[at]), |_| {})?;
        }
        move_fixups(&repository)?;
        for path in &paths {
            let differs = fs::read(self.edited.join(path)).ok()
                != fs::read(repository.path().join(path)).ok();
            if differs {
                bail!("the new series gives another {}", path.display());
            }
        }

        let hashes = repository.series()?;
        if hashes.len() != commits.len() {
            bail!("an edit leaves nothing of a commit; remove the patch from patches/series");
        }
        let mut texts = Vec::new();
        for (Commit { patch, .. }, hash) in commits.iter().zip(&hashes) {
            let diff = repository.diff(hash)?;
            let text = match diff.is_empty() {
                true => format!("{}\n", apply::message(&patch.text).trim_end()),
                false => format!("{}\n---\n{diff}", apply::message(&patch.text)),
            };
            if text != patch.text {
                texts.push((Path::new("patches").join(&patch.name), text));
            }
        }
        written.extend(added.iter().cloned());
        for path in &written {
            install(&self.edited.join(path), &self.checkout.join(path))?;
        }
        for (path, text) in texts {
            // In place: the file keeps its mode and its owner.
            fs::write(self.checkout.join(&path), text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            written.push(path);
        }
        for path in &added {
            let path = path.display();
            progress.say(&format!("{path} is new: list it in patches/series"));
        }
        Ok(written
            .iter()
            .map(|path| path.display().to_string())
            .collect())
    }

    /// The files that the feature does not name: added ones where the overlay has some,
    /// and changed or removed ones anywhere.
    fn others(
        &self,
        feature: &Feature,
        progress: &Progress,
    ) -> Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
        let known = feature.paths();
        let (mut added, mut changed) = (BTreeSet::new(), BTreeSet::new());
        // An edit changes the size or the mtime.
        let mut rsync = Command::new("rsync");
        rsync
            .args(["-rltn", "--omit-dir-times", "--delete"])
            .args(["--8-bit-output", "--out-format=%i %n"])
            .args([self.edited.join(""), self.pristine.join("")]);
        let what = "comparing with the pristine tree";
        progress.message(what);
        progress.run_lines(&mut rsync, what, LIMIT, |line| {
            let Some((_, path)) = line.split_once(' ') else {
                return;
            };
            let path = Path::new(path.trim_start());
            let [was, is] = [self.pristine, self.edited].map(|tree| tree.join(path));
            let same = fs::read(&was).ok() == fs::read(&is).ok();
            if known.contains(path) || same || was.is_dir() || is.is_dir() {
            } else if was.exists() {
                changed.insert(path.to_owned());
            } else if OVERLAY.iter().any(|folder| path.starts_with(folder))
                && !path.iter().any(|name| is_scratch(&name.to_string_lossy()))
            {
                added.insert(path.to_owned());
            }
        })?;
        Ok((added, changed))
    }
}

/// The commit that an edit of this file goes into: of those that change it the named one,
/// or the last one. A new file that no patch changes has one commit.
fn target(commits: &[Commit<'_>], path: &Path, patch: Option<&str>) -> Result<usize> {
    let adds = |commit: &Commit<'_>| commit.files.iter().any(|(_, file)| file == path);
    let changes = |commit: &Commit<'_>| commit.patch.files.contains(path);
    let changed = commits.iter().rposition(changes);
    let added = commits.iter().position(adds);
    let Some(wanted) = patch.filter(|_| changed.is_some() || added.is_none()) else {
        return changed.or(added).with_context(|| {
            let path = path.display();
            format!("no patch changes {path}; name the patch that is to: PATCH=0006")
        });
    };
    let number = |name: &str| name.split('-').next()?.parse::<u32>().ok();
    let is = |commit: &Commit<'_>| number(&commit.patch.name) == number(wanted);
    let found = commits.iter().position(is);
    found.with_context(|| format!("there is no patch {wanted}; PATCH is a number as 0006"))
}

/// Moves each fixup into its commit.
fn move_fixups(repository: &Repository<'_>) -> Result<()> {
    let mut rebase = repository.command(&["rebase", "-q", "-i", "--autosquash", BASE]);
    rebase
        .env("GIT_SEQUENCE_EDITOR", ":")
        .env("GIT_EDITOR", ":");
    let Err(error) = repository.run(&mut rebase) else {
        return Ok(());
    };
    crate::command::check_interrupted()?;
    let files = repository.output(&["diff", "--name-only", "--diff-filter=U"])?;
    if files.is_empty() {
        return Err(error);
    }
    bail!(
        "the edit of {} meets lines that a later patch changes, and nothing was written; name \
         that patch with PATCH=, or edit it in two steps",
        files.lines().collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::runner;
    use crate::stage::write_file;

    /// A pristine and a patched tree, and a checkout with two patches of one file.
    struct Example(tempfile::TempDir);

    const NUMBERS: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";

    impl Example {
        fn new() -> Self {
            let this = Self(tempfile::tempdir().unwrap());
            this.write("pristine/k/old", NUMBERS);
            this.write("pristine/k/other", "x\n");
            this.write(
                "checkout/patches/series",
                "[1]\n0001-a.patch\n0002-b.patch\n\tkernel/new\n",
            );
            this.write("checkout/kernel/new", "new\n");
            let hunk = |line, [from, to]: [&str; 2]| {
                format!(
                    "diff --git a/k/old b/k/old\n--- a/k/old\n+++ b/k/old\n\
                     @@ -{line} +{line} @@\n-{from}\n+{to}\n"
                )
            };
            let patch = |subject: &str, diff| format!("Subject: {subject}\n\nWhy.\n\n---\n{diff}");
            let a = patch("a", hunk(2, ["2", "two"]));
            let b = patch("b", hunk(11, ["11", "eleven"]));
            this.write("checkout/patches/0001-a.patch", &a);
            this.write("checkout/patches/0002-b.patch", &b);
            this.write(
                "tree/k/old",
                &NUMBERS
                    .replace("2\n3", "two\n3")
                    .replace("11\n", "eleven\n"),
            );
            this.write("tree/k/other", "x\n");
            this.write("tree/kernel/new", "new\n");
            this
        }

        fn write(&self, path: &str, text: &str) {
            write_file(&self.0.path().join(path), text.as_bytes()).unwrap();
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.0.path().join(path)).unwrap()
        }

        fn edit(&self, path: &str, from: &str, to: &str) {
            let path = format!("tree/{path}");
            let text = self.read(&path);
            assert!(text.contains(from));
            self.write(&path, &text.replace(from, to));
        }

        fn refresh(&self, patch: Option<&str>) -> Result<Vec<String>> {
            let at = |name| self.0.path().join(name);
            let checkout = at("checkout");
            let feature = Feature::read(&checkout, "7.3").unwrap();
            let trees = Trees {
                pristine: &at("pristine"),
                edited: &at("tree"),
                checkout: &checkout,
            };
            runner(self.0.path()).always("refresh", |progress| {
                trees.refresh(&feature, patch, progress)
            })
        }

        fn patches(&self) -> [String; 2] {
            ["a", "b"].map(|name| {
                let number = if name == "a" { 1 } else { 2 };
                self.read(&format!("checkout/patches/000{number}-{name}.patch"))
            })
        }
    }

    /// Checks that only the first refresh of hand-made patches changes their form.
    #[test]
    fn without_edits_patches_stay_as_they_are() {
        let example = Example::new();
        assert_eq!(example.refresh(None).unwrap().len(), 2);
        let patches = example.patches();
        let head = "Subject: a\n\nWhy.\n\n---\ndiff --git a/k/old b/k/old\nindex ";
        assert!(patches[0].starts_with(head), "{}", patches[0]);
        assert!(example.refresh(None).unwrap().is_empty());
        assert_eq!(example.patches(), patches);
    }

    /// Checks that a new file goes to the checkout, and a patched one into the last patch.
    #[test]
    fn edits_find_their_place() {
        let example = Example::new();
        example.refresh(None).unwrap();
        let [first, second] = example.patches();
        example.edit("kernel/new", "new", "newer");
        example.edit("k/old", "7", "seven");
        let written = example.refresh(None).unwrap();
        assert_eq!(written, ["kernel/new", "patches/0002-b.patch"]);
        assert_eq!(example.read("checkout/kernel/new"), "newer\n");
        let [unchanged, edited] = example.patches();
        assert_eq!(unchanged, first);
        assert!(edited != second && edited.contains("-7\n+seven\n"));
        // Undone, the patch is what it was.
        example.edit("k/old", "seven", "7");
        example.refresh(None).unwrap();
        assert_eq!(example.patches(), [first, second]);
    }

    /// Checks that later patches follow an edit of an earlier one.
    #[test]
    fn an_earlier_patch_can_be_named() {
        let example = Example::new();
        example.edit("k/old", "two", "zwei\nzwei");
        example.refresh(Some("0001")).unwrap();
        let [first, second] = example.patches();
        assert!(first.contains("-2\n+zwei\n+zwei\n"), "{first}");
        assert!(second.contains("@@ -9,5 +9,5 @@"), "{second}");
        assert!(!second.contains("+zwei"), "{second}");
    }

    /// Checks that a patch may change a new file, and then takes the file's edits.
    #[test]
    fn new_files_grow() {
        let example = Example::new();
        example.refresh(None).unwrap();
        let [_, second] = example.patches();
        let grows = "diff --git a/kernel/new b/kernel/new\n--- a/kernel/new\n+++ b/kernel/new\n\
                     @@ -1 +1,2 @@\n new\n+more\n";
        example.write("checkout/patches/0002-b.patch", &(second + grows));
        example.write(
            "checkout/patches/series",
            "[1]\n0001-a.patch\n\tkernel/new\n0002-b.patch\n",
        );
        for tree in ["checkout", "tree"] {
            example.write(&format!("{tree}/kernel/new"), "new\nmore\n");
        }
        let written = example.refresh(None).unwrap();
        assert_eq!(written, ["patches/0002-b.patch"]);
        example.edit("kernel/new", "more", "most");
        let written = example.refresh(None).unwrap();
        assert_eq!(written, ["kernel/new", "patches/0002-b.patch"]);
        assert!(example.patches()[1].contains(" new\n+most\n"));
        example.edit("kernel/new", "new", "first\nnew");
        let written = example.refresh(Some("0001")).unwrap();
        assert_eq!(written, ["kernel/new", "patches/0002-b.patch"]);
        assert!(example.patches()[1].contains(" first\n new\n+most\n"));
    }

    /// Checks that a conflict is reported with the file, and writes nothing.
    #[test]
    fn a_conflict_writes_nothing() {
        let example = Example::new();
        let before = example.patches();
        example.edit("k/old", "eleven", "elf");
        example.edit("kernel/new", "new", "newer");
        let error = format!("{:#}", example.refresh(Some("0001")).unwrap_err());
        assert!(error.contains("the edit of k/old meets lines"), "{error}");
        assert_eq!(example.patches(), before);
        assert_eq!(example.read("checkout/kernel/new"), "new\n");
        let error = format!("{:#}", example.refresh(Some("0003")).unwrap_err());
        assert!(error.contains("no patch 0003"), "{error}");
    }

    /// Checks that other files of the kernel need a patch, and that new ones are taken.
    #[test]
    fn other_files_are_found() {
        let example = Example::new();
        example.refresh(None).unwrap();
        example.edit("k/other", "x", "longer");
        let error = format!("{:#}", example.refresh(None).unwrap_err());
        assert!(error.contains("no patch changes k/other"), "{error}");
        example.write("tree/kernel/newest", "1\n");
        example.write("tree/kernel/newest.o", "junk\n");
        example.write("tree/built", "junk\n");
        let written = example.refresh(Some("0001")).unwrap();
        assert_eq!(written, ["kernel/newest", "patches/0001-a.patch"]);
        assert!(example.patches()[0].contains("+++ b/k/other\n"));
    }
}
