// SPDX-License-Identifier: GPL-2.0

//! Who called the function that runs: the calls of one processor, as seen from entries of
//! functions.
//!
//! Returns are not seen. A frame is gone when a function is entered with no less stack, or when a
//! function below it runs.

use crate::symbols::{Function, Role};

/// On whose behalf an instruction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// This function of uprobes, which is the innermost one that runs.
    Uprobes(Function),
    /// What the probe was made for: perf, BPF.
    Consumer,
    Interrupt,
    Scheduler,
    Other,
}

/// Tasks' stacks are aligned by their size, which is this on x86-64 and arm64.
const STACK_SHIFT: u32 = 14;

/// What is used of a stack that may not be aligned, which those of interrupts are on arm64.
const MOST_USED: u64 = 12 << 10;

/// No kernel calls that deep.
const MOST_FRAMES: usize = 256;

/// Stacks that are remembered: of the task, of interrupts, and of tasks that ran meanwhile.
const MOST_STACKS: usize = 8;

struct Frame {
    /// The stack pointer when the function was entered.
    pointer: u64,
    function: Function,
    cause: Cause,
}

struct Stack {
    /// The highest stack pointer that was seen.
    highest: u64,
    frames: Vec<Frame>,
}

impl Stack {
    fn holds(&self, pointer: u64) -> bool {
        let used = self.highest.checked_sub(pointer);
        pointer >> STACK_SHIFT == self.highest >> STACK_SHIFT
            || used.is_some_and(|used| used < MOST_USED)
    }
}

/// The calls of a processor.
#[derive(Default)]
pub struct Calls {
    /// The one that is in use is the last one.
    stacks: Vec<Stack>,
}

impl Calls {
    /// A function is entered. Returns what it runs for.
    pub fn enter(&mut self, function: Function, role: Role, pointer: u64) -> Cause {
        let stack = self.switch(pointer);
        while stack
            .frames
            .last()
            .is_some_and(|top| top.pointer <= pointer)
        {
            stack.frames.pop();
        }
        let inherited = stack.frames.last().map_or(Cause::Other, |top| top.cause);
        let cause = match role {
            Role::Uprobes => Cause::Uprobes(function),
            Role::Consumer => Cause::Consumer,
            Role::Interrupt => Cause::Interrupt,
            Role::Scheduler => Cause::Scheduler,
            Role::None => inherited,
        };
        if stack.frames.len() < MOST_FRAMES {
            stack.frames.push(Frame {
                pointer,
                function,
                cause,
            });
        }
        cause
    }

    /// What `function` runs for, which was seen to run now.
    pub fn cause(&mut self, function: Option<Function>) -> Cause {
        let top = self.stacks.last().and_then(|stack| stack.frames.last());
        let Some(top) = top else {
            return Cause::Other;
        };
        let Some(function) = function else {
            return top.cause;
        };
        if top.function == function {
            return top.cause;
        }
        // It was returned to, maybe on another stack. If it was never entered, as is the case
        // with code that is not a function's, it belongs to what runs.
        let mut places = self.stacks.iter().enumerate().rev();
        let found = places.find_map(|(number, stack)| {
            let is_it = |frame: &Frame| frame.function == function;
            Some((number, stack.frames.iter().rposition(is_it)?))
        });
        let Some((number, frame)) = found else {
            return top.cause;
        };
        let mut stack = self.stacks.remove(number);
        stack.frames.truncate(frame + 1);
        let cause = stack.frames[frame].cause;
        self.stacks.push(stack);
        cause
    }

