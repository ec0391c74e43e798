// SPDX-License-Identifier: GPL-2.0
//! A temporary git repository with the few files of a kernel tree that are added or
//! changed. Git needs no more: every other file is the same in all commits.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::apply::{install, update};
use crate::series::{self, Commit};
use crate::stage::Progress;

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// The tag of the commit with the pristine files.
pub const BASE: &str = "base";

pub struct Repository<'a> {
    folder: TempDir,
    progress: &'a Progress,
}

impl<'a> Repository<'a> {
    /// With one commit: the pristine version of `paths`.
    pub fn new(pristine: &Path, paths: &BTreeSet<PathBuf>, progress: &'a Progress) -> Result<Self> {
        let repository = Self {
            folder: tempfile::tempdir()?,
            progress,
        };
        for path in paths {
            update(&pristine.join(path), &repository.path().join(path))?;
        }
        repository.git(&["init", "-q", "-b", "series"])?;
        // Names the function in a hunk's header as the kernel's own repository does.
        let attributes = pristine.join(".gitattributes");
        if attributes.exists() {
            install(&attributes, &repository.path().join(".git/info/attributes"))?;
        }
        repository.git(&["add", "-Af"])?;
        repository.git(&["commit", "-q", "--allow-empty", "-m", BASE])?;
        repository.git(&["tag", BASE])?;
        Ok(repository)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path()).args(arguments);
        // Commits must not depend on who makes them, nor when, nor on any settings.
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "uprobes-xol")
                .env(format!("GIT_{role}_EMAIL"), "uprobes-xol@localhost")
                .env(format!("GIT_{role}_DATE"), "2026-01-01T00:00:00Z");
        }
        git
    }

    pub fn run(&self, git: &mut Command) -> Result<()> {
        let words: Vec<_> = git.get_args().skip(2).take(1).collect();
        let what = format!("git {}", words[0].to_string_lossy());
        self.progress.run(git, &what, LIMIT)
    }

    pub fn git(&self, arguments: &[&str]) -> Result<()> {
        self.run(&mut self.command(arguments))
    }

    pub fn output(&self, arguments: &[&str]) -> Result<String> {
        let mut git = self.command(arguments);
        self.progress.output(&mut git, "git", LIMIT)
    }

    /// Commits all files as they are. `author` may set who wrote it, and when.
    pub fn commit(&self, message: &str, author: impl FnOnce(&mut Command)) -> Result<()> {
        self.git(&["add", "-Af"])?;
        let mut git = self.command(&["commit", "-q", "-m", message]);
        author(&mut git);
        self.run(&mut git)
    }

    /// Makes the commits of the series. The checkout's history says who wrote them.
    pub fn commit_series(&self, commits: &[Commit<'_>], checkout: &Path) -> Result<()> {
        let first = series::new_files(commits, commits)?;
        for commit in commits {
            commit.patch.apply(self.path(), false)?;
            for (_, path) in &commit.files {
                install(&first.path().join(path), &self.path().join(path))?;
            }
            let patch = Path::new("patches").join(&commit.patch.name);
            self.commit(&commit.message()?, |git| author(checkout, &patch, git))?;
        }
        Ok(())
    }

    /// The hashes of the commits after the base, the first one first.
    pub fn series(&self) -> Result<Vec<String>> {
        let range = format!("{BASE}..HEAD");
        let list = self.output(&["rev-list", "--reverse", &range])?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// What a commit changes in files that exist before it, as a diff that depends on
    /// nothing else.
    pub fn diff(&self, commit: &str) -> Result<String> {
        let file = tempfile::NamedTempFile::new()?;
        let mut git = self.command(&["diff", "--no-color", "--no-ext-diff", "--no-renames"]);
        git.args(["--abbrev=12", "--unified=3", "--diff-algorithm=myers"])
            .args(["--src-prefix=a/", "--dst-prefix=b/", "--diff-filter=a"])
            .arg(format!("--output={}", file.path().display()))
            .arg(format!("{commit}^"))
            .arg(commit);
        self.run(&mut git)?;
        Ok(fs::read_to_string(file.path())?)
    }
}

/// Sets the author of a file of the checkout, if it has a history.
fn author(checkout: &Path, file: &Path, commit: &mut Command) {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-C"])
        .arg(checkout)
        .args(["log", "-1", "--format=%an%n%ae%n%aI", "--"])
        .arg(file)
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
