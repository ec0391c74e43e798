// SPDX-License-Identifier: GPL-2.0

//! What tasks do with boosted slots while probes are removed and slots are reclaimed: scenarios.

use super::boost::{self, BoostedSlots};
use crate::explore::Scenario;
use kernel::{
    bindings::{
        self, arch_uprobe, backend::thread, mm_struct, model, model::Property, uprobe_boost_place,
        uprobe_boosted, User, PAGE_SIZE, UPROBE_BOOST_AREA_SHIFT, UPROBE_BOOST_FIRST_KEY,
        UPROBE_BOOST_GRANULE, UPROBE_BOOST_KEY_SHIFT, UPROBE_BOOST_PAIR, UPROBE_BOOST_STEPPED,
    },
    sync::atomic::Relaxed,
};
use std::sync::Arc as Shared;

const AREA_SIZE: usize = 1 << UPROBE_BOOST_AREA_SHIFT;
const GRANULE: usize = UPROBE_BOOST_GRANULE as usize;
/// Slots of an area that have one granule.
const SLOTS: usize = AREA_SIZE / GRANULE;
/// The most records of a chain.
const LONGEST_CHAIN: usize = 16;

/// More work items than are left when all tasks have left their slots.
const WORK: usize = 8;

/// Where areas are mapped, and where probed instructions are.
const AREAS: usize = 0x1000_0000;
const TEXT: usize = 0x1800_0000;

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "boost-made",
        about: "two tasks are the first that hit a probe",
        run: made,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-written",
        about: "two tasks are the first that hit a probe whose slot is on a page that is mapped",
        run: written,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-stepped",
        about: "two tasks are the first that hit a probe, which is out of reach",
        run: stepped,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-reused",
        about: "a task hits a probe that is removed, and whose slot becomes another one's",
        run: reused,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-late",
        about: "a task hits a probe that is removed while the slot of another one is reclaimed",
        run: late,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-left",
        about: "a task leaves the slot of a probe that is gone while the slot is reclaimed",
        run: left,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-removed",
        about: "a probe is removed while its slot is made",
        run: || removed(Probe::new(1)),
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-removed-stepped",
        about: "a probe that is out of reach is removed while a task finds that out",
        run: || removed(Probe::new(1).out_of_reach()),
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-spread",
        about: "a task hits a probe while slots are spread over more chains",
        run: spread,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-grown",
        about: "a task follows a chain to a page that is just added",
        run: grown,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-freed",
        about: "a task follows a chain which led to a page that is given back",
        run: freed,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-relinked",
        about: "a task follows a chain to a slot that is used again, and that led to such a page",
        run: relinked,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-asked",
        about: "an interrupt asks for the meaning of an address whose page is given back",
        run: asked,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-read",
        about: "a task reads a page that is just added",
        run: read,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-read-freed",
        about: "a task reads a page that is given back",
        run: read_freed,
        preemptions: Some(2),
    },
    Scenario {
        name: "boost-full",
        about: "an area is full, with a slot for text that was unmapped",
        run: full,
        preemptions: None,
    },
    Scenario {
        name: "boost-gone",
        about: "a process goes after a probe was removed, before its slot is reclaimed",
        run: gone,
        preemptions: None,
    },
    Scenario {
        name: "boost-crowded",
        about: "a chain is full of slots for probes that another probe has replaced",
        run: crowded,
        preemptions: None,
    },
    Scenario {
        name: "boost-exit",
        about: "a process goes while its slots are reclaimed",
        run: exit,
        preemptions: Some(2),
    },
];

/// A probe, and the instruction that it is for.
#[derive(Clone, Copy)]
struct Probe {
    key: u64,
    bp_vaddr: usize,
    /// Where its breakpoint is: `bp_vaddr`, but for probes that are alike.
    text: usize,
    arch: arch_uprobe,
}

impl Probe {
    fn new(number: usize) -> Self {
        let number_of_key = u64::from(UPROBE_BOOST_FIRST_KEY + 1) + number as u64;
        Self {
            key: (number_of_key << UPROBE_BOOST_KEY_SHIFT) | arch_uprobe::LENGTH as u64,
            bp_vaddr: TEXT + 16 * number,
            text: TEXT + 16 * number,
            arch: arch_uprobe::of_probe(number),
        }
    }

    /// One whose record is in the same chain as that of others, because it is at the same address.
    fn alike(number: usize) -> Self {
        Self {
            bp_vaddr: TEXT,
            ..Self::new(number)
        }
    }

