// SPDX-License-Identifier: GPL-2.0
//! TAP and KTAP: the results of kselftests and of KUnit.
//!
//! Both nest: KUnit indents the output of a suite's cases, and the kselftest runner puts "# "
//! before each line of a test program. A result that follows a nested block stands for the block.
//! It is not counted in addition to the block's cases.

use std::iter::Peekable;
use std::vec::IntoIter;

/// The result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    Skip,
    /// The case failed, which is expected.
    ExpectedFailure,
}

/// A test case, or a fault of the run that is reported like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The names of the enclosing blocks and of the case: `suite/case`.
    pub name: String,
    pub verdict: Verdict,
    /// The reason, if the output has one.
    pub detail: String,
}

impl Case {
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Fail,
            detail: detail.into(),
        }
    }
}

/// Reads all cases in the output of a run. Lines that are neither TAP nor KTAP are skipped. A block
/// must have a plan, and as many cases as the plan says.
pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Case> {
    let mut parser = Parser(tokens(lines).into_iter().peekable());
    let mut cases = Vec::new();
    while let Some(depth) = parser.depth() {
        cases.extend(parser.block(depth));
    }
    if cases.is_empty() {
        cases.push(Case::failed("results", "there are none"));
    }
    cases
}

enum Token {
    Version,
    Plan {
        planned: usize,
        skip: Option<String>,
    },
    Result(Case),
    BailOut(String),
}

struct Parser(Peekable<IntoIter<(usize, Token)>>);

impl Parser {
    fn depth(&mut self) -> Option<usize> {
        self.0.peek().map(|&(depth, _)| depth)
    }

    /// Reads a block whose lines are at `depth`, with its nested blocks.
    fn block(&mut self, depth: usize) -> Vec<Case> {
        let mut planned = None;
        let mut results = 0;
        let mut cases = Vec::new();
        let mut nested: Vec<Case> = Vec::new();
        while let Some(next) = self.depth() {
            if next > depth {
                nested.extend(self.block(next));
                continue;
            }
            let begun = planned.is_some() || results > 0;
            if next < depth || begun && matches!(self.0.peek(), Some((_, Token::Version))) {
                break;
            }
            match self.0.next() {
                Some((_, Token::Plan { planned: n, skip })) => {
                    planned = Some(n);
                    cases.extend(skip.map(|detail| Case {
                        name: "all".into(),
                        verdict: Verdict::Skip,
                        detail,
                    }));
                }
                Some((_, Token::Result(case))) => {
                    results += 1;
                    cases.extend(with_nested(case, std::mem::take(&mut nested)));
                }
                Some((_, Token::BailOut(reason))) => cases.push(Case::failed("bail out", reason)),
                Some((_, Token::Version)) | None => {}
            }
        }
        if !nested.is_empty() {
            cases.append(&mut nested);
            cases.push(Case::failed("result", "the run ended before it came"));
        }
        match planned {
            Some(planned) if planned == results => {}
            Some(planned) => {
                let detail = format!("{planned} cases planned, {results} reported");
                cases.push(Case::failed("plan", detail));
            }
            None => cases.push(Case::failed("plan", format!("none for {results} cases"))),
        }
        cases
    }
}

/// Puts the cases of a nested block under their parent's name. The parent itself counts if the
/// block has no cases, or if the parent failed and no case explains why.
fn with_nested(parent: Case, mut nested: Vec<Case>) -> Vec<Case> {
    let explained = nested.iter().any(|case| case.verdict == Verdict::Fail);
    for case in &mut nested {
        case.name = format!("{}/{}", parent.name, case.name);
    }
    if nested.is_empty() || parent.verdict == Verdict::Fail && !explained {
        nested.push(parent);
    }
    nested
}

fn tokens<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    // Text since the last result is the reason if the next case fails.
    let mut note = String::new();
    for line in lines {
        let (depth, text) = split_depth(after_timestamp(line));
        match token(text) {
            Some(mut token) => {
                if let Token::Result(case) = &mut token {
                    if case.verdict == Verdict::Fail && case.detail.is_empty() {
                        case.detail.clone_from(&note);
                    }
                    note.clear();
                }
                tokens.push((depth, token));
            }
            // The first line is the most useful one of KUnit.
            None if !note.contains("FAILED") => text.clone_into(&mut note),
            None => {}
        }
    }
    tokens
}

