//! `--keys`: what it refuses before any I/O, and the demo on a keyring file.

use std::process::Command;

use serde_json::{Value, json};

use crate::demo::{assert_all_arrived_unseen, assert_all_refused};
use crate::support::{PATIENCE, Run, Scratch, program, run, sealmq};

/// What must be in no error.
const SECRET: &str = "c2VjcmV0";

/// A key service as the command line and the environment name it.
pub(crate) struct Source {
    /// As reports call it.
    pub(crate) kind: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// What must be seen nowhere.
    pub(crate) secrets: Vec<String>,
}

impl Source {
    /// The program with this command and this service.
    pub(crate) fn command(&self, command: &[&str]) -> Command {
        let mut program = program();
        program.args(command).args(&self.arguments).envs(PATIENCE);
        program.envs(self.variables.iter().map(|(name, value)| (name, value)));
        program
    }

    /// A run that shows no secret.
    pub(crate) fn run(&self, command: &[&str]) -> Run {
        let run = run(&mut self.command(command), b"");
        for secret in &self.secrets {
            assert!(!secret.is_empty());
            assert!(!run.stdout.contains(secret.as_str()), "stdout shows a secret");
            assert!(!run.stderr.contains(secret.as_str()), "stderr shows a secret");
        }
        run
    }

