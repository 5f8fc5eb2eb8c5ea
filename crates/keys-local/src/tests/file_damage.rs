//! Keyring files that were cut off, changed, made hostile, or are something else.

use std::fs;
use std::time::Instant;

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService};

use super::{Folder, context, id, refusal};
use crate::FileKeyring;
use crate::error::Flaw;
use crate::file::check_document;

/// The keyring file in place of the one that is there, with its permissions.
async fn open_as(folder: &Folder, bytes: &[u8], in_the_clear: bool) -> Result<(), KeyError> {
    fs::write(folder.path(), bytes).unwrap();
    if in_the_clear {
        FileKeyring::open_in_the_clear(folder.config()).await.map(drop)
    } else {
        folder.open().await.map(drop)
    }
}

async fn filled(in_the_clear: bool) -> Folder {
    let folder = Folder::new();
    let keyring = if in_the_clear {
        FileKeyring::create_in_the_clear(folder.config()).await.unwrap()
    } else {
        folder.create().await
    };
    keyring.rotate(id("a")).await.unwrap();
    keyring.generate_dek(&context("acme")).await.unwrap();
    folder
}

#[tokio::test]
async fn every_truncation_is_malformed_and_names_the_file() {
    for in_the_clear in [false, true] {
        let folder = filled(in_the_clear).await;
        let whole = folder.bytes();
        for len in 0..whole.len() {
            let error = refusal(open_as(&folder, &whole[..len], in_the_clear).await);
            assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{len} of {} bytes", whole.len());
            assert!(error.to_string().contains("keyring.json"), "{error}");
        }
        open_as(&folder, &whole, in_the_clear).await.unwrap();
    }
}

/// Each byte of the sealed file, changed: refused, or it said the same as before.
#[tokio::test]
async fn no_byte_under_a_passphrase_can_be_changed_unnoticed() {
    let folder = filled(false).await;
    let whole = folder.bytes();
    let meaning = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    let original = meaning(&whole).unwrap();
    let mut opened = 0;
    // Not every byte: each that is parsed costs an Argon2id.
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 0x01;
        if let Err(error) = open_as(&folder, &changed, false).await {
            let kind = error.kind();
            assert!(matches!(kind, KeyErrorKind::Malformed | KeyErrorKind::Denied), "{error}");
        } else {
            assert_eq!(meaning(&changed).unwrap(), original, "byte {at} is not authenticated");
            opened += 1;
        }
    }
    assert!(opened < 20, "white space aside, all of them are refused, not {opened} opened");
}

#[tokio::test]
async fn a_file_cannot_demand_more_than_the_bounds() {
    let folder = filled(false).await;
    let text = String::from_utf8(folder.bytes()).unwrap();
    let started = Instant::now();
    for (from, to) in [
        ("\"memory_kib\": 19456", "\"memory_kib\": 1073741824"),
        ("\"memory_kib\": 19456", "\"memory_kib\": 8"),
        ("\"iterations\": 2", "\"iterations\": 4000000000"),
        ("\"iterations\": 2", "\"iterations\": 1"),
        ("\"parallelism\": 1", "\"parallelism\": 16777215"),
        ("\"parallelism\": 1", "\"parallelism\": 0"),
        ("\"memory_kib\": 19456", "\"memory_kib\": 1e400"),
    ] {
        assert!(text.contains(from));
        let error = refusal(open_as(&folder, text.replace(from, to).as_bytes(), false).await);
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{to}");
    }
    assert!(started.elapsed().as_secs() < 5, "refused before any work");
}

#[tokio::test]
async fn other_costs_within_the_bounds_do_not_open_it() {
    let folder = filled(false).await;
    let text = String::from_utf8(folder.bytes()).unwrap();
    let changed = text.replace("\"iterations\": 2", "\"iterations\": 3");
    let error = refusal(open_as(&folder, changed.as_bytes(), false).await);
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
}