/// Strips the kernel log's `[    1.234567] `.
fn after_timestamp(line: &str) -> &str {
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(stamp, _)| stamp.trim().parse::<f64>().is_ok())
        .map_or(line, |(_, rest)| rest)
}

/// Strips indentation and the "# " of the kselftest runner.
fn split_depth(line: &str) -> (usize, &str) {
    let mut rest = line;
    while let Some(less) = rest.strip_prefix(' ').or_else(|| rest.strip_prefix("# ")) {
        rest = less;
    }
    (line.len() - rest.len(), rest.trim_end())
}

fn token(text: &str) -> Option<Token> {
    if text.starts_with("TAP version ") || text.starts_with("KTAP version ") {
        return Some(Token::Version);
    }
    if let Some(reason) = text.strip_prefix("Bail out!") {
        return Some(Token::BailOut(reason.trim().to_owned()));
    }
    if let Some(plan) = text.strip_prefix("1..") {
        let (number, skip) = match plan.split_once('#') {
            Some((number, reason)) => (number, Some(reason)),
            None => (plan, None),
        };
        return Some(Token::Plan {
            planned: number.trim().parse().ok()?,
            skip: skip.map(|reason| reason.trim().trim_start_matches("SKIP").trim().to_owned()),
        });
    }
    result(text).map(Token::Result)
}