    /// One that stays.
    fn other(number: usize) -> Self {
        // In the model, all of these have the same breakpoint.
        Self::new(64 * number + 63)
    }

    /// The same, with a slot of two granules.
    fn pair(mut self) -> Self {
        self.key |= u64::from(UPROBE_BOOST_PAIR);
        self
    }

    /// The same, out of reach of all slots.
    fn out_of_reach(mut self) -> Self {
        self.arch = self.arch.out_of_reach();
        self
    }

    /// What a slot at `vaddr` contains.
    fn bytes(&self, vaddr: usize) -> Vec<u8> {
        let is_pair = self.key & u64::from(UPROBE_BOOST_PAIR) != 0;
        let granules = (0..1 + usize::from(is_pair)).map(|granule| vaddr + granule * GRANULE);
        granules
            .flat_map(|vaddr| self.arch.boosted(self.bp_vaddr, vaddr))
            .collect()
    }
}

/// A process, as the C core has it.
struct Process {
    mm: Shared<mm_struct>,
    boosted: *mut uprobe_boosted,
}

// SAFETY: Boosted slots may be used by several threads.
unsafe impl Send for Process {}

// SAFETY: As above.
unsafe impl Sync for Process {}

/// A task of the process.
struct Thread {
    process: Shared<Process>,
    user: Shared<User>,
}

/// A task is in a slot.
struct Step {
    probe: Probe,
    vaddr: usize,
    page: *const bindings::page,
}

// SAFETY: The page is there while a task is in the slot, or the model tells.
unsafe impl Send for Step {}

impl Process {
    /// A process with room for so many areas.
    fn new(areas: usize) -> Shared<Self> {
        let mm = mm_struct::new(areas, AREAS);
        bindings::current().use_mm(Some(mm.clone()));
        // SAFETY: The task has an `mm`.
        let boosted = unsafe { boost::uprobe_boosted_create() };
        bindings::current().use_mm(None);
        let process = Self { mm, boosted };
        let address = boosted.addr();
        // SAFETY: No task is left.
        let free = move || unsafe { boost::uprobe_boosted_free(address as *mut _) };
        process.mm.at_exit(Box::new(free));
        Shared::new(process)
    }

    /// A process in which these probes have slots, made in this order.
    fn with(probes: &[Probe]) -> (Shared<Self>, Thread) {
        let process = Self::new(1);
        let thread = process.thread();
        for probe in probes {
            Property::Boosted.holds_if(thread.hit(*probe) == 1);
        }
        (process, thread)
    }

    fn thread(self: &Shared<Self>) -> Thread {
        Thread {
            process: self.clone(),
            user: self.mm.add_user(),
        }
    }

    /// Starts a task that hits a probe once, and dies.
    fn spawn_hit(self: &Shared<Self>, probe: Probe) -> thread::JoinHandle<()> {
        self.spawn_slow_hit(probe, || ())
    }

    /// The same, but the task calls `pause` when it is a reader and has not looked for a slot yet.
    fn spawn_slow_hit(self: &Shared<Self>, probe: Probe, pause: fn()) -> thread::JoinHandle<()> {
        let thread = self.thread();
        thread::spawn(move || {
            if let Some(step) = thread.boost_after(probe, pause) {
                thread.jump(step);
            }
            thread.user.exit();
        })
    }

    fn slots(&self) -> &BoostedSlots {
        // SAFETY: Valid while there is a process.
        unsafe { &*self.boosted.cast() }
    }

    /// Removes a probe.
    fn remove(&self, probe: Probe) {
        self.mm.remove_breakpoint(probe.text);
        // SAFETY: The process is there.
        unsafe { boost::uprobe_boosted_remove(self.boosted, probe.key, probe.bp_vaddr) };
    }

    /// The page at this address, as a page fault finds it.
    fn fault(&self, vaddr: usize) -> *const bindings::page {
        let (area, offset) = (vaddr & !(AREA_SIZE - 1), vaddr % AREA_SIZE);
        // SAFETY: The process is there.
        unsafe { boost::uprobe_boosted_page(self.boosted, area, offset / PAGE_SIZE) }
    }

    /// The page at this address, which is mapped now.
    fn page_at(&self, vaddr: usize) -> &bindings::page {
        let address = vaddr & !(PAGE_SIZE - 1);
        // SAFETY: A page that is unmapped stays valid for the model's sake.
        unsafe { self.mm.page_at(address, || self.fault(address)) }
    }

