// SPDX-License-Identifier: GPL-2.0

//! The callers of the function that runs: the calls of one processor, as seen from entries of
//! functions.
//!
//! Returns are not seen. A frame is removed when a function is entered with the same or a higher
//! stack pointer, or when a function below it runs.

use crate::symbols::{Function, Group};

/// The innermost function of a group that runs, and its group; none if no function of a group runs.
pub type Cause = Option<(Group, Function)>;

/// The alignment and size of a task's stack, as a power of two: Linux on x86-64, arm64 and
/// riscv64.
const STACK_SHIFT: u32 = 14;

/// Bytes that are used of a stack that may not be aligned, as those of interrupts on arm64.
const MOST_USED: u64 = 12 << 10;

/// The number of frames that are remembered of a stack. No kernel calls that deep.
const MOST_FRAMES: usize = 256;

/// The number of stacks that are remembered: of the task, of interrupts, and of other tasks.
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
    /// The last stack is the one in use.
    stacks: Vec<Stack>,
}

impl Calls {
    /// Records that a function is entered. Returns its cause.
    pub fn enter(&mut self, function: Function, group: Option<Group>, pointer: u64) -> Cause {
        let stack = self.switch(pointer);
        while stack
            .frames
            .last()
            .is_some_and(|top| top.pointer <= pointer)
        {
            stack.frames.pop();
        }
        let inherited = stack.frames.last().and_then(|top| top.cause);
        let cause = group.map(|group| (group, function)).or(inherited);
        if stack.frames.len() < MOST_FRAMES {
            stack.frames.push(Frame {
                pointer,
                function,
                cause,
            });
        }
        cause
    }

    /// Returns the cause of `function`, which was seen to run now.
    pub fn cause(&mut self, function: Option<Function>) -> Cause {
        let top = self.stacks.last().and_then(|stack| stack.frames.last());
        let top = top?;
        let Some(function) = function else {
            return top.cause;
        };
        if top.function == function {
            return top.cause;
        }
        // The processor returned to the function, maybe on another stack. A function that was never
        // entered is code of no function: it has the cause of the function that runs.
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

    const WORK: Group = Group(0);
    const CALLBACK: Group = Group(1);
    const INTERRUPT: Group = Group(2);

    const STACK: u64 = 0xffff_8880_0010_0000;
    const OTHER_STACK: u64 = 0xffff_8880_0020_0000;

    /// The processor runs a function of a group, which a function of none called.
    fn in_work() -> Calls {
        let mut calls = Calls::default();
        assert_eq!(calls.enter(LOOP, None, STACK + 900), None);
        let cause = calls.enter(NOTIFY, Some(WORK), STACK + 800);
        assert_eq!(cause, Some((WORK, NOTIFY)));
        calls
    }

    /// Checks that a function has the cause of its caller.
    #[test]
    fn a_caller_is_the_cause() {
        let mut calls = in_work();
        calls.enter(MEMCPY, None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((WORK, NOTIFY)));
        assert_eq!(calls.cause(Some(NOTIFY)), Some((WORK, NOTIFY)));
        assert_eq!(calls.cause(Some(LOOP)), None);
        // Called by a function of no group this time.
        calls.enter(MEMCPY, None, STACK + 800);
        assert_eq!(calls.cause(Some(MEMCPY)), None);
    }

    /// Checks that the innermost function of a group is the cause.
    #[test]
    fn the_innermost_group_is_the_cause() {
        let mut calls = in_work();
        calls.enter(DISPATCH, Some(CALLBACK), STACK + 700);
        calls.enter(MEMCPY, None, STACK + 600);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((CALLBACK, DISPATCH)));
        assert_eq!(calls.cause(Some(NOTIFY)), Some((WORK, NOTIFY)));
        calls.enter(MEMCPY, None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((WORK, NOTIFY)));
    }

    /// Checks that a function at the same place of the stack replaces its caller.
    #[test]
    fn a_tail_call_takes_its_callers_place() {
        let mut calls = in_work();
        calls.enter(DISPATCH, Some(CALLBACK), STACK + 700);
        calls.enter(MEMCPY, None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((WORK, NOTIFY)));
    }

    /// Checks that the interrupted function has its cause again afterwards.
    #[test]
    fn an_interrupt_ends_where_it_began() {
        let mut calls = in_work();
        calls.enter(TICK, Some(INTERRUPT), OTHER_STACK + 900);
        calls.enter(MEMCPY, None, OTHER_STACK + 800);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((INTERRUPT, TICK)));
        assert_eq!(calls.cause(Some(NOTIFY)), Some((WORK, NOTIFY)));
        calls.enter(MEMCPY, None, STACK + 700);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((WORK, NOTIFY)));
    }

    /// Checks a stack that crosses an aligned address.
    #[test]
    fn an_interrupts_stack_need_not_be_aligned() {
        let mut calls = in_work();
        calls.enter(TICK, Some(INTERRUPT), OTHER_STACK + 100);
        calls.enter(MEMCPY, None, OTHER_STACK - 100);
        assert_eq!(calls.cause(Some(MEMCPY)), Some((INTERRUPT, TICK)));
    }

    /// Checks that the stacks beside one are others.
    #[test]
    fn tasks_do_not_share_calls() {
        let mut calls = in_work();
        let below = STACK - (1 << STACK_SHIFT) + 900;
        assert_eq!(calls.enter(MEMCPY, None, below), None);
        let above = STACK + (1 << STACK_SHIFT);
        assert_eq!(calls.enter(MEMCPY, None, above), None);
        assert_eq!(calls.cause(Some(NOTIFY)), Some((WORK, NOTIFY)));
    }

    /// Checks code that was never entered.
    #[test]
    fn code_of_no_function_has_the_cause_of_the_caller() {
        let mut calls = in_work();
        assert_eq!(calls.cause(None), Some((WORK, NOTIFY)));
        assert_eq!(calls.cause(Some(COLD)), Some((WORK, NOTIFY)));
        assert_eq!(Calls::default().cause(Some(COLD)), None);
    }

    /// Checks the limits for frames and stacks.
    #[test]
    fn memory_is_bounded() {
        let mut calls = Calls::default();
        for task in 0..100 {
            for depth in 0..1000 {
                let pointer = (task << STACK_SHIFT) + 8 * (2000 - depth);
                calls.enter(LOOP, None, pointer);
            }
        }
        assert_eq!(calls.stacks.len(), MOST_STACKS);
        let frames = calls.stacks.iter().map(|stack| stack.frames.len());
        assert!(frames.max().unwrap() <= MOST_FRAMES);
    }
}
