// SPDX-License-Identifier: GPL-2.0
//! Runs children, with a log, a time limit, and no process left at the end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How often limits and Ctrl-C are checked.
const POLL: Duration = Duration::from_millis(100);

/// How long output is awaited after its writer has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// The error after Ctrl-C.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted; the same command goes on from here")
    }
}

impl std::error::Error for Interrupted {}

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Turns Ctrl-C and similar signals into a flag that every wait checks, so that the
/// process groups of all children end with the driver.
pub fn catch_interrupts() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Default::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Returns an error after Ctrl-C; for every loop that can take long.
pub fn check_interrupted() -> Result<()> {
    match INTERRUPTED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => bail!(Interrupted),
        _ => Ok(()),
    }
}

/// A child in a process group of its own, killed as a whole when dropped.
struct Group(Child);

impl Group {
    fn kill(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It fails when no process of the group is left, which is the aim.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}

/// Runs `command` with its output appended to `log`, passes every line to `on_line`,
/// and returns its status. `what` names the command in errors. It is killed with all
/// its children after `limit`, and on Ctrl-C. Its standard input is empty.
pub fn run_to_status(
    command: &mut Command,
    what: &str,
    limit: Duration,
    log: &Path,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    check_interrupted()?;
    let mut log_file = open_log(log)?;
    writeln!(log_file, "$ {command:?}")?;
    let (sender, lines) = channel();
    let mut group = Group(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {what}: {command:?}"))?,
    );
    read_lines(group.0.stdout.take(), sender.clone());
    read_lines(group.0.stderr.take(), sender);

    let mut line = |line: &[u8]| -> Result<()> {
        log_file.write_all(line)?;
        log_file.write_all(b"\n")?;
        on_line(&String::from_utf8_lossy(line));
        Ok(())
    };
    let deadline = Instant::now() + limit;
    let status = loop {
        check_interrupted()?;
        if Instant::now() >= deadline {
            bail!("{what} was ended after its limit of {}", seconds(limit));
        }
        match lines.recv_timeout(POLL) {
            Ok(bytes) => line(&bytes)?,
            // Both pipes are closed, so the child is about to end.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(5)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = group.0.try_wait()? {
            break status;
        }
    };
    // A grandchild may hold the pipes open for ever: end it, and read the rest.
    group.kill();
    drain(&lines, line)?;
    Ok(status)
}

fn drain(lines: &Receiver<Vec<u8>>, mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    while let Ok(bytes) = lines.recv_timeout(DRAIN) {
        line(&bytes)?;
    }
    Ok(())
}

/// As [`run_to_status`], with an error unless the child succeeds. The error has the
/// line of output that gives the reason.
pub fn run(
    command: &mut Command,
    what: &str,
    limit: Duration,
    log: &Path,
    mut on_line: impl FnMut(&str),
) -> Result<()> {
    let mut complaint = Complaint::default();
    let status = run_to_status(command, what, limit, log, |line| {
        complaint.look_at(line);
        on_line(line);
    })?;
    if status.success() {
        return Ok(());
    }
    bail!("{what} failed ({status}): {}", complaint.text())
}

/// Runs `command` quietly and returns its standard output, trimmed.
pub fn output(command: &mut Command, what: &str, limit: Duration, log: &Path) -> Result<String> {
    let mut text = String::new();
    run(command.stderr(Stdio::null()), what, limit, log, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    Ok(text.trim_end().to_owned())
}

/// Finds the line of a failed child's output that gives the reason.
#[derive(Default)]
struct Complaint {
    first_error: Option<String>,
    last: String,
}

impl Complaint {
    fn look_at(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let lower = line.to_lowercase();
        let says_why = line.starts_with("E: ")
            || ["error:", "error[", "fatal:", "no space left", "***"]
                .iter()
                .any(|sign| lower.contains(sign));
        if says_why && self.first_error.is_none() {
            self.first_error = Some(line.to_owned());
        }
        line.clone_into(&mut self.last);
    }

    fn text(&self) -> &str {
        match &self.first_error {
            Some(line) => line,
            None if self.last.is_empty() => "it said nothing",
            None => &self.last,
        }
    }
}

fn open_log(log: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write the log {}", log.display()))
}

/// Reads lines, which end with `\n` or `\r\n`, in a thread of its own.
fn read_lines(from: Option<impl Read + Send + 'static>, to: Sender<Vec<u8>>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = line.strip_suffix(b"\r").unwrap_or(&line).to_vec();
            if to.send(line).is_err() {
                break;
            }
        }
    });
}

/// A duration as it is printed: `90 s`, `12 min 05 s`.
pub fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        s @ 0..=9 => format!("{}.{} s", s, duration.subsec_millis() / 100),
        s @ 10..=119 => format!("{s} s"),
        s => format!("{} min {:02} s", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script);
        shell
    }

    #[test]
    fn lines_arrive_and_are_logged() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut lines = Vec::new();
        let mut script = shell("echo one; printf two");
        run(&mut script, "test", LONG, log.path(), |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(lines, ["one", "two"]);
        let logged = std::fs::read_to_string(log.path()).unwrap();
        assert!(logged.ends_with("one\ntwo\n"), "{logged}");
    }

    #[test]
    fn failure_says_why() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut script = shell("echo x.c:1: error: no; echo 'make: stopped' >&2; exit 2");
        let error = run(&mut script, "cc", LONG, log.path(), |_| {}).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cc failed"), "{text}");
        assert!(text.contains("x.c:1: error: no"), "{text}");
        let error = run(&mut shell("exit 3"), "cc", LONG, log.path(), |_| {}).unwrap_err();
        assert!(error.to_string().contains("it said nothing"), "{error}");
    }

    #[test]
    fn limit_ends_the_whole_group() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut grandchild = None;
        let mut script = shell("sleep 1000 & echo $!; wait");
        let limit = Duration::from_secs(3);
        let error = run(&mut script, "sleeper", limit, log.path(), |line| {
            grandchild = line.parse::<u32>().ok();
        })
        .unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
        let stat = format!("/proc/{}/stat", grandchild.expect("no process id"));
        let runs = || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            let state = stat.rsplit(") ").next().unwrap_or_default();
            !matches!(state.chars().next(), None | Some('Z' | 'X'))
        };
        let patience = Instant::now() + LONG;
        while runs() {
            assert!(Instant::now() < patience, "it runs on");
            thread::yield_now();
        }
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!(seconds(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(90)), "90 s");
        assert_eq!(seconds(Duration::from_secs(725)), "12 min 05 s");
    }
}