/// Reads `ok 1 name` or `not ok 2 name # DIRECTIVE detail`.
fn result(text: &str) -> Option<Case> {
    let (ok, rest) = match text.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<u32>().ok()?;
    let (name, comment) = rest.split_once('#').unwrap_or((rest, ""));
    let comment = comment.trim();
    let (verdict, detail) = if let Some(reason) = comment.strip_prefix("SKIP") {
        (Verdict::Skip, reason)
    } else if let Some(reason) = comment.strip_prefix("XFAIL") {
        (Verdict::ExpectedFailure, reason)
    } else if ok {
        (Verdict::Pass, comment)
    } else {
        (Verdict::Fail, comment)
    };
    let (mut name, mut detail) = (name.trim().trim_start_matches("- "), detail.trim());
    // The kselftest helpers put the directive before the name.
    if name.is_empty() {
        (name, detail) = (detail, "");
    }
    Some(Case {
        name: if name.is_empty() { number } else { name }.to_owned(),
        verdict,
        detail: detail.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, verdict: Verdict, detail: &str) -> Case {
        Case {
            name: name.into(),
            verdict,
            detail: detail.into(),
        }
    }

    fn pass(name: &str) -> Case {
        case(name, Verdict::Pass, "")
    }

    /// Checks that suites in a kernel log are read.
    #[test]
    fn kunit_suites_in_a_kernel_log() {
        let log = "\
[    0.100000] Run /init
[    0.200000] KTAP version 1
[    0.200001] 1..2
[    0.200002]     KTAP version 1
[    0.200003]     # Subtest: slots
[    0.200004]     1..2
[    0.200005]     ok 1 taken
[    0.200006] clocksource: tsc
[    0.200007]     # given_back: EXPECTATION FAILED at task.rs:7
[    0.200008]     Expected a == b
[    0.200009]     not ok 2 given_back
[    0.200010] # slots: pass:1 fail:1 skip:0 total:2
[    0.200011] # Totals: pass:1 fail:1 skip:0 total:2
[    0.200012] not ok 1 slots
[    0.200013]     KTAP version 1
[    0.200014]     # Subtest: area
[    0.200015]     1..1
[    0.200016]     ok 1 mapped # SKIP no mm
[    0.200017] ok 2 area
[    0.300000] Freeing unused memory";
        assert_eq!(
            parse(log.lines()),
            [
                pass("slots/taken"),
                case(
                    "slots/given_back",
                    Verdict::Fail,
                    "given_back: EXPECTATION FAILED at task.rs:7"
                ),
                case("area/mapped", Verdict::Skip, "no mm"),
            ]
        );
    }

    /// Checks that the runner's prefixes are removed.
    #[test]
    fn kselftests_through_their_runner() {
        let output = "\
TAP version 13
1..3
# timeout set to 120
# selftests: uprobes: same_effect
# TAP version 13
# 1..2
# ok 1 nop
# # rax differs
# not ok 2 ret
# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0
not ok 1 selftests: uprobes: same_effect # exit=1
# timeout set to 45
# selftests: uprobes: plain
ok 2 selftests: uprobes: plain
# selftests: uprobes: expected
# TAP version 13
# 1..1
# ok 1 # XFAIL pushf, 1 thread: the trap flag is stored
ok 3 selftests: uprobes: expected
# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:0 error:0";
        assert_eq!(
            parse(output.lines()),
            [
                pass("selftests: uprobes: same_effect/nop"),
                case(
                    "selftests: uprobes: same_effect/ret",
                    Verdict::Fail,
                    "rax differs"
                ),
                pass("selftests: uprobes: plain"),
                case(
                    "selftests: uprobes: expected/pushf, 1 thread: the trap flag is stored",
                    Verdict::ExpectedFailure,
                    ""
                ),
            ]
        );
    }

    /// Checks that a failure after the last case is not lost.
    #[test]
    fn a_test_that_fails_after_its_last_case_is_counted() {
        let output = "\
TAP version 13
1..1
# TAP version 13
# 1..1
# ok 1 nop
not ok 1 t # TIMEOUT 45 seconds";
        assert_eq!(
            parse(output.lines()),
            [
                pass("t/nop"),
                case("t", Verdict::Fail, "TIMEOUT 45 seconds")
            ]
        );
    }

    /// Checks that a block without its plan, or with too few cases, is a failure.
    #[test]
    fn plans_must_be_there_and_kept() {
        let short = "TAP version 13\n1..3\nok 1 a\nok 2 b";
        assert_eq!(
            parse(short.lines())[2],
            Case::failed("plan", "3 cases planned, 2 reported")
        );
        let none = "TAP version 13\nok 1 a";
        assert_eq!(
            parse(none.lines())[1],
            Case::failed("plan", "none for 1 cases")
        );
        let nested = "TAP version 13\n1..1\n# TAP version 13\n# 1..2\n# ok 1 x\nok 1 t";
        assert_eq!(
            parse(nested.lines()),
            [
                pass("t/x"),
                Case::failed("t/plan", "2 cases planned, 1 reported")
            ]
        );
    }

    /// Checks that a block without an end is a failure.
    #[test]
    fn a_run_that_breaks_off_is_a_failure() {
        let output = "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# ok 1 x";
        assert_eq!(
            parse(output.lines()),
            [
                pass("x"),
                Case::failed("result", "the run ended before it came"),
                Case::failed("plan", "1 cases planned, 0 reported"),
            ]
        );
        assert_eq!(
            parse(["nothing here"]),
            [Case::failed("results", "there are none")]
        );
    }

    /// Checks that a skipped block and a bail-out are reported.
    #[test]
    fn skipped_as_a_whole_and_bailed_out() {
        let skipped =
            "TAP version 13\n1..1\n# TAP version 13\n# 1..0 # SKIP no uprobes\nok 1 t # SKIP";
        assert_eq!(
            parse(skipped.lines()),
            [case("t/all", Verdict::Skip, "no uprobes")]
        );
        let bailed = "TAP version 13\n1..1\nBail out! no memory";
        assert_eq!(
            parse(bailed.lines())[0],
            Case::failed("bail out", "no memory")
        );
    }

    /// Checks that a plan after the cases is accepted.
    #[test]
    fn a_plan_may_come_last() {
        let output = "TAP version 13\n1..1\n# TAP version 13\n# ok 1 x\n# 1..1\nok 1 t";
        assert_eq!(parse(output.lines()), [pass("t/x")]);
    }

    /// Checks that blocks that follow each other are all read.
    #[test]
    fn several_runs_in_one_log() {
        let log = "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..1\nok 1 b";
        assert_eq!(parse(log.lines()), [pass("a"), pass("b")]);
    }
}
