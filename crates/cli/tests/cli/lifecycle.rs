//! `sealmq keys`: what it refuses, and a tenant from its first use to its end.

use serde_json::json;

use crate::keys::Source;
use crate::support::{run, sealmq};

/// A tenant of this name, as its first use creates it.
pub(crate) fn make_tenant(source: &Source, tenant: &str) {
    let run = source.run(&["keys", "create", "--json", "--tenant", tenant]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["kek_version"], 1);
}

/// Check, rotate and shred, and what each says. Where `creates` is set, the service itself creates
/// tenants on their first use, whatever its client wants.
pub(crate) fn assert_lifecycle(source: &Source, creates: bool) {
    let tenant = format!("lifecycle-{}", std::process::id());
    let tenant = tenant.as_str();
    let command = |name: &str, more: &[&str]| {
        source.run(&[&["keys", name, "--json", "--tenant", tenant], more].concat())
    };
    if !creates {
        command("check", &[]).assert_refused(1, "denied by the key service");
    }
    make_tenant(source, tenant);
    let checked = command("check", &[]).json();
    assert_eq!((&checked["tenant"], &checked["kek_version"]), (&json!(tenant), &json!(1)));
    assert!(checked["wrap_ms"].as_f64() >= Some(0.0), "{checked}");
    assert_eq!(command("rotate", &[]).json()["kek_version"], 2);
    let text = source.run(&["keys", "check", "--tenant", tenant, "--environment", "prod"]);
    assert!(text.assert_ok().contains("KEK version 2"), "{}", text.stdout);
    // Not without asking twice, and not for another one.
    command("shred", &[]).assert_refused(2, "say --yes-shred and the tenant once more");
    let run = command("shred", &["--yes-shred", "another"]);
    run.assert_refused(2, "names another tenant: nothing was shredded");
    assert_eq!(command("check", &[]).json()["kek_version"], 2);
    let shredded = command("shred", &["--yes-shred", tenant]);
    assert_eq!(shredded.json()["shredded"], true);
    command("rotate", &[]).assert_refused(1, "key not found");
    // The stand-in for KMS goes on wrapping by keys whose deletion is scheduled.
    if source.kind != "aws-kms" {
        command("check", &[]).assert_refused(1, "key not found");
    }
    assert_eq!(command("shred", &["--yes-shred", tenant]).code, 0, "once more is fine");
}

#[test]
fn a_service_and_a_tenant_are_required() {
    sealmq(["keys", "check", "--tenant", "acme"]).assert_refused(2, "--keys");
    sealmq(["keys", "check", "--keys", "vault:"]).assert_refused(2, "--tenant");
    let run = sealmq(["keys", "check", "--keys", "memory", "--tenant", "acme"]);
    run.assert_refused(2, "--keys memory: it ends with the program");
}

#[cfg(unix)]
#[test]
fn keys_are_checked_rotated_and_shredded_in_a_keyring_file() {
    let scratch = crate::support::Scratch::new();
    assert_lifecycle(&crate::keys::keyring(&scratch), false);
}

#[cfg(unix)]
#[test]
fn names_that_no_tenant_has_are_refused() {
    let scratch = crate::support::Scratch::new();
    let source = crate::keys::keyring(&scratch);
    source.run(&["keys", "check", "--tenant", ""]).assert_refused(2, "--tenant");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_answer_to_the_question() {
    let scratch = crate::support::Scratch::new();
    let source = crate::keys::keyring(&scratch);
    let mut shred = source.command(&["keys", "shred", "--tenant", "acme"]);
    run(&mut shred, b"acme\n").assert_refused(2, "say --yes-shred");
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn what_only_postgresql_can_do_is_refused_elsewhere() {
    let scratch = crate::support::Scratch::new();
    let source = crate::keys::keyring(&scratch);
    source.run(&["keys", "migrate"]).assert_refused(2, "only postgres: can do that");
    let run = source.run(&["keys", "status", "--tenant", "acme"]);
    run.assert_refused(2, "only postgres: can do that");
}