    /// Makes the stack with `pointer` the one that is in use.
    fn switch(&mut self, pointer: u64) -> &mut Stack {
        let is_it = |stack: &Stack| stack.holds(pointer);
        if !self.stacks.last().is_some_and(is_it) {
            let known = self.stacks.iter().rposition(is_it);
            let stack = match known {
                Some(at) => self.stacks.remove(at),
                None => Stack {
                    highest: pointer,
                    frames: Vec::new(),
                },
            };
            if self.stacks.len() == MOST_STACKS {
                self.stacks.remove(0);
            }
            self.stacks.push(stack);
        }
        let stack = self.stacks.last_mut().expect("one was pushed");
        stack.highest = stack.highest.max(pointer);
        stack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOP: Function = Function(0);
    const NOTIFY: Function = Function(1);
    const MEMCPY: Function = Function(2);
    const DISPATCH: Function = Function(3);
    const TICK: Function = Function(4);
    const COLD: Function = Function(5);

    const STACK: u64 = 0xffff_8880_0010_0000;
    const OTHER_STACK: u64 = 0xffff_8880_0020_0000;

    /// In uprobe_notify_resume(), which exit_to_user_mode_loop() called.
    fn in_uprobes() -> Calls {
        let mut calls = Calls::default();
        assert_eq!(calls.enter(LOOP, Role::None, STACK + 900), Cause::Other);
        let cause = calls.enter(NOTIFY, Role::Uprobes, STACK + 800);
        assert_eq!(cause, Cause::Uprobes(NOTIFY));
        calls
    }

    #[test]
    fn what_uprobes_call_is_theirs() {
        let mut calls = in_uprobes();
        calls.enter(MEMCPY, Role::None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Uprobes(NOTIFY));
        assert_eq!(calls.cause(Some(NOTIFY)), Cause::Uprobes(NOTIFY));
        assert_eq!(calls.cause(Some(LOOP)), Cause::Other);
        // Not called by uprobes this time.
        calls.enter(MEMCPY, Role::None, STACK + 800);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Other);
    }

    #[test]
    fn what_their_consumers_do_is_not() {
        let mut calls = in_uprobes();
        calls.enter(DISPATCH, Role::Consumer, STACK + 700);
        calls.enter(MEMCPY, Role::None, STACK + 600);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Consumer);
        assert_eq!(calls.cause(Some(NOTIFY)), Cause::Uprobes(NOTIFY));
        calls.enter(MEMCPY, Role::None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Uprobes(NOTIFY));
    }

    #[test]
    fn a_tail_call_takes_its_callers_place() {
        let mut calls = in_uprobes();
        calls.enter(DISPATCH, Role::Consumer, STACK + 700);
        calls.enter(MEMCPY, Role::None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Uprobes(NOTIFY));
    }

    #[test]
    fn an_interrupt_ends_where_it_came() {
        let mut calls = in_uprobes();
        calls.enter(TICK, Role::Interrupt, OTHER_STACK + 900);
        calls.enter(MEMCPY, Role::None, OTHER_STACK + 800);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Interrupt);
        assert_eq!(calls.cause(Some(NOTIFY)), Cause::Uprobes(NOTIFY));
        calls.enter(MEMCPY, Role::None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Uprobes(NOTIFY));
    }

    #[test]
    fn an_interrupts_stack_need_not_be_aligned() {
        let mut calls = in_uprobes();
        calls.enter(TICK, Role::Interrupt, OTHER_STACK + 100);
        calls.enter(MEMCPY, Role::None, OTHER_STACK - 100);
        assert_eq!(calls.cause(Some(MEMCPY)), Cause::Interrupt);
    }

    #[test]
    fn tasks_do_not_share_calls() {
        let mut calls = in_uprobes();
        let below = STACK - (1 << STACK_SHIFT) + 900;
        assert_eq!(calls.enter(MEMCPY, Role::None, below), Cause::Other);
        let above = STACK + (1 << STACK_SHIFT);
        assert_eq!(calls.enter(MEMCPY, Role::None, above), Cause::Other);
        assert_eq!(calls.cause(Some(NOTIFY)), Cause::Uprobes(NOTIFY));
    }

    #[test]
    fn code_of_no_function_belongs_to_what_runs() {
        let mut calls = in_uprobes();
        assert_eq!(calls.cause(None), Cause::Uprobes(NOTIFY));
        assert_eq!(calls.cause(Some(COLD)), Cause::Uprobes(NOTIFY));
        assert_eq!(Calls::default().cause(Some(COLD)), Cause::Other);
    }

    #[test]
    fn memory_is_bounded() {
        let mut calls = Calls::default();
        for task in 0..100 {
            for depth in 0..1000 {
                let pointer = (task << STACK_SHIFT) + 8 * (2000 - depth);
                calls.enter(LOOP, Role::None, pointer);
            }
        }
        assert_eq!(calls.stacks.len(), MOST_STACKS);
        let frames = calls.stacks.iter().map(|stack| stack.frames.len());
        assert!(frames.max().unwrap() <= MOST_FRAMES);
    }
}
