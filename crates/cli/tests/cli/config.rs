//! `sealmq config`: files that are good and bad, servers that are there and not, and no secret shown.

use serde_json::Value;

use crate::support::{Run, Scratch, program, run, sealmq};

const MARKER: &str = "mArKeR-0f-a-s3cret";

const GOOD: &str = "environment = 'test'\n[transport]\nkind = 'memory'\n\
                    [crypto]\npolicy = 'opt-in'\n[queues.orders]\n";

/// `sealmq config check` of this text, with the marker in a variable.
fn check(text: &str, options: &[&str]) -> Run {
    let scratch = Scratch::new();
    let file = scratch.file("sealmq.toml", text);
    let mut check = program();
    check.args(["config", "check", &file]).args(options).env("HOLDS_THE_MARKER", MARKER);
    check.env("RUST_LOG", "sealmq=trace"); // on standard error, which is looked through as well
    run(&mut check, b"")
}

fn assert_hidden(run: &Run, about: &str) {
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains(MARKER), "{about}: {said}");
}

#[test]
fn a_good_file_is_reported_and_each_part_tried() {
    let online = check(GOOD, &[]);
    let text = online.assert_ok();
    for part in
        ["transport  memory", "policy", "opt-in", "✓ transport", "✓ queues.orders transport"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let offline = check(GOOD, &["--offline"]);
    assert!(offline.assert_ok().contains("✓ valid; no server was asked"), "{}", offline.stdout);
    let verbose = check(GOOD, &["--offline", "--verbose"]);
    assert!(verbose.assert_ok().contains("max_age_s"), "{}", verbose.stdout);
    assert!(!offline.stdout.contains("max_age_s"), "{}", offline.stdout);
    assert!(verbose.stdout.lines().all(|line| line.chars().count() <= 80), "{}", verbose.stdout);
    let json = check(GOOD, &["--json"]).json();
    assert_eq!((&json["ok"], &json["online"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(json["sections"][1]["kind"], "memory");
}

#[test]
fn a_bad_file_is_the_fault_of_the_input() {
    for text in ["environment = 'x'\n[transport]\nkind = 'memroy'\n", "environment = ["] {
        check(text, &[]).assert_refused(2, "sealmq.toml: ");
    }
    check("enviroment = 'x'", &[]).assert_refused(2, "enviroment: there is no such setting");
    let missing = sealmq(["config", "check", "/no/such/file"]);
    missing.assert_refused(2, "/no/such/file: the file cannot be read");
}

#[test]
fn the_schema_is_printed() {
    let schema = sealmq(["config", "schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(
        schema["properties"]["transport"]["oneOf"][0]["properties"]["kind"]["const"],
        "memory"
    );
}

/// Lines that make a file with a kind come as far as its servers, none of which is there.
fn leading_to_no_server(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "nats" | "nats-core" => "url = 'nats://127.0.0.1:1'\nconnect_timeout_ms = 2000\n",
        "vault-transit" => "addr = 'http://127.0.0.1:1'\nalias = 'k'\n",
        "vault-kv" => "addr = 'http://127.0.0.1:1'\nkv_path = 'orders'\n",
        _ => return None,
    })
}

/// Every secret of every kind that this program has, by the schema: inline, allowed and not, and by
/// reference; the file alone and with its servers, which are not there.
#[test]
fn secrets_are_in_nothing_that_is_printed() {
    let schema = sealmq(["config", "schema"]).json();
    let mut secrets = 0;
    for table in ["transport", "keys", "replay_guard"] {
        let kinds = match table {
            "keys" => &schema["properties"][table]["items"]["oneOf"],
            _ => &schema["properties"][table]["oneOf"],
        };
        for kind in kinds.as_array().unwrap() {
            let name = kind["properties"]["kind"]["const"].as_str().unwrap();
            for (key, property) in kind["properties"].as_object().unwrap() {
                let about = property["description"].as_str().unwrap_or_default();
                if !about.ends_with(". A secret") {
                    continue;
                }
                secrets += 1;
                scan(table, name, key);
            }
        }
    }
    assert!(secrets > 0, "keyring files have a passphrase: {schema}");
}

fn scan(table: &str, kind: &str, key: &str) {
    let (head, tail) = match table {
        "keys" => ("[transport]\nkind = 'memory'\n", format!("[[keys]]\nkind = '{kind}'\n")),
        "replay_guard" => {
            ("[transport]\nkind = 'memory'\n", format!("[replay_guard]\nkind = '{kind}'\n"))
        }
        _ => ("", format!("[transport]\nkind = '{kind}'\n")),
    };
    let user = match key {
        "password" if table != "keys" => "user = 'me'\n",
        "password" => "username = 'me'\n",
        _ => "",
    };
    let more = leading_to_no_server(kind).unwrap_or_default();
    let policy = "[crypto]\npolicy = 'opt-in'\nnonce_tracking = true\n";
    for (top, value) in [
        ("", format!("'{MARKER}'")),
        ("allow_inline_secrets = true\n", format!("'{MARKER}'")),
        ("", "{ env = 'HOLDS_THE_MARKER' }".to_owned()),
        ("", format!("['{MARKER}'")),
    ] {
        let text =
            format!("environment = 'x'\n{top}{policy}{head}{tail}{user}{more}{key} = {value}\n");
        let mut ways =
            vec![vec!["--offline", "--verbose"], vec!["--offline", "--verbose", "--json"]];
        if leading_to_no_server(kind).is_some() {
            ways.push(vec!["--verbose"]);
        }
        for way in ways {
            let run = check(&text, &way);
            assert_hidden(&run, &format!("{kind} {key} {way:?}"));
            assert!([0, 1, 2].contains(&run.code), "{}", run.stderr);
        }
    }
}

#[test]
#[cfg(feature = "nats")]
fn a_server_that_is_down_is_reported_with_the_parts_that_are_not() {
    let text = "environment = 'x'\n[transport]\nkind = 'nats'\nurl = 'nats://127.0.0.1:1'\n\
                token = { env = 'HOLDS_THE_MARKER' }\n[crypto]\npolicy = 'opt-in'\n";
    let run = check(text, &["--verbose"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains("✗ transport"), "{}", run.stdout);
    assert!(run.stdout.contains("cannot connect: broker unavailable"), "{}", run.stdout);
    assert!(run.stdout.contains("set, env HOLDS_THE_MARKER"), "{}", run.stdout);
    assert!(run.stderr.contains("a part does not do its work"), "{}", run.stderr);
    assert_hidden(&run, "nats");
    let json = check(text, &["--json"]);
    assert_eq!((json.code, &json.json()["ok"]), (1, &Value::Bool(false)));
}

#[cfg(all(feature = "nats", feature = "vault"))]
mod with_servers {
    use sealmq_test_kit::VaultAdmin;

    use super::*;
    use crate::support::required;

    const RULES: &str =
        "path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"list\"] }";

    /// NATS and OpenBao as they run for tests, at this address of the key service; and the token.
    async fn file(address: &str, scratch: &Scratch) -> (String, String) {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        let secret = admin.token_under(RULES, "").await;
        let token = scratch.file("token", format!("{secret}\n"));
        let text = format!(
            "environment = 'test'\ntenant = 'acme'\n\
             [transport]\nkind = 'nats'\nurl = ['{}']\n\
             [[keys]]\nkind = 'vault-transit'\nalias = 'main'\naddr = '{address}'\n\
             token = {{ file = '{token}' }}\ntransit_mount = '{mount}'\n\
             [queues.orders]\n[queues.invoices]\ntenant = 'globex'\n",
            required("SEALMQ_NATS_URL"),
        );
        (text, secret)
    }

    #[tokio::test]
    async fn nats_and_openbao_are_tried() {
        let (scratch, admin) = (Scratch::new(), VaultAdmin::from_env());
        let (text, token) = file(admin.address(), &scratch).await;
        let run = check(&text, &[]);
        let text = run.assert_ok();
        for part in [
            "✓ transport",
            "✓ keys[0]",
            "✓ queues.orders keys",
            "✓ queues.orders transport",
            "✓ queues.invoices keys",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains(&token) && !text.contains('✗'), "{text}");
    }

    #[tokio::test]
    async fn the_part_that_does_not_work_is_told_from_those_that_do() {
        let (scratch, admin) = (Scratch::new(), VaultAdmin::from_env());
        let (text, lost) = file("http://127.0.0.1:1", &scratch).await;
        let down = check(&text, &["--verbose"]);
        assert_eq!(down.code, 1, "{}", down.stderr);
        assert!(down.stdout.contains("✓ transport"), "{}", down.stdout);
        assert!(down.stdout.contains("✗ keys[0]"), "{}", down.stdout);
        let (text, token) = file(admin.address(), &scratch).await;
        let text = text.replace("transit_mount = '", "transit_mount = 'absent-");
        let absent = check(&text, &["--verbose"]);
        assert_eq!(absent.code, 1, "{}", absent.stderr);
        assert!(absent.stdout.contains("✗ queues.orders keys"), "{}", absent.stdout);
        assert!(absent.stdout.contains("✓ queues.orders transport"), "{}", absent.stdout);
        for run in [down, absent] {
            let said = run.stdout + &run.stderr;
            assert!(!said.contains(&token) && !said.contains(&lost), "{said}");
        }
    }
}

#[cfg(feature = "pkcs11")]
#[test]
fn an_hsm_that_refuses_the_pin_is_reported_without_it() {
    use sealmq_test_kit::SoftHsm;

    let softhsm = SoftHsm::new(&["config"]);
    let check = |pin: &str| {
        let scratch = Scratch::new();
        let text = format!(
            "environment = 'test'\n[transport]\nkind = 'memory'\n[[keys]]\nkind = 'pkcs11'\n\
             alias = 'main'\nmodule = {:?}\ntoken_label = 'config'\npin = {{ env = 'PIN' }}\n\
             [crypto]\npolicy = 'opt-in'\n[queues.orders]\n",
            SoftHsm::module(),
        );
        let file = scratch.file("sealmq.toml", text);
        let mut check = program();
        check.args(["config", "check", &file, "--verbose"]).env("PIN", pin);
        check.env("SOFTHSM2_CONF", softhsm.folder().join("softhsm2.conf"));
        run(check.env("RUST_LOG", "sealmq=trace"), b"")
    };
    let control = check(SoftHsm::PIN);
    assert!(control.assert_ok().contains("✓ keys[0]"), "{}", control.stdout);
    assert!(!format!("{}{}", control.stdout, control.stderr).contains(SoftHsm::PIN));
    let refused = check(MARKER);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stdout.contains("✗ keys[0]"), "{}", refused.stdout);
    assert_hidden(&refused, "pkcs11");
}