#[test]
fn a_file_of_another_kind_says_what_it_is_not() {
    for (text, says) in [
        ("", "it ends too early"),
        ("\u{feff}{}", "it is not JSON"),
        ("hello", "it is not JSON"),
        ("[]", "a field is missing"),
        ("{}", "a field is missing"),
        (r#"{"format":"other","version":1,"protection":"none"}"#, "its format"),
        (r#"{"format":"sealmq-keyring","version":2}"#, "its version is 2"),
        (r#"{"format":"sealmq-keyring","version":-1}"#, "a field is missing"),
        (r#"{"format":"sealmq-keyring","version":1}"#, "its protection"),
        (r#"{"format":"sealmq-keyring","version":1,"protection":"rot13"}"#, "its protection"),
        (r#"{"format":"sealmq-keyring","version":1,"protection":"none"}"#, "a field is missing"),
    ] {
        let error = flaw(text);
        assert_eq!(error.kind(), &KeyErrorKind::Malformed);
        assert!(error.to_string().contains(says), "{text:?}: {error}");
    }
}

#[test]
fn a_payload_that_contradicts_itself_is_refused() {
    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let named = |id: &str| format!(r#"{{"id":"{id}","key":"{KEY}"}}"#);
    let version = |n: u32| format!(r#"{{"version":{n},"key":"{KEY}"}}"#);
    let tenant = |versions: &str| format!(r#"{{"tenant":"t","versions":[{versions}]}}"#);
    let (a, t) = (named("a"), tenant(&version(1)));
    let payload = |current: &str, keys: &str, retired: &str, tenants: &str, shredded: &str| {
        format!(
            r#"{{"format":"sealmq-keyring","version":1,"protection":"none","payload":
            {{"current_key":{current},"named_keys":[{keys}],"retired_keys":[{retired}],
            "tenants":[{tenants}],"shredded_tenants":[{shredded}]}}}}"#
        )
    };
    check_document(payload("\"a\"", &a, "", &t, "").as_bytes()).ok().unwrap();
    let twice = "stands twice";
    let current = "the current named key";
    for (text, says) in [
        (payload("\"a\"", &format!("{a},{a}"), "", "", ""), twice),
        (payload("null", &a, "\"a\"", "", ""), twice),
        (payload("null", "", "", &format!("{t},{t}"), ""), twice),
        (payload("null", "", "", &t, "\"t\""), twice),
        (payload("null", "", "", &tenant(&[version(1), version(1)].join(",")), ""), twice),
        (payload("\"b\"", &a, "", "", ""), current),
        (payload("\"a\"", "", "\"a\"", "", ""), current),
        (payload("null", "", "", &tenant(""), ""), "a tenant has no KEK"),
        (payload("null", "", "", &tenant(&version(0)), ""), "a tenant has no KEK"),
        (payload("null", &named(""), "", "", ""), "not acceptable"),
        (payload("null", "", "", "", &format!("\"{}\"", "t".repeat(129))), "not acceptable"),
        (payload("null", &a.replace("AA=", "A="), "", "", ""), "a field"),
        (payload("null", &a.replace("AA=", "AB="), "", "", ""), "a field"),
        (payload("null", &a.replace("AA=", "AAAAA"), "", "", ""), "a field"),
        (payload("null", &a.replace(KEY, r"\u0041"), "", "", ""), "a field"),
        (payload("null", &a, "", "", "").replace("\"id\"", "\"more\":1,\"id\""), "a field"),
    ] {
        let error = flaw(&text);
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert!(!error.to_string().contains("AAAA"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.path()).unwrap();
    let error = refusal(FileKeyring::open_in_the_clear(folder.config()).await);
    assert_eq!(error.kind(), &KeyErrorKind::Malformed);
    assert!(error.to_string().contains("is not a file"), "{error}");
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused_unread() {
    let folder = filled(true).await;
    let file = fs::OpenOptions::new().write(true).open(folder.path()).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    let error = refusal(FileKeyring::open_in_the_clear(folder.config()).await);
    assert_eq!(error.kind(), &KeyErrorKind::Malformed);
}

fn flaw(text: &str) -> KeyError {
    let flaw: Flaw = check_document(text.as_bytes()).err().unwrap();
    flaw.at("keyring.json".as_ref())
}
