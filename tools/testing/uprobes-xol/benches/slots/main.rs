// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of slot management per step on this machine, in Rust and in C, by number of
//! threads.
//!
//! ```text
//! cargo bench --bench slots               # all
//! cargo bench --bench slots -- '^step/'    # those whose names match
//! ```
//!
//! The benchmarks are called `step/IMPLEMENTATION/THREADS`: each thread hits the same probe again
//! and again. In `step-2` and `step-100` there are 2 and 100 probes, and each thread hits them one
//! after the other. One iteration is a step by each thread: if slots scale, the time stays the
//! same.
//!
//! The implementations:
//!
//! - `rust`: the kernel's files (`kernel/events/uprobes_xol/`), with an instruction as large as
//!   x86's and as many slots as in the kernel.
//! - `c`: the kernel's `kernel/events/uprobes_xol/single_page.c`, compiled for the host.
//!   `benches/single-page` has headers that stand for the kernel's.
//!
//! Both call what is in the slot, which adds the probe's number to a sum. The sum at the end proves
//! that each step was made with the right instruction.
//!
//! The atomics, their cache lines, and the calls from the uprobe core are as in the kernel. So are
//! the costs of writing code that a processor executed. On arm64 neither implementation writes an
//! instruction that the slot holds already.
//!
//! These things differ from the kernel:
//!
//! - Exceptions, the lookup of the uprobe, its consumers, and the architecture's work before and
//!   after a step are not measured. They are the same for both implementations.
//! - The return from an exception synchronizes. On arm64 `isb` stands for it, and on x86 `mfence`
//!   after a slot was written: a processor that has fetched the old code must start over. Whether
//!   it does can change between runs, and makes `c` several times as expensive. Compare several
//!   runs.
//! - Upstream takes a reference to the uprobe for each step, which all threads share. With these
//!   patches the task has a copy of the instruction instead. Upstream may scale worse than `c`.
//! - The page is mapped once, both writable and executable.
//! - The holder of a spinlock can be preempted, and to sleep and to wake are system calls. The cost
//!   of waiting is therefore a guess.
//! - On arm64, `rust` has separate full barriers beside its fully ordered atomics, and slots have 8
//!   bytes, because they end with a return.
//! - The atomics of `rust` are a little larger and slower than the kernel's.
//!
//! Each thread has a processor for itself. Other work on that processor is measured, too.

// The kernel's files are compiled against this one.
extern crate executable_kernel as kernel;
extern crate executable_kernel as pin_init;

mod single_page;
mod uprobes_xol;

use criterion::{
    criterion_group, criterion_main, measurement::WallTime, BenchmarkGroup, BenchmarkId, Criterion,
    SamplingMode,
};
use kernel::bindings::{arch_uprobe, Mapping};
use std::{
    io,
    mem::{size_of, zeroed},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// An implementation of slots: a process with its area.
trait Implementation: Sync {
    const NAME: &str;

    type Thread<'a>: Thread
    where
        Self: 'a;

    /// Makes a process with these probes, its slots in `mapping`.
    fn new(mapping: Mapping, probes: Vec<arch_uprobe>) -> Self;

    /// The calling thread as a thread of the process.
    fn thread(&self) -> Self::Thread<'_>;
}

/// A thread of a process.
trait Thread {
    /// Executes the probe's instruction out of line.
    fn step(&self, probe: usize, argument: usize) -> usize;
}

criterion_main!(benches);
criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = slots
}

fn slots(criterion: &mut Criterion) {
    let processors = processors();
    for (name, probes) in [("step", 1), ("step-2", 2), ("step-100", 100)] {
        let mut group = criterion.benchmark_group(name);
        // All samples are of the same length: short ones would be of threads that start.
        group.sampling_mode(SamplingMode::Flat);
        for threads in numbers(processors.len()) {
            bench::<single_page::Process>(&mut group, probes, &processors[..threads]);
            bench::<uprobes_xol::Process>(&mut group, probes, &processors[..threads]);
        }
        group.finish();
    }
}

/// 1, 2, 4 and so on, up to `last`.
fn numbers(last: usize) -> impl Iterator<Item = usize> {
    let powers = std::iter::successors(Some(1), |number| Some(2 * number));
    powers
        .take_while(move |number| *number < last)
        .chain([last])
}

fn bench<P: Implementation>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    probes: usize,
    processors: &[usize],
) {
    let id = BenchmarkId::new(P::NAME, processors.len());
    group.bench_function(id, |bencher| {
        let mapping = Mapping::new().unwrap_or_else(|error| {
            panic!("no memory that is both writable and executable: {error}; allow it")
        });
        let process = P::new(mapping, (0..probes).map(probe).collect());
        bencher.iter_custom(|steps| run(&process, probes, processors, steps));
    });
}

/// The instruction of a probe: it adds one more than the probe's index.
fn probe(index: usize) -> arch_uprobe {
    arch_uprobe::adding(index as u16 + 1)
}

/// Has a thread on each processor make `steps`. Returns the time from the first one's begin to the
/// last one's end.
fn run(process: &impl Implementation, probes: usize, processors: &[usize], steps: u64) -> Duration {
    let start = Barrier::new(processors.len());
    let run_thread = |processor| {
        stay_on(processor);
        let thread = process.thread();
        // The first hits of a thread are others than the rest.
        let _ = make_steps(&thread, probes, 2 * probes as u64);
        start.wait();
        let begin = Instant::now();
        let sum = make_steps(&thread, probes, steps);
        (begin, Instant::now(), sum)
    };
    let runs: Vec<_> = thread::scope(|scope| {
        let spawn = |&processor| scope.spawn(move || run_thread(processor));
        let threads: Vec<_> = processors.iter().map(spawn).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
        threads.into_iter().map(join).collect()
    });

    let wanted = sum_of(probes as u64, steps);
    for (_, _, sum) in &runs {
        assert_eq!(*sum, wanted, "steps were lost, or had a wrong instruction");
    }
    let begin = runs.iter().map(|run| run.0).min().unwrap();
    let end = runs.iter().map(|run| run.1).max().unwrap();
    end - begin
}

/// Makes `steps`, at the probes in turn. Returns the sum of what they added.
#[inline(never)]
fn make_steps(thread: &impl Thread, probes: usize, steps: u64) -> usize {
    let mut sum = 0;
    let mut probe = 0;
    for _ in 0..steps {
        sum = thread.step(probe, sum);
        probe += 1;
        if probe == probes {
            probe = 0;
        }
    }
    sum
}

/// What as many steps add, at the probes in turn: 1, 2, ..., `probes`, 1, 2, ...
fn sum_of(probes: u64, steps: u64) -> usize {
    let sum_to = |last: u64| last * (last + 1) / 2;
    (steps / probes * sum_to(probes) + sum_to(steps % probes)) as usize
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    // SAFETY: A set of bits.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: `set` is as large as that.
    let error = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    assert_eq!(error, 0, "processors: {}", io::Error::last_os_error());
    (0..libc::CPU_SETSIZE as usize)
        // SAFETY: It is in the set.
        .filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) })
        .collect()
}

/// The calling thread runs on this processor only.
fn stay_on(processor: usize) {
    // SAFETY: A set of bits.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: It is in the set.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: `set` is as large as that.
    let error = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    assert_eq!(error, 0, "processor: {}", io::Error::last_os_error());
}