    /// Starts a task that reads the last slot of the page at this address.
    fn spawn_read(self: &Shared<Self>, address: usize) -> thread::JoinHandle<()> {
        let process = self.clone();
        thread::spawn(move || {
            let fault = || process.fault(address);
            let read = |page: &bindings::page| _ = page.byte(PAGE_SIZE - GRANULE);
            // SAFETY: As above.
            unsafe { process.mm.read_at(address, fault, read) };
        })
    }

    /// The address of the probe whose slot `ip` is in, as an interrupt asks for it.
    fn probe_at(&self, ip: usize) -> Option<usize> {
        let filter = self.slots().filter.load(Relaxed);
        let mut place = uprobe_boost_place::default();
        let is_slot = (filter >> (ip / AREA_SIZE % 64)) & 1 != 0
            // SAFETY: The process is there.
            && unsafe { boost::uprobe_boosted_at(self.boosted, ip, &mut place) };
        is_slot.then_some(place.bp_vaddr)
    }

    /// Slots that are not unused.
    fn boosted() -> isize {
        bindings::counted()[3]
    }

    /// All tasks have left their slots, and nothing is left but those of `probes` probes.
    fn is_left_clean(&self, probes: isize) {
        // A work item that would run for ever does not reclaim what it is to reclaim.
        let _ = (0..WORK).all(|_| bindings::run_work());
        Property::Reclaimed.holds_if(Self::boosted() == probes);
        self.mm.mmput();
        self.is_gone();
    }

    /// All tasks are gone.
    fn is_gone(&self) {
        while bindings::run_work() {}
        Property::CountsAreRight.holds_if(bindings::counted() == [0; 6]);
    }
}

impl Thread {
    /// Hits a probe, and gets to its slot. `None` if the instruction is to be stepped.
    fn boost(&self, probe: Probe) -> Option<Step> {
        self.boost_after(probe, || ())
    }

    /// The same, but calls `pause` when the task is a reader and has not looked for a slot yet.
    fn boost_after(&self, probe: Probe, pause: fn()) -> Option<Step> {
        let Process { mm, boosted } = &*self.process;
        let Probe { key, bp_vaddr, .. } = probe;
        mm.set_key(bp_vaddr, key);
        // As in boost.c.
        let find = || {
            pause();
            // SAFETY: The process is there. The task is a reader while this is called.
            let mut vaddr = unsafe { boost::uprobe_boosted_find(*boosted, key, bp_vaddr) };
            if vaddr == 0 {
                // SAFETY: As above.
                vaddr = unsafe { boost::uprobe_boosted_make(*boosted, key, &probe.arch, bp_vaddr) };
                if vaddr != 0 && !mm.is_probed(probe.text) {
                    // SAFETY: As above.
                    unsafe { boost::uprobe_boosted_remove(*boosted, key, bp_vaddr) };
                }
            }
            (vaddr > UPROBE_BOOST_STEPPED as usize).then_some(vaddr)
        };
        let vaddr = self.user.hit(find)?;

        let page = self.process.page_at(vaddr);
        page.begin_bytes(vaddr % PAGE_SIZE / GRANULE, &probe.bytes(vaddr));
        Some(Step { probe, vaddr, page })
    }

    /// The task jumps out of its slot.
    fn jump(&self, step: Step) {
        #[cfg(not(feature = "loom"))]
        thread::yield_now();
        let Step { probe, vaddr, page } = step;
        // SAFETY: See `Step`.
        unsafe { &*page }.end_bytes(vaddr % PAGE_SIZE / GRANULE, &probe.bytes(vaddr));
        self.user.go_on_at(probe.bp_vaddr + arch_uprobe::LENGTH);
    }

    /// Hits a probe. Returns 1 if it was boosted, or 0.
    fn hit(&self, probe: Probe) -> isize {
        let step = self.boost(probe);
        let boosted = step.iter().len();
        step.into_iter().for_each(|step| self.jump(step));
        boosted as isize
    }

    /// Hits a probe whose slot must be found without a lock, or which is not boosted without one.
    fn hit_unlocked(&self, probe: Probe, boosted: isize) {
        let before = model::locks();
        Property::Boosted.holds_if(self.hit(probe) == boosted);
        Property::FoundUnlocked.holds_if(model::locks() == before);
    }
}

