// SPDX-License-Identifier: GPL-2.0
//! The stages of a run. A stage prints what it does and what comes next, shows that
//! it is alive, keeps a log, and is skipped when its inputs have not changed.
//!
//! A stage's stamp is removed before its work begins and written last: the remains of
//! an interrupted stage are never taken for its result. A single file is made under a
//! temporary name ([`write_file`]).

use std::collections::VecDeque;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::command::{self, seconds};
use crate::paths::Paths;

/// How often a stage prints a line when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// Runs stages, one after the other or in several threads.
pub struct Runner {
    pub paths: Paths,
    /// How many compilers, or busy guests, run at the same time.
    pub jobs: usize,
    upcoming: Mutex<VecDeque<String>>,
    bars: MultiProgress,
    started: Instant,
}

impl Runner {
    pub fn new(paths: Paths) -> Result<Self> {
        for folder in [paths.log(), paths.stamps()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", paths.outside(&folder).display()))?;
        }
        Ok(Self {
            paths,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            upcoming: Mutex::default(),
            bars: MultiProgress::new(),
            started: Instant::now(),
        })
    }

    /// Does `work` for each of `items`, `at_once` of them at the same time; the next one
    /// begins as soon as one is done, and none after one has failed. Returns the results in
    /// the order of the items.
    pub fn beside<T: Sync, R: Send>(
        &self,
        at_once: usize,
        items: &[T],
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let queue = Mutex::new(items.iter().enumerate());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..items.len().min(at_once) {
                scope.spawn(|| {
                    while let Some((index, item)) = next() {
                        let result = work(item);
                        let failed = result.is_err();
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push((index, result));
                        if failed {
                            *queue.lock().unwrap_or_else(PoisonError::into_inner) =
                                items[..0].iter().enumerate();
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Announces stages, so that each can name the next one.
    pub fn plan<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) {
        self.upcoming().extend(names.into_iter().map(Into::into));
    }

    /// Runs the stage `name`, unless the last complete run of it had the same
    /// `inputs` and all of `outputs` are there.
    pub fn stage(
        &self,
        name: &str,
        inputs: &Fingerprint,
        outputs: &[&Path],
        work: impl FnOnce(&Progress) -> Result<()>,
    ) -> Result<()> {
        if self.is_done(name, inputs, outputs) {
            self.next_after(name);
            self.say(&format!("== {name}: nothing changed, skipped"));
            return Ok(());
        }
        let stamp = self.stamp(name);
        let _ = fs::remove_file(&stamp);
        self.always(name, work)?;
        write_file(&stamp, inputs.hex().as_bytes())
    }

    /// Whether [`Self::stage`] would skip the stage.
    pub fn is_done(&self, name: &str, inputs: &Fingerprint, outputs: &[&Path]) -> bool {
        fs::read_to_string(self.stamp(name)).is_ok_and(|have| have == inputs.hex())
            && outputs.iter().all(|path| path.exists())
    }

    fn stamp(&self, name: &str) -> PathBuf {
        self.paths.stamps().join(file_name(name))
    }

    /// Runs the stage `name` unconditionally.
    pub fn always<T>(&self, name: &str, work: impl FnOnce(&Progress) -> Result<T>) -> Result<T> {
        let next = self.next_after(name);
        let log = self.paths.log().join(file_name(name) + ".log");
        fs::write(&log, "").with_context(|| {
            format!(
                "cannot write the log {}",
                self.paths.outside(&log).display()
            )
        })?;
        match next {
            Some(next) => self.say(&format!("== {name} (next: {next})")),
            None => self.say(&format!("== {name}")),
        }
        let progress = Progress::new(name, log, &self.bars);
        let result = work(&progress);
        progress.bar.finish_and_clear();
        let took = seconds(progress.started.elapsed());
        match result {
            Ok(value) => {
                self.say(&format!("== {name}: done in {took}"));
                Ok(value)
            }
            Err(error) if error.is::<command::Interrupted>() => Err(error),
            Err(error) => {
                // The error is printed when the stages beside this one have ended.
                self.say(&format!("== {name}: failed after {took}"));
                Err(error.context(Failure {
                    stage: name.to_owned(),
                    log: self.paths.outside(&progress.log),
                }))
            }
        }
    }

    /// The time since the first stage.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn upcoming(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.upcoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line that stays, above the progress of stages.
    fn say(&self, line: &str) {
        self.bars.suspend(|| println!("{line}"));
    }

    fn next_after(&self, name: &str) -> Option<String> {
        let mut upcoming = self.upcoming();
        if let Some(at) = upcoming.iter().position(|planned| planned == name) {
            upcoming.drain(..=at);
        }
        upcoming.front().cloned()
    }
}

/// The failed stage and its log; the error below it is the cause.
#[derive(Debug)]
pub struct Failure {
    stage: String,
    log: PathBuf,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (log: {})", self.stage, self.log.display())
    }
}

/// The progress of a running stage: a spinner on a terminal, elsewhere a line now and
/// then.
pub struct Progress {
    /// The stage's log; children append to it.
    pub log: PathBuf,
    started: Instant,
    bars: MultiProgress,
    bar: ProgressBar,
    /// The current message, for the thread that prints plain lines. The thread ends
    /// when the channel's sender is dropped.
    plain: Option<(Arc<Mutex<String>>, Sender<()>)>,
}

impl Progress {
    fn new(name: &str, log: PathBuf, bars: &MultiProgress) -> Self {
        let started = Instant::now();
        let (bar, plain) = if std::io::stderr().is_terminal() {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(
                ProgressStyle::with_template("   {spinner} {elapsed} {wide_msg}")
                    .expect("the template is a constant"),
            );
            bar.enable_steady_tick(Duration::from_millis(120));
            (bar, None)
        } else {
            let text = Arc::new(Mutex::new(String::new()));
            let (keep, gone) = channel();
            let (name, shown) = (name.to_owned(), Arc::clone(&text));
            thread::spawn(move || {
                while gone.recv_timeout(PLAIN_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let text = shown.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("   {name}: {}: {text}", seconds(started.elapsed()));
                }
            });
            (ProgressBar::hidden(), Some((text, keep)))
        };
        Self {
            log,
            started,
            bars: bars.clone(),
            bar,
            plain,
        }
    }

    /// Shows what is being done. Cheap enough for every line of a child.
    pub fn message(&self, text: &str) {
        match &self.plain {
            None => self.bar.set_message(text.to_owned()),
            Some((shown, _)) => {
                text.clone_into(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Prints a line that stays, above the progress.
    pub fn say(&self, line: &str) {
        self.bars.suspend(|| println!("   {line}"));
    }

    /// Runs a child within this stage. Its lines go to the log, and the last one is
    /// shown. See [`command::run`].
    pub fn run(&self, command: &mut Command, what: &str, limit: Duration) -> Result<()> {
        self.message(what);
        self.run_lines(command, what, limit, |line| {
            let line = line.trim();
            if !line.is_empty() {
                self.message(line);
            }
        })
    }

    /// As [`Self::run`], with `on_line` called for each line.
    pub fn run_lines(
        &self,
        command: &mut Command,
        what: &str,
        limit: Duration,
        on_line: impl FnMut(&str),
    ) -> Result<()> {
        command::run(command, what, limit, &self.log, on_line)
    }

    /// Runs a child within this stage and returns its standard output, trimmed.
    pub fn output(&self, command: &mut Command, what: &str, limit: Duration) -> Result<String> {
        command::output(command, what, limit, &self.log)
    }
}

/// A hash of everything that a stage's result depends on.
#[derive(Clone)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Starts with the driver's own part, such as the format of the stage's result.
    pub fn new(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        // The length keeps "ab" + "c" and "a" + "bc" apart.
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// A file's name and contents.
    pub fn file(self, path: &Path) -> Result<Self> {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.text(&path.to_string_lossy()).bytes(&contents))
    }

    /// Every file below a directory; a missing directory counts as empty.
    pub fn tree(mut self, folder: &Path) -> Result<Self> {
        for file in files_below(folder)? {
            self = self.file(&file)?;
        }
        Ok(self)
    }

    pub fn hex(&self) -> String {
        format!("{:x}", self.0.clone().finalize())
    }
}

/// Reads a file; an error names it.
pub fn read_text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Every file below `folder` that is not scratch, sorted; none if it is missing.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if is_scratch(&path.file_name().unwrap_or_default().to_string_lossy()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file is an editor's, hidden, or made by a compiler.
pub fn is_scratch(name: &str) -> bool {
    let endings = ["~", ".orig", ".rej", ".o", ".pyc"];
    endings.iter().any(|ending| name.ends_with(ending))
        || (name.starts_with('.') && name != ".gitignore")
}

/// Writes a file under a temporary name and renames it when it is complete.
pub fn write_file(path: &Path, contents: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file without a directory")?;
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(contents)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn file_name(stage: &str) -> String {
    stage.replace(
        |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_',
        "-",
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// With a checkout and a cache that are below `folder`.
    pub fn runner(folder: &Path) -> Runner {
        Runner::new(Paths {
            checkout: folder.join("checkout"),
            cache: folder.join("cache"),
            ksrc: None,
            file: folder.join("file"),
        })
        .unwrap()
    }

    #[test]
    fn unchanged_stage_is_skipped() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let output = cache.path().join("output");
        let runs = std::cell::RefCell::new(0);
        let run = |inputs: &str| {
            runner
                .stage("a", &Fingerprint::new(inputs), &[&output], |_| {
                    *runs.borrow_mut() += 1;
                    write_file(&output, b"x")
                })
                .unwrap();
            *runs.borrow()
        };
        assert_eq!(run("one"), 1);
        assert_eq!(run("one"), 1);
        assert_eq!(run("two"), 2);
        fs::remove_file(&output).unwrap();
        assert_eq!(run("two"), 3);
    }

    #[test]
    fn the_next_begins_as_soon_as_one_is_done() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let (third_is_done, wait) = channel();
        let wait = Mutex::new(wait);
        // The first one lasts until the third one, which follows the second one, is done.
        let work = |item: &u32| {
            match item {
                1 => wait.lock().unwrap().recv_timeout(Duration::from_secs(60))?,
                3 => third_is_done.send(())?,
                _ => {}
            }
            Ok(10 * item)
        };
        assert_eq!(runner.beside(2, &[1, 2, 3], work).unwrap(), [10, 20, 30]);
        let fails = |item: &u32| match item {
            2 => anyhow::bail!("no"),
            _ => work(item),
        };
        // The third one would end the wait.
        assert!(runner.beside(1, &[2, 3], fails).is_err());
        assert!(wait.lock().unwrap().try_recv().is_err());
        assert!(runner.beside(2, &[], work).unwrap().is_empty());
    }

    #[test]
    fn failed_stage_is_not_done() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let inputs = Fingerprint::new("same");
        runner.stage("a", &inputs, &[], |_| Ok(())).unwrap();
        let other = Fingerprint::new("other");
        let failed = runner.stage("a", &other, &[], |_| anyhow::bail!("no"));
        assert!(failed.is_err());
        let mut ran = false;
        runner
            .stage("a", &inputs, &[], |_| {
                ran = true;
                Ok(())
            })
            .unwrap();
        assert!(ran, "the stamp of an earlier run outlived a failure");
    }

    #[test]
    fn next_stage_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        runner.plan(["a", "b", "c"]);
        assert_eq!(runner.next_after("a").as_deref(), Some("b"));
        assert_eq!(runner.next_after("unplanned").as_deref(), Some("b"));
        assert_eq!(runner.next_after("c"), None);
    }

    #[test]
    fn fingerprint_sees_names_contents_and_borders() {
        let folder = tempfile::tempdir().unwrap();
        let hash = || {
            let print = Fingerprint::new("t").tree(folder.path()).unwrap();
            print.hex()
        };
        let empty = hash();
        fs::write(folder.path().join("a"), "1").unwrap();
        let one = hash();
        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        let renamed = hash();
        fs::write(folder.path().join("b"), "2").unwrap();
        let changed = hash();
        let all = [&empty, &one, &renamed, &changed];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        let ab = Fingerprint::new("ab").text("c").hex();
        assert_ne!(ab, Fingerprint::new("a").text("bc").hex());
    }
}
