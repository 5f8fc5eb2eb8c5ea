//! Bad input of the demo: refused with what to fix, before anything is sent.

use crate::support::{Run, Scratch, sealmq};

fn demo_of(bytes: impl AsRef<[u8]>) -> Run {
    let scratch = Scratch::new();
    sealmq(["demo", "--input", &scratch.file("lines.jsonl", bytes)])
}

#[test]
fn a_file_that_is_not_there() {
    sealmq(["demo", "--input", "no-such.jsonl"]).assert_refused(2, "cannot read no-such.jsonl");
}

#[test]
fn a_directory() {
    sealmq(["demo", "--input", "."]).assert_refused(2, "cannot read .: ");
}

#[test]
fn an_empty_file() {
    demo_of("").assert_refused(2, "lines.jsonl is empty");
    demo_of("\n \n").assert_refused(2, "lines.jsonl is empty");
}

#[test]
fn bytes_that_are_not_utf8() {
    demo_of(b"1\n2\n\"\xff\"\n").assert_refused(2, "lines.jsonl, line 3: not UTF-8");
}

#[test]
fn a_line_that_is_not_json() {
    demo_of("1\n\n{\"a\":\n4\n").assert_refused(2, "lines.jsonl, line 3: not JSON: ");
    demo_of("{} {}\n").assert_refused(2, "line 1: not JSON: trailing characters at column 4");
}

#[test]
fn an_event_that_no_broker_carries() {
    demo_of("{\"event\":\"a\\u0007\"}\n").assert_refused(2, "line 1: \"event\" must have");
}

#[test]
fn a_count_of_none() {
    sealmq(["demo", "--count", "0"]).assert_refused(2, "--count");
    sealmq(["demo", "--count", "many"]).assert_refused(2, "--count");
}

#[test]
fn bad_input_leaves_stdout_empty_with_json_too() {
    sealmq(["demo", "--json", "--input", "no-such.jsonl"]).assert_refused(2, "no-such.jsonl");
}

#[test]
fn no_command_at_all() {
    sealmq([]).assert_refused(2, "Usage: sealmq");
}
