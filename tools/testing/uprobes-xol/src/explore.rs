// SPDX-License-Identifier: GPL-2.0

//! Runs scenarios under the explorer that this was built for.

use kernel::bindings::model;
use std::{
    any::Any,
    panic,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Once,
    },
};

/// Something that tasks do, whose schedules can be explored.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub(crate) run: fn(),
    /// How often loom takes the CPU from a thread that could go on. All schedules if `None`.
    pub(crate) preemptions: Option<usize>,
}

impl Scenario {
    /// Explores the scenario's schedules; panics when a property does not hold in one.
    ///
    /// The property is named on standard error.
    ///
    /// Returns how many schedules there were.
    pub fn explore(&'static self) -> usize {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let default = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                default(info);
                if let Some(property) = message(info.payload()).and_then(model::violated) {
                    eprintln!("{}{property}", model::VIOLATED);
                }
            }));
        });
        RUNS.store(0, Relaxed);
        explore(self);
        RUNS.load(Relaxed)
    }

    fn run(&self) {
        RUNS.fetch_add(1, Relaxed);
        model::reset();
        #[cfg(feature = "loom")]
        kernel::sync::atomic::make_zeroes();
        (self.run)();
    }
}

/// Schedules so far.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Explores all schedules, within the bound.
#[cfg(feature = "loom")]
fn explore(scenario: &'static Scenario) {
    let mut builder = loom::model::Builder::new();
    // More than any scenario has: `boost-crowded` follows long chains.
    builder.max_branches = 20_000;
    // LOOM_MAX_PREEMPTIONS is for those who have more time.
    builder.preemption_bound = builder.preemption_bound.or(scenario.preemptions);
    builder.check(|| scenario.run());
}

/// Explores random schedules, the same ones each time.
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
fn explore(scenario: &'static Scenario) {
    use shuttle::{scheduler::RandomScheduler, Config, Runner};

    const SEED: u64 = 0x0af3_7e11;
    const SCHEDULES: usize = 2_000;

    let mut config = Config::new();
    // Orderings are loom's business.
    config.silence_warnings = true;
    let scheduler = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    Runner::new(scheduler, config).run(|| scenario.run());
}

/// Lets the host schedule.
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
fn explore(scenario: &'static Scenario) {
    use std::{
        sync::{mpsc, Mutex, PoisonError},
        thread,
        time::{Duration, Instant},
    };

    const TIMES: usize = 300;
    /// No run begins later. On an idle machine, all take a second. On a busy one they take long,
    /// because tasks yield to all else.
    const ENOUGH: Duration = Duration::from_secs(5);
    const LIMIT: Duration = Duration::from_secs(5 * 60);
    /// One scenario at a time.
    static RUNNING: Mutex<()> = Mutex::new(());

    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, result) = mpsc::channel();
    let scheduled = thread::spawn(move || {
        let begin = Instant::now();
        for _ in 0..TIMES {
            if begin.elapsed() > ENOUGH {
                break;
            }
            // In a thread of its own, because each is another task.
            thread::spawn(|| scenario.run()).join().unwrap();
        }
        done.send(())
    });
    if result.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("{} did not end in {LIMIT:?}", scenario.name);
    }
    assert!(scheduled.join().is_ok_and(|sent| sent.is_ok()));
}

fn message(payload: &dyn Any) -> Option<&str> {
    let string = payload.downcast_ref::<String>().map(String::as_str);
    string.or_else(|| payload.downcast_ref::<&str>().copied())
}
