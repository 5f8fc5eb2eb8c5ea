//! The demo: every attack is refused, and a weakened responder is noticed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Scratch, program, run, sealmq};

/// What holds on every broker: all of it went well, and each attack was refused as it must be.
pub(crate) fn assert_all_refused(report: &Value) {
    let attacks = report["attacks"].as_array().unwrap();
    let found: BTreeMap<_, _> =
        attacks.iter().map(|attack| (attack["name"].as_str().unwrap(), attack)).collect();
    assert_eq!(found.len(), EXPECTED.len());
    for (name, code) in EXPECTED {
        let attack = found[name];
        assert_eq!(attack["impossible"], Value::Null, "{name}");
        assert_eq!(attack["refused"], true, "{name}");
        assert_eq!(attack["handed_out"], false, "{name}");
        assert_eq!(attack["code"], *code, "{name}");
        assert_eq!(attack["dead_letter_reason"], *code, "{name}");
        assert_eq!(attack["intact"], true, "{name}");
        assert_eq!(attack["twin_opens"], true, "{name}");
    }
    assert_eq!(report["not_empty"], json!([]));
    assert_eq!((&report["ok"], &report["problems"]), (&json!(true), &json!([])));
}

/// What holds on every broker: all messages arrived, and nobody saw a piece of one.
pub(crate) fn assert_all_arrived_unseen(report: &Value) {
    let roles = &report["roles"];
    assert_eq!(roles["initiator"]["answers_matched"], 24);
    assert_eq!(roles["responder"]["identical"], 24);
    assert_eq!(roles["observer"]["messages_seen"], 48);
    assert_eq!(roles["observer"]["unsealed"], 0);
    assert_eq!(roles["observer"]["search"]["frames_with_a_window"], 0);
    assert_eq!(roles["observer"]["search"]["control_bodies_found"], 24);
    assert!(report["rotation"]["in_flight"].as_u64().unwrap() > 0);
}

/// The attacks and the code that each must be refused with.
const EXPECTED: &[(&str, &str)] = &[
    ("flip a bit of the ciphertext", "authentication_failed"),
    ("flip a bit of the tag", "authentication_failed"),
    ("flip a bit of the commitment", "authentication_failed"),
    ("cut off the last byte", "authentication_failed"),
    ("edit the message id", "authentication_failed"),
    ("edit the message type", "authentication_failed"),
    ("edit the session id", "authentication_failed"),
    ("edit a bound attribute", "authentication_failed"),
    ("take an attribute off the bound list", "authentication_failed"),
    ("edit the reply-to queue", "authentication_failed"),
    ("pin an answer on another request", "authentication_failed"),
    ("move to another queue", "authentication_failed"),
    ("move to another tenant", "authentication_failed"),
    ("replay a completed message", "replayed"),
    ("strip the marker", "plaintext_rejected"),
    ("inject a plaintext", "plaintext_rejected"),
    ("name another known key", "authentication_failed"),
    ("seal with an unknown key", "key_not_found"),
    ("seal with a false key of a known id", "authentication_failed"),
    ("deliver a message 5 days late", "message_expired"),
    ("redate that message to now", "authentication_failed"),
    ("deliver a message from the future", "message_from_future"),
    ("claim another version", "unsupported_version"),
    ("claim an unknown suite", "unsupported_suite"),
    ("claim another known suite", "authentication_failed"),
];

fn report<const N: usize>(arguments: [&str; N]) -> Value {
    let run = run(program().args(["demo", "--json"]).args(arguments), b"");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr); // a slow run says how far it is
    run.json()
}

/// The names of the attacks that were not refused, and the exit code.
fn let_through_without(defence: &str) -> (Vec<String>, i32) {
    let run = sealmq(["demo", "--json", "--weaken", defence]);
    let report = run.json();
    assert_eq!(report["ok"], false);
    assert_eq!(report["weakened"], defence);
    let attacks = report["attacks"].as_array().unwrap();
    let passed = attacks.iter().filter(|attack| attack["refused"] == false);
    let names = passed.map(|attack| {
        let name = attack["name"].as_str().unwrap();
        assert_eq!(attack["handed_out"], true, "{name}");
        assert!(run.stderr.contains(name), "{}", run.stderr);
        name.to_owned()
    });
    (names.collect(), run.code)
}