fn made() {
    let probe = Probe::new(0).pair();
    let process = Process::new(2);
    let other = process.spawn_hit(probe);
    let thread = process.thread();
    thread.hit(probe);
    other.join().unwrap();
    // If another task was about to add the area.
    process.mm.pass_time();
    Property::Boosted.holds_if(thread.hit(probe) == 1);
    thread.hit_unlocked(probe, 1);
    let [.., slots, _, areas] = bindings::counted();
    Property::MadeOnce.holds_if(slots == 1 && areas == 1);
    thread.hit(Probe::new(1));
    thread.hit_unlocked(probe, 1);
    process.is_left_clean(2);
}

fn written() {
    let (process, thread) = Process::with(&[Probe::new(0)]);
    let probe = Probe::new(1);
    // No page fault, which takes the lock, orders these.
    let other = process.spawn_hit(probe);
    thread.hit(probe);
    other.join().unwrap();
    thread.hit_unlocked(probe, 1);
    process.is_left_clean(2);
}

fn stepped() {
    let probe = Probe::new(1).out_of_reach();
    let (process, thread) = Process::with(&[Probe::new(0)]);
    let other = process.spawn_hit(probe);
    thread.hit(probe);
    other.join().unwrap();
    thread.hit_unlocked(probe, 0);
    process.remove(probe);
    process.is_left_clean(1);
}

fn reused() {
    let probe = Probe::new(0);
    let (process, thread) = Process::with(&[probe]);
    let other = process.spawn_hit(probe);
    process.remove(probe);
    bindings::run_work();
    let boosted = thread.hit(Probe::new(1));
    other.join().unwrap();
    process.is_left_clean(boosted);
}

fn late() {
    let (early, probe) = (Probe::new(0), Probe::new(1));
    let (process, thread) = Process::with(&[early, probe]);
    process.remove(early);
    let other = process.spawn_hit(probe);
    let remover = thread::spawn({
        let process = process.clone();
        move || process.remove(probe)
    });
    bindings::run_work();
    let boosted = [2, 3].map(|number| thread.hit(Probe::new(number)));
    other.join().unwrap();
    remover.join().unwrap();
    process.is_left_clean(boosted.iter().sum());
}

fn left() {
    let probe = Probe::new(0);
    let (process, thread) = Process::with(&[]);
    let staying = process.thread();
    let step = staying.boost(probe).unwrap();
    let vaddr = step.vaddr;
    process.remove(probe);
    bindings::run_work();
    Property::RightInstruction.holds_if(process.probe_at(vaddr) == Some(probe.bp_vaddr));
    process.mm.set_out_of_sight(true);
    bindings::run_work();
    process.mm.set_out_of_sight(false);

    let other = thread::spawn(move || {
        staying.jump(step);
        staying.user.exit();
    });
    bindings::run_work();
    thread.hit(Probe::new(1));
    other.join().unwrap();
    process.is_left_clean(1);
}

fn removed(probe: Probe) {
    let (process, _) = Process::with(&[Probe::new(0)]);
    let other = process.spawn_hit(probe);
    process.remove(probe);
    other.join().unwrap();
    process.is_left_clean(1);
}

fn spread() {
    let (first, last) = (Probe::alike(0), Probe::alike(1));
    let (process, thread) = Process::with(&[first, last]);
    let other = process.spawn_hit(first);
    let slots = process.slots();
    slots
        .table
        .spread(usize::MAX, &mut slots.inner.lock().locked);
    other.join().unwrap();
    thread.hit_unlocked(first, 1);
    thread.hit_unlocked(last, 1);
    process.is_left_clean(2);
}

/// Probes whose slots fill a page. The first and the last one are alike.
fn page_of_slots() -> Vec<Probe> {
    let between = (2..PAGE_SIZE / GRANULE).map(Probe::other);
    let first = [Probe::alike(0)].into_iter();
    first.chain(between).chain([Probe::alike(1)]).collect()
}

fn grown() {
    let probes = page_of_slots();
    let (process, thread) = Process::with(&probes);
    let other = process.spawn_hit(probes[0]);
    let boosted = thread.hit(Probe::alike(2));
    other.join().unwrap();
    process.is_left_clean(probes.len() as isize + boosted);
}

fn freed() {
    freed_before(|| ());
}

fn relinked() {
    // Loom does not try by itself to stop the reader here: it overlooks that others write what the
    // reader reads next, because they have read it themselves before that.
    freed_before(thread::yield_now);
}