    /// The whole demo, as the report and as the page; and each tenant is refused from then on.
    pub(crate) fn assert_demo(&self) {
        let run = self.run(&["demo", "--json"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let report = run.json();
        assert_all_refused(&report);
        assert_all_arrived_unseen(&report);
        assert_rotated(&report);
        let keys = &report["keys"];
        assert_eq!((&keys["name"], &keys["shredded"]), (&json!(self.kind), &json!(true)));
        assert_eq!(keys["messages"], 48);
        let calls = keys["total_calls"].as_u64().unwrap();
        assert!((4..=9).contains(&calls), "two keyrings, two queues, two versions: {keys}");
        let tenants = keys["tenants"].as_array().unwrap();
        assert_eq!(tenants.len(), 2);
        for tenant in tenants {
            let rotation = self.run(&["keys", "rotate", "--tenant", tenant.as_str().unwrap()]);
            rotation.assert_refused(1, "key not found");
        }
        self.assert_page();
    }

    fn assert_page(&self) {
        let run = self.run(&["demo", "--count", "2"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for text in ["25 of 25 attacks refused", "KEK version 2", "shredded after it"] {
            assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
        }
    }
}

/// From the first version to the second one, with requests and answers under both.
fn assert_rotated(report: &Value) {
    let rotation = &report["rotation"];
    assert_eq!(
        (&rotation["from"], &rotation["to"]),
        (&json!("KEK version 1"), &json!("KEK version 2"))
    );
    assert_eq!(rotation["failures"], 0);
    let requests = &report["roles"]["responder"]["requests_by_key"];
    assert_eq!(*requests, json!({ "KEK version 1": 12, "KEK version 2": 12 }));
    let answers = &report["roles"]["initiator"]["answers_by_key"];
    assert!(answers["KEK version 1"].as_u64() > Some(0), "{answers}");
    assert!(answers["KEK version 2"].as_u64() > Some(0), "{answers}");
}

/// A keyring file under a passphrase.
#[cfg(unix)]
pub(crate) fn keyring(scratch: &Scratch) -> Source {
    let path = crate::support::text(&scratch.path("keys.json"));
    let passphrase = "passphrase that must not be seen".to_owned();
    let mut init = program();
    init.args(["keyring", "init", &path]).env("SEALMQ_PASSPHRASE", &passphrase);
    assert_eq!(run(&mut init, b"").code, 0);
    Source {
        kind: "file",
        arguments: ["--keys".to_owned(), format!("file:{path}")].to_vec(),
        variables: vec![("SEALMQ_PASSPHRASE", passphrase.clone())],
        secrets: vec![passphrase],
    }
}

#[test]
fn an_unknown_source_is_refused_with_what_there_is() {
    for unknown in ["gcp-kms:", "", ":", "Memory", "vaul", "https://me:c2VjcmV0@host"] {
        let run = sealmq(["demo", "--keys", unknown]);
        run.assert_refused(2, "--keys: no such key service; there are memory, vault:");
        assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    }
}

#[test]
fn a_source_without_its_colon_is_refused() {
    for source in ["vault", "aws-kms", "azure", "postgres", "pkcs11", "file"] {
        let says = format!("--keys {source}: write a colon");
        sealmq(["demo", "--keys", source]).assert_refused(2, &says);
    }
    sealmq(["demo", "--keys", "memory:x"]).assert_refused(2, "--keys memory: nothing");
    sealmq(["demo", "--keys", "pkcs11:x"]).assert_refused(2, "--keys pkcs11: all the rest");
}

#[test]
fn sources_that_were_not_built_in_are_refused_with_their_feature() {
    let features = [
        ("vault:", "vault", cfg!(feature = "vault")),
        ("aws-kms:", "aws-kms", cfg!(feature = "aws-kms")),
        ("azure:", "azure-keyvault", cfg!(feature = "azure-keyvault")),
        ("postgres://me:c2VjcmV0@host/db", "postgres", cfg!(feature = "postgres")),
        ("pkcs11:", "pkcs11", cfg!(feature = "pkcs11")),
    ];
    for (source, feature, built) in features {
        let run = sealmq(["demo", "--keys", source]);
        let without = format!("built without {feature}: build it with --features {feature}");
        // Built in, it misses its settings.
        run.assert_refused(2, if built { "--keys " } else { &without });
        assert_eq!(run.stderr.contains(&without), !built, "{}", run.stderr);
        assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_keyring_that_is_not_there_is_refused_with_the_command_that_makes_it() {
    let run = sealmq(["demo", "--keys", "file:absent.json", "--in-the-clear"]);
    run.assert_refused(2, "sealmq keyring init absent.json makes one");
    sealmq(["demo", "--keys", "file:"]).assert_refused(2, "--keys file: write the path");
    let scratch = Scratch::new();
    let file = format!("file:{}", scratch.file("keys.json", "{}"));
    sealmq(["demo", "--keys", &file]).assert_refused(2, "no passphrase: give");
    let run = sealmq(["demo", "--keys", &file, "--in-the-clear"]);
    run.assert_refused(1, "cannot use keyring file");
}

#[cfg(unix)]
#[test]
fn protections_and_roles_go_with_keyrings_only() {
    let says = "--passphrase-file and --in-the-clear go with --keys file:";
    sealmq(["demo", "--in-the-clear"]).assert_refused(2, says);
    let role = ["demo", "--role", "observer", "--keys", "vault:", "--transport", "memory"];
    sealmq(role).assert_refused(2, "--keys: not with --role");
}

#[cfg(unix)]
#[test]
fn the_demo_runs_on_a_keyring_file() {
    let scratch = Scratch::new();
    keyring(&scratch).assert_demo();
}

#[cfg(unix)]
#[test]
fn a_weakened_responder_is_noticed_with_a_key_service_too() {
    let scratch = Scratch::new();
    let keyring = keyring(&scratch);
    for (defence, attack) in
        [("replay", "replay a completed message"), ("age", "deliver a message 5 days late")]
    {
        let run = keyring.run(&["demo", "--json", "--weaken", defence]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let report = run.json();
        let attacks = report["attacks"].as_array().unwrap();
        let passed: Vec<_> =
            attacks.iter().filter(|a| a["handed_out"] == true).map(|a| &a["name"]).collect();
        assert_eq!(passed, [attack]);
        assert_eq!(report["keys"]["shredded"], true, "whatever came of it");
    }
}

#[test]
fn named_keys_ask_no_service() {
    let report = sealmq(["demo", "--json"]).json();
    let keys = &report["keys"];
    assert_eq!((&keys["name"], &keys["total_calls"]), (&json!("memory"), &json!(0)));
    assert_eq!((&keys["tenants"], &keys["shredded"]), (&json!([]), &Value::Null));
}