#[test]
fn every_attack_is_refused_with_its_code_and_dead_lettered_intact() {
    assert_all_refused(&report([]));
}

#[test]
fn all_messages_arrive_and_all_answers_are_matched() {
    let report = report([]);
    assert_all_arrived_unseen(&report);
    let roles = &report["roles"];
    assert_eq!(roles["initiator"]["sent"], 24);
    assert_eq!(roles["initiator"]["bytes_sent"], roles["responder"]["bytes_opened"]);
}

#[test]
fn the_observer_sees_every_message_and_no_piece_of_a_body() {
    let observer = &report([])["roles"]["observer"];
    assert_eq!(observer["messages_seen"], 48);
    assert_eq!(observer["unsealed"], 0);
    let search = &observer["search"];
    assert_eq!(search["frames_with_a_window"], 0);
    assert!(search["windows"].as_u64().unwrap() > 10_000);
    assert_eq!(search["control_bodies_found"], 24);
    let first_bytes = observer["samples"][0]["first_bytes"].as_str().unwrap();
    assert!(first_bytes.starts_with("51524531"), "{first_bytes}"); // QRE1
    assert_eq!(
        observer["cleartext"]["attributes"],
        json!(["sealmq-bound=source", "source=github"])
    );
}

#[test]
fn the_key_rotates_with_requests_under_way() {
    let report = report([]);
    let rotation = &report["rotation"];
    assert!(rotation["in_flight"].as_u64().unwrap() > 0);
    assert_eq!(rotation["failures"], 0);
    let by_key = &report["roles"]["responder"]["requests_by_key"];
    assert_eq!(*by_key, json!({ "demo-key-a": 12, "demo-key-b": 12 }));
}

#[test]
fn a_plaintext_that_gets_through_fails_the_demo() {
    let expected = vec!["strip the marker".to_owned(), "inject a plaintext".to_owned()];
    assert_eq!(let_through_without("plaintext"), (expected, 1));
}

#[test]
fn a_replay_that_gets_through_fails_the_demo() {
    let expected = vec!["replay a completed message".to_owned()];
    assert_eq!(let_through_without("replay"), (expected, 1));
}

#[test]
fn an_expired_message_that_gets_through_fails_the_demo() {
    let expected = vec!["deliver a message 5 days late".to_owned()];
    assert_eq!(let_through_without("age"), (expected, 1));
}

#[test]
fn a_larger_count_begins_again_with_the_first_line() {
    let report = report(["--count", "60"]);
    assert_eq!(report["input"]["lines"], 24);
    assert_eq!(report["roles"]["responder"]["identical"], 60);
}

#[test]
fn one_message_is_enough() {
    let report = report(["--count", "1"]);
    let by_key = &report["roles"]["responder"]["requests_by_key"];
    assert_eq!(*by_key, json!({ "demo-key-a": 1 }));
}

#[test]
fn the_lines_of_a_file_are_sent_as_they_are() {
    let scratch = Scratch::new();
    let lines = "{\"event\":\"greeting\",\"text\":\"h\u{e9}llo \u{1f980}\"}\r\n\n7\n";
    let report = report(["--input", &scratch.file("lines.jsonl", lines)]);
    let first_line_bytes = lines.find('\r').unwrap();
    assert_eq!(report["input"]["bytes"], first_line_bytes + 1);
    let types = &report["roles"]["observer"]["cleartext"]["message_types"];
    assert_eq!(*types, json!(["acknowledgement", "greeting", "message"]));
}

#[test]
fn the_page_is_plain_and_fits_80_columns_when_it_is_no_terminal() {
    let run = sealmq(["demo"]);
    let page = &run.stdout;
    assert!(!page.contains('\x1b'));
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(page.contains("25 of 25 attacks refused"), "{page}");
    for (name, code) in EXPECTED {
        let shown = page.lines().any(|line| line.contains(name) && line.contains(code));
        assert!(shown, "{name}");
    }
}

#[test]
fn weakening_is_no_public_option() {
    assert!(!sealmq(["demo", "--help"]).assert_ok().contains("weaken"));
}

#[test]
fn the_log_of_the_library_stays_on_stderr() {
    let run = run(program().args(["demo", "--json"]).env("RUST_LOG", "sealmq=error"), b"");
    assert_eq!(run.json()["ok"], true);
    assert!(run.stderr.contains("Message rejected"), "{}", run.stderr);
}