/// A task follows a chain, after `pause`, which led to a page that is given back.
fn freed_before(pause: fn()) {
    let probes = page_of_slots();
    let (process, thread) = Process::with(&probes);
    let (staying, last) = (probes[0], Probe::alike(1));
    let [behind, before, again] = [2, 3, 4].map(Probe::alike);
    thread.hit(behind);
    // Makes room on the first page, which is not given back.
    process.remove(last);
    bindings::run_work();
    thread.hit(before);
    process.remove(before);
    process.remove(behind);

    let other = process.spawn_slow_hit(staying, pause);
    bindings::run_work();
    let boosted = thread.hit(again);
    other.join().unwrap();
    process.is_left_clean(probes.len() as isize - 1 + boosted);
}

fn asked() {
    let probes = page_of_slots();
    let (process, thread) = Process::with(&probes);
    let [gone, new] = [2, 3].map(Probe::alike);
    let vaddr = AREAS + PAGE_SIZE;
    thread.hit(gone);
    Property::RightInstruction.holds_if(process.probe_at(vaddr) == Some(gone.bp_vaddr));
    process.remove(gone);

    let other = thread::spawn({
        let process = process.clone();
        move || process.probe_at(vaddr)
    });
    bindings::run_work();
    // On another page, at the same address. The hit is a step if the reader has the lock.
    let boosted = thread.hit(new);
    other.join().unwrap();
    process.is_left_clean(probes.len() as isize + boosted);
}

fn read() {
    let probes = page_of_slots();
    let (process, thread) = Process::with(&probes);
    let vaddr = AREAS + PAGE_SIZE;
    let other = process.spawn_read(vaddr);
    thread.hit(Probe::alike(2));
    other.join().unwrap();
    let before = model::locks();
    // SAFETY: The process is there.
    let page = unsafe { boost::uprobe_boosted_page(process.boosted, AREAS, 1) };
    Property::Boosted.holds_if(!page.is_null());
    Property::FoundUnlocked.holds_if(model::locks() == before);
    process.is_left_clean(probes.len() as isize + 1);
}

fn read_freed() {
    let probes = page_of_slots();
    let (process, thread) = Process::with(&probes);
    let [gone, new] = [2, 3].map(Probe::alike);
    thread.hit(gone);
    process.remove(gone);

    let other = process.spawn_read(AREAS + PAGE_SIZE);
    bindings::run_work();
    // On another page, at the same address. The hit is a step if the reader has the lock.
    let boosted = thread.hit(new);
    other.join().unwrap();
    process.is_left_clean(probes.len() as isize + boosted);
}

fn full() {
    let unmapped = Probe::new(0);
    let others = (1..SLOTS).map(Probe::other);
    let probes: Vec<_> = [unmapped].into_iter().chain(others).collect();
    let (process, thread) = Process::with(&probes);
    let more = Probe::new(1);
    Property::Boosted.holds_if(thread.hit(more) == 0);
    thread.hit_unlocked(more, 0);

    process.mm.remove_breakpoint(unmapped.text);
    bindings::run_work();
    thread.hit_unlocked(more, 0);
    process.mm.pass_time();
    Property::Boosted.holds_if(thread.hit(more) == 1);
    process.is_left_clean(SLOTS as isize);
}

fn gone() {
    let probe = Probe::new(0);
    let (process, _) = Process::with(&[probe]);
    process.remove(probe);
    // What is queued must not be queued again for ever.
    process.mm.mmput();
    process.is_gone();
}

fn crowded() {
    let gone: Vec<_> = (0..LONGEST_CHAIN).map(Probe::alike).collect();
    let process = Process::new(gone.len().div_ceil(SLOTS) + 1);
    let thread = process.thread();
    for &probe in &gone {
        Property::Boosted.holds_if(thread.hit(probe) == 1);
    }
    let new = Probe::alike(gone.len());
    Property::Boosted.holds_if(thread.hit(new) == 0);
    thread.hit_unlocked(new, 0);
    // Some of them may be in the same chain, but not all.
    let others = (1..4).map(|number| thread.hit(Probe::new(number)));
    let boosted: isize = others.sum();
    Property::Boosted.holds_if(boosted > 0);
    bindings::run_work();
    Property::Boosted.holds_if(thread.hit(new) == 1);
    process.is_left_clean(1 + boosted);
}

fn exit() {
    let probe = Probe::new(0);
    let (process, _) = Process::with(&[probe]);
    let remover = thread::spawn({
        let process = process.clone();
        move || {
            if process.mm.mmget_not_zero() {
                process.remove(probe);
                process.mm.mmput();
            }
        }
    });
    let worker = thread::spawn(bindings::run_work);
    process.mm.mmput();
    remover.join().unwrap();
    worker.join().unwrap();
    process.is_gone();
}
