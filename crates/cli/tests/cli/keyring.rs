//! Keyring files: made, listed, rotated, and refused when they must be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::support::{Run, Scratch, program, run, sealmq, text};

const PASSPHRASE: &str = "correct horse battery staple";

fn with_passphrase<const N: usize>(passphrase: &str, arguments: [&str; N]) -> Run {
    run(program().arg("keyring").args(arguments).env("SEALMQ_PASSPHRASE", passphrase), b"")
}

/// A keyring in the clear with one key.
fn clear_keyring(scratch: &Scratch) -> String {
    let file = text(&scratch.path("keys.json"));
    sealmq(["keyring", "init", &file, "--in-the-clear", "--key-id", "orders-1"]).assert_ok();
    file
}

#[test]
fn a_keyring_is_made_for_its_owner_alone_and_lists_its_key() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    let made = with_passphrase(PASSPHRASE, ["init", &file, "--key-id", "orders-1", "--json"]);
    made.assert_ok();
    let expected = json!({ "file": file, "protection": "passphrase", "current_key": "orders-1" });
    assert_eq!(made.json(), expected);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!fs::read_to_string(&file).unwrap().contains("orders-1"));
    let listed = with_passphrase(PASSPHRASE, ["list", &file]);
    assert_eq!(listed.assert_ok().lines().count(), 1);
    assert!(listed.stdout.contains("orders-1") && listed.stdout.contains("current"));
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    with_passphrase(PASSPHRASE, ["init", &file]).assert_ok();
    let before = fs::read(&file).unwrap();
    with_passphrase("wrong", ["list", &file]).assert_refused(1, "passphrase");
    with_passphrase("wrong", ["rotate", &file]).assert_refused(1, "passphrase");
    sealmq(["keyring", "list", &file, "--in-the-clear"]).assert_refused(1, "passphrase");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn the_passphrase_file_is_taken_without_its_line_end_and_before_the_environment() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    with_passphrase(PASSPHRASE, ["init", &file]).assert_ok();
    let passphrase_file = scratch.file("passphrase", format!("{PASSPHRASE}\n"));
    let list = ["list", &file, "--passphrase-file", &passphrase_file];
    with_passphrase("wrong", list).assert_ok();
}

#[test]
fn a_rotation_makes_a_new_key_current_and_keeps_the_old_one() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    let rotate = ["keyring", "rotate", &file, "--in-the-clear", "--key-id", "orders-2", "--json"];
    let rotated = sealmq(rotate);
    rotated.assert_ok();
    let expected = json!({ "file": file, "previous_key": "orders-1", "current_key": "orders-2" });
    assert_eq!(rotated.json(), expected);
    let listed = sealmq(["keyring", "list", &file, "--in-the-clear", "--json"]);
    assert_eq!(listed.json()["current_key"], "orders-2");
    assert_eq!(listed.json()["named_keys"], json!(["orders-1", "orders-2"]));
}

#[test]
fn an_id_names_one_key_for_ever() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    let rotate = ["keyring", "rotate", &file, "--in-the-clear", "--key-id", "orders-1"];
    sealmq(rotate).assert_refused(2, "is taken");
}

#[test]
fn without_an_id_keys_are_named_by_the_time() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    let rotated = sealmq(["keyring", "rotate", &file, "--in-the-clear", "--json"]);
    rotated.assert_ok();
    let id = rotated.json()["current_key"].as_str().unwrap().to_owned();
    assert!(id.starts_with("key-20") && id.ends_with('Z'), "{id}");
}

#[test]
fn the_kek_of_a_tenant_rotates_by_itself() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    for version in 1..=2 {
        let rotated =
            sealmq(["keyring", "rotate", &file, "--in-the-clear", "--tenant", "acme", "--json"]);
        rotated.assert_ok();
        let expected = json!({ "file": file, "tenant": "acme", "kek_version": version });
        assert_eq!(rotated.json(), expected);
    }
    let listed = sealmq(["keyring", "list", &file, "--in-the-clear", "--json"]);
    assert_eq!(listed.json()["tenants"], json!([{ "tenant": "acme", "kek_version": 2 }]));
    assert_eq!(listed.json()["named_keys"], json!(["orders-1"]));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let scratch = Scratch::new();
    let file = scratch.file("keys.json", "mine");
    sealmq(["keyring", "init", &file, "--in-the-clear"]).assert_refused(2, &file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_keyring_that_is_not_there_is_not_made_by_the_way() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    for command in ["list", "rotate"] {
        sealmq(["keyring", command, &file, "--in-the-clear"])
            .assert_refused(2, "sealmq keyring init");
    }
    assert!(!Path::new(&file).exists());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("no-such-directory/keys.json"));
    sealmq(["keyring", "init", &file, "--in-the-clear"]).assert_refused(2, &file);
}

#[test]
fn a_keyring_that_others_may_read_is_refused() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    sealmq(["keyring", "list", &file, "--in-the-clear"]).assert_refused(1, "chmod 600");
}

#[test]
fn a_file_that_is_no_keyring_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.file("keys.json", "{}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    sealmq(["keyring", "list", &file, "--in-the-clear"]).assert_refused(1, &file);
}

#[test]
fn no_passphrase_is_asked_for_by_name() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    sealmq(["keyring", "init", &file]).assert_refused(2, "--passphrase-file");
    let empty = scratch.file("passphrase", "\n");
    let init = ["keyring", "init", &file, "--passphrase-file", &empty];
    sealmq(init).assert_refused(2, "holds no passphrase");
    with_passphrase("", ["init", &file]).assert_refused(2, "SEALMQ_PASSPHRASE holds no passphrase");
    assert!(!Path::new(&file).exists());
}

#[test]
fn both_kinds_of_protection_at_once_are_refused() {
    let arguments = ["keyring", "init", "keys.json", "--in-the-clear", "--passphrase-file", "p"];
    sealmq(arguments).assert_refused(2, "--in-the-clear");
}

#[test]
fn bad_names_are_refused_before_the_file_is_touched() {
    let scratch = Scratch::new();
    let file = text(&scratch.path("keys.json"));
    sealmq(["keyring", "init", &file, "--in-the-clear", "--key-id", ""])
        .assert_refused(2, "--key-id");
    assert!(!Path::new(&file).exists());
}

#[test]
fn no_output_holds_a_key() {
    let scratch = Scratch::new();
    let file = clear_keyring(&scratch);
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let key = document["payload"]["named_keys"][0]["key"].as_str().unwrap();
    for json in [None, Some("--json")] {
        let list = ["keyring", "list", &file, "--in-the-clear"];
        let run = run(program().args(list).args(json), b"");
        assert!(!run.assert_ok().contains(key));
    }
}
