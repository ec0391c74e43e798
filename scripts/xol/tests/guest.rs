// SPDX-License-Identifier: GPL-2.0
//! Tests of the scripts that report upstream's tests in guests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn script(name: &str) -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest");
    scripts.join(name)
}

fn as_kselftest(limit: &str, command: &str) -> String {
    let output = Command::new("bash")
        .arg(script("as-kselftest"))
        .args([limit, "kind: name", "sh", "-c", command])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_s_status_and_output_are_reported() {
    let begin = "TAP version 13\n1..1\n";
    assert_eq!(
        as_kselftest("60", "echo TAP version 13; echo 1..1; printf 'ok 1 x'"),
        format!("{begin}# TAP version 13\n# 1..1\n# ok 1 x\nok 1 kind: name\n")
    );
    assert_eq!(
        as_kselftest("60", "echo bad >&2; exit 3"),
        format!("{begin}# bad\nnot ok 1 kind: name # exit=3\n")
    );
    assert_eq!(
        as_kselftest("60", "echo no such thing; echo; exit 4"),
        format!("{begin}# no such thing\n# \nok 1 kind: name # SKIP no such thing\n")
    );
}

#[test]
fn a_program_has_a_limit() {
    let text = as_kselftest("1", "sleep 1000");
    assert!(
        text.ends_with("\nnot ok 1 kind: name # TIMEOUT 1 seconds\n"),
        "{text}"
    );
}

/// Runs the script on output of test_progs; returns its output and its status.
fn test_progs(said: &str) -> (String, Option<i32>) {
    // Guests have the awk of busybox.
    let mut awk = Command::new("busybox")
        .args(["awk", "-f"])
        .arg(script("test-progs.awk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = awk.stdin.take().unwrap();
    input.write_all(said.as_bytes()).unwrap();
    drop(input);
    let output = awk.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code())
}

#[test]
fn subtests_are_cases() {
    let said = "\
libbpf: something
run_it:FAIL:hits unexpected hits: actual 1 != expected 2
#462/1   uprobe_multi_test/skel_api:OK
#462/2   uprobe_multi_test/a/b with words:FAIL
#462/3   uprobe_multi_test/usdt:SKIP
#462     uprobe_multi_test:FAIL

All error logs:
run_it:FAIL:hits unexpected hits: actual 1 != expected 2
#462/2   uprobe_multi_test/a/b with words:FAIL
#462     uprobe_multi_test:FAIL
Summary: 0/1 PASSED, 1 SKIPPED, 1 FAILED
";
    let tap = "\
libbpf: something
run_it:FAIL:hits unexpected hits: actual 1 != expected 2
TAP version 13
ok 1 skel_api
not ok 2 a/b with words
ok 3 usdt # SKIP

1..3
";
    assert_eq!(test_progs(said), (tap.to_owned(), Some(0)));
}

#[test]
fn a_test_without_subtests_has_only_a_status() {
    let said = "#465     uretprobe_stack:OK\nSummary: 1/0 PASSED, 0 SKIPPED, 0 FAILED\n";
    let tap = "Summary: 1/0 PASSED, 0 SKIPPED, 0 FAILED\n";
    assert_eq!(test_progs(said), (tap.to_owned(), Some(0)));
    assert_eq!(
        test_progs("#463     uprobe_syscall:SKIP\n"),
        ("test_progs does not say why\n".to_owned(), Some(4))
    );
    let partly = "#5/1     usdt/basic:OK\n#5/2     usdt/x:SKIP\n#5       usdt:OK (SKIP: 1/2)\n";
    let (tap, status) = test_progs(partly);
    assert_eq!(tap, "TAP version 13\nok 1 basic\nok 2 x # SKIP\n1..2\n");
    assert_eq!(status, Some(0));
}
