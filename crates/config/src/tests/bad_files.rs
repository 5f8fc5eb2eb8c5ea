//! Files that are refused: where, why, and on which line.

use crate::Config;

/// The error of a file, from reading it or from checking it.
fn refused(text: &str) -> crate::ConfigError {
    match Config::parse(text) {
        Ok(config) => config.validate().expect_err(text),
        Err(error) => error,
    }
}

fn assert_refused(table: &[(&str, &str, Option<usize>, &str)]) {
    for (text, path, line, says) in table {
        let error = refused(text);
        assert_eq!((error.path(), error.line()), (*path, *line), "{error}\n{text}");
        assert!(error.reason().contains(says), "{error} does not say {says}\n{text}");
    }
}

#[test]
fn names_and_types_of_the_file_itself() {
    assert_refused(&[
        ("", "environment", None, "is not set"),
        ("environment = 7", "environment", Some(1), "is a string, and not an integer"),
        ("environment = ''", "environment", Some(1), "is empty"),
        ("enviroment = 'x'", "enviroment", Some(1), "is environment meant?"),
        ("environment = 'x'\n[transports]", "transports", Some(2), "is transport meant?"),
        (
            "environment = 'x'\nzzz = 1",
            "zzz",
            Some(2),
            "there are transport, keys, replay_guard, crypto",
        ),
        ("environment = 'x'", "transport", None, "there is no such table"),
        ("environment = 'x'\ntransport = 'nats'", "transport", Some(2), "write [transport]"),
        (
            "environment = 'x'\n[transport]",
            "transport.kind",
            Some(2),
            "is not set; there are memory",
        ),
        ("environment = 'x'\n[transport]\nkind = 1", "transport.kind", Some(3), "is a string"),
        (
            "environment = 'x'\n[transport]\nkind = 'nat'",
            "transport.kind",
            Some(3),
            "is nats meant?",
        ),
        ("allow_inline_secrets = 'x'", "allow_inline_secrets", Some(1), "is true or false"),
        ("environment = { evn = 'A' }", "environment", Some(1), "is env meant?"),
        ("environment = { env = 'hvs.CAESIJ' }", "environment", Some(1), "name of a variable"),
        ("environment = { env = '2026' }", "environment", Some(1), "name of a variable"),
        ("environment = { env = 1 }", "environment", Some(1), "is a string that is not empty"),
        ("environment = { env = 'A', file = 'b' }", "environment", Some(1), "is either"),
        ("environment = {}", "environment", Some(1), "is either"),
        ("\n\nenvironment = [", "", Some(3), "the file is no TOML"),
    ]);
}

#[cfg(feature = "memory")]
mod with_a_transport {
    use super::*;

    fn below(text: &str) -> String {
        format!("environment = 'x'\n[transport]\nkind = 'memory'\n{text}")
    }

    #[test]
    fn keys_queues_and_policy() {
        let table = [
            ("url = 'x'", "transport.url", Some(4), "there is no such setting"),
            ("[keys]\nkind = 'file'", "keys", Some(4), "write [[keys]]"),
            (
                "[[keys]]\nalias = 'a'",
                "keys[0].kind",
                Some(4),
                "is not set; there are vault-transit",
            ),
            ("[[keys]]\nkind = 'postgresql'", "keys[0].kind", Some(5), "is postgres meant?"),
            ("", "keys", None, "the policy seals"),
            ("[crypto]\npolicy = 'loose'", "crypto.policy", Some(5), "there are strict"),
            ("[crypto]\npolicy = 'strikt'", "crypto.policy", Some(5), "is strict meant?"),
            ("[crypto]\nmax_age_s = '9'", "crypto.max_age_s", Some(5), "and not a string"),
            ("[crypto]\nmax_age_s = -1", "crypto.max_age_s", Some(5), "a whole number, from 0"),
            ("[crypto]\nmax_age_s = 0", "crypto.max_age_s", Some(5), "would be too old"),
            (
                "[crypto]\nmax_age_s = 60\nnonce_ttl_s = 179",
                "crypto.nonce_ttl_s",
                Some(6),
                "replays would pass",
            ),
            (
                "[crypto]\nfreshness = false\nnonce_tracking = false\nmax_clock_skew_s = 9",
                "crypto.max_clock_skew_s",
                Some(7),
                "freshness is false",
            ),
            ("[crypto]\nfips = 'no'", "crypto.fips", Some(5), "is true or false"),
            ("[crypto]\npolicy = 'migration'", "crypto.plaintext_until", Some(4), "is not set"),
            (
                "[crypto]\nplaintext_until = '2026-02-30'",
                "crypto.plaintext_until",
                Some(5),
                "no day",
            ),
            (
                "[crypto]\nplaintext_until = 2026-02-03",
                "crypto.plaintext_until",
                Some(5),
                "a datetime",
            ),
            (
                "[crypto]\nplaintext_until = '2026-02-03'",
                "crypto.plaintext_until",
                Some(5),
                "alone",
            ),
            (
                "[crypto]\nenabled = false",
                "crypto.plaintext_on_send",
                Some(4),
                "nothing could be sent",
            ),
            ("[crypto]\nfreshness = false", "crypto.max_age_s", Some(4), "needs a maximum age"),
            (
                "[crypto]\naccepted_suites = ['aes']",
                "crypto.accepted_suites",
                Some(5),
                "is a list of",
            ),
            (
                "[crypto]\naccepted_suites = ['a,b']",
                "crypto.accepted_suites",
                Some(5),
                "holds a comma",
            ),
            ("[crypto]\naccepted_suites = [1]", "crypto.accepted_suites", Some(5), "of strings"),
            ("[crypto]\naccepted_suites = []", "crypto.accepted_suites", Some(5), "is empty"),
            ("[keyring]\nmax_messages = 0", "keyring.max_messages", Some(5), "1 to 2^24"),
            ("[keyring]\nmax_bytes = 274877906945", "keyring.max_bytes", Some(5), "1 to 2^38"),
            ("[keyring]\nsoft_age_s = 7201", "keyring.soft_age_s", Some(5), "not above hard_age"),
            ("[keyring]\nhard_age_s = 3599", "keyring.soft_age_s", Some(4), "not above hard_age"),
            ("[keyring]\ncache_capacity = 0", "keyring.cache_capacity", Some(5), "at least 1"),
            (
                "[keyring]\nunknown_key_ttl_s = 31",
                "keyring.unknown_key_ttl_s",
                Some(5),
                "at most 30 s",
            ),
            (
                "[keyring]\nmax_concurrent_calls = 0",
                "keyring.max_concurrent_calls",
                Some(5),
                "at least 1",
            ),
            ("[keyring]\nsoft_age = 1", "keyring.soft_age", Some(5), "is soft_age_s meant?"),
            ("[keyring]\nsoft_age_s = '1'", "keyring.soft_age_s", Some(5), "and not a string"),
            ("[[keyring]]", "keyring", Some(4), "write [keyring]"),
            ("[replay_guard]", "replay_guard.kind", Some(4), "is not set; there are memory"),
            ("[replay_guard]\nkind = 'redis'", "replay_guard.kind", Some(5), "there are memory"),
            (
                "[replay_guard]\nkind = 'memory'\ncapacity = 0",
                "replay_guard.capacity",
                Some(6),
                "at least 1",
            ),
            (
                "[crypto]\nnonce_tracking = false\n[replay_guard]\nkind = 'memory'",
                "replay_guard",
                Some(6),
                "lets replays pass",
            ),
            ("[queues]\norders = 1", "queues.orders", Some(5), "is a table"),
            ("[queues.orders]\nlogical = 'x'", "queues.orders.logical", Some(5), "no such setting"),
            ("[queues.'a b']\nqueu = 'x'", "queues.\"a b\".queu", Some(5), "is queue meant?"),
            (
                "[queues.orders]\nqueue = { env = 'SEALMQ_NEVER_SET' }",
                "queues.orders.queue",
                Some(5),
                "the variable that it refers to is not set",
            ),
            (
                "[queues.orders]\nqueue = { file = '/no/such/file' }",
                "queues.orders.queue",
                Some(5),
                "the file that it refers to cannot be read",
            ),
            (
                "[queues.orders]\nqueue = { file = '/dev/null' }",
                "queues.orders.queue",
                Some(5),
                "what it refers to is empty",
            ),
            (
                "[queues.orders]\nqueue = { file = '/dev/zero' }",
                "queues.orders.queue",
                Some(5),
                "longer than 64 KiB",
            ),
        ];
        for (text, path, line, says) in table {
            assert_refused(&[(&below(text), path, line, says)]);
        }
    }

    #[test]
    #[cfg(feature = "nats-replay")]
    fn a_guard_on_nats() {
        let table = [
            ("", "replay_guard.bucket", Some(4), "is not set"),
            ("bucket = 'a.b'", "replay_guard.bucket", Some(6), "1 to 128 letters"),
            ("bucket = 'b'\nreplicas = 6", "replay_guard.replicas", Some(7), "1 to 5"),
            ("bucket = 'b'\nmax_age_s = 60", "replay_guard.max_age_s", Some(7), "345720 s"),
            ("bucket = 'b'\ntoken_file = 'x'", "replay_guard.token_file", Some(7), "no such"),
            ("bucket = 'b'\nstream_prefix = 'x'", "replay_guard.stream_prefix", Some(7), "no such"),
            (
                "bucket = 'b'\nconnect_timeout_ms = 0",
                "replay_guard.connect_timeout_ms",
                Some(7),
                "",
            ),
        ];
        for (text, path, line, says) in table {
            let url = if text.is_empty() { "" } else { "\nurl = 'nats://n'" };
            let text = format!("[replay_guard]\nkind = 'nats'\n{text}{url}");
            assert_refused(&[(&below(&text), path, line, says)]);
        }
        let nowhere = "[replay_guard]\nkind = 'nats'\nbucket = 'b'";
        let says = "is not set, and the transport is not NATS";
        assert_refused(&[(&below(nowhere), "replay_guard.url", Some(4), says)]);
    }

    #[test]
    #[cfg(all(feature = "nats", feature = "nats-replay"))]
    fn a_guard_on_the_transports_server_has_no_connection_of_its_own() {
        let head = "environment = 'x'\n[transport]\nkind = 'nats'\nurl = 'nats://n'\n\
                    [crypto]\npolicy = 'opt-in'\nnonce_tracking = true\n\
                    [replay_guard]\nkind = 'nats'\nbucket = 'b'\n";
        Config::parse(head).unwrap().validate().unwrap();
        for key in ["creds_file = '/c'", "connect_timeout_ms = 9", "root_ca = '/c'"] {
            let path = format!("replay_guard.{}", key.split(' ').next().unwrap());
            assert_refused(&[(&format!("{head}{key}"), &path, Some(11), "goes with a url")]);
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", feature = "vault"))]
    fn users_that_vault_makes() {
        const VAULT: &str = "[vault.main]\naddr = 'https://v'\ntoken_file = '/t'\n";
        const ROLE: &str = "vault = 'main'\nvault_database_role = 'r'\n";
        let guard = |lines: &str| {
            format!(
                "[crypto]\npolicy = 'opt-in'\nnonce_tracking = true\n\
                 [replay_guard]\nkind = 'postgres'\ngroup = 'g'\n{lines}"
            )
        };
        let inline = "allow_inline_secrets = true\n";
        let url = |url: &str| format!("url = 'postgres://{url}'\n");
        let good = guard(&format!("{}{ROLE}{VAULT}", url("db/keys")));
        Config::parse(&format!("{inline}{}", below(&good))).unwrap().validate().unwrap();
        let table = [
            (
                format!("{}vault = 'main'\n{VAULT}", url("db/keys")),
                "replay_guard.vault_database_role",
                Some(8),
                "is not set",
            ),
            (
                format!("{}vault_database_role = 'r'\n", url("db/keys")),
                "replay_guard.vault",
                Some(8),
                "is not set, and vault_database_role is",
            ),
            (
                format!("{}{ROLE}", url("db/keys")),
                "replay_guard.vault",
                Some(12),
                "no table [vault.NAME]",
            ),
            (
                format!("{}{ROLE}vault_database_mount = '/'\n{VAULT}", url("db/keys")),
                "replay_guard.vault_database_mount",
                Some(14),
                "",
            ),
            (
                format!("{}{ROLE}{VAULT}", url("me:hush@db/keys")),
                "replay_guard.url",
                Some(11),
                "it holds a password",
            ),
            (format!("{}{ROLE}{VAULT}", url("db")), "replay_guard.url", Some(11), "no database"),
            (
                format!("{}{ROLE}password_file = '/p'\n{VAULT}", url("db/keys")),
                "replay_guard.password_file",
                Some(14),
                "the credentials come from a source",
            ),
            (format!("{}{VAULT}", url("db/keys")), "vault.main", Some(12), "no table has it"),
            (
                format!("{}{ROLE}[vault.main]\naddr = 'https://v'", url("db/keys")),
                "vault.main.token",
                Some(14),
                "is not set, nor is token_file",
            ),
            (
                format!("{}{ROLE}[vault]\nmain = 'https://v'", url("db/keys")),
                "vault.main",
                Some(15),
                "is a table",
            ),
            (
                format!("{}group2 = 'x'", url("db/keys")),
                "replay_guard.group2",
                Some(12),
                "is group meant?",
            ),
        ];
        for (lines, path, line, says) in table {
            let text = format!("{inline}{}", below(&guard(&lines)));
            assert_refused(&[(&text, path, line, says)]);
        }
    }

    #[test]
    #[cfg(feature = "local")]
    fn sources_of_keys() {
        let file = "[[keys]]\nkind = 'file'\npath = '/k'\nin_the_clear = true\n";
        let service = |alias: &str| format!("{file}alias = '{alias}'\n");
        let four: String = ["a", "b", "c", "d"].map(service).concat();
        let table = [
            (format!("{file}{file}"), "keys[1]", Some(8), "one at most"),
            (four + &service("e"), "keys[4]", Some(24), "no more than that"),
            (service("a") + &service("a"), "keys[1].alias", Some(13), "of another key service"),
            (service(&"a".repeat(300)), "keys[0].alias", Some(8), "1 to 64 bytes"),
            (
                "[[keys]]\nkind = 'file'\npath = '/k'".to_owned(),
                "keys[0].passphrase",
                Some(4),
                "or in_the_clear = true",
            ),
            (
                "[[keys]]\nkind = 'file'\nin_the_clear = true".into(),
                "keys[0].path",
                Some(4),
                "not set",
            ),
        ];
        for (text, path, line, says) in table {
            assert_refused(&[(&below(&text), path, line, says)]);
        }
    }

    #[test]
    #[cfg(feature = "vault")]
    fn what_an_adapter_says_is_in_the_names_of_the_file() {
        let table = [
            ("", "keys[0].addr", Some(4), "is not set"),
            (
                "addr = 'https://v'",
                "keys[0].token",
                Some(4),
                "is not set, nor is token_file, username, role_id or kubernetes_role",
            ),
            ("addr = 'ftp://v'\ntoken_file = '/t'", "keys[0].addr", Some(7), "is not an https URL"),
            (
                "addr = 'https://v'\ntoken_file = '/t'\nconnect_timeout_ms = 0",
                "keys[0].connect_timeout_ms",
                Some(9),
                "is zero",
            ),
            (
                "addr = 'https://v'\ntoken_file = '/t'\nclient_cert = '/c'",
                "keys[0].client_key",
                Some(4),
                "is not set, and client_cert is",
            ),
            (
                "addr = 'https://v'\ntoken_file = '/t'\ntls_min_version = '1.1'",
                "keys[0].tls_min_version",
                Some(9),
                "is 1.2 meant?",
            ),
        ];
        for (text, path, line, says) in table {
            let text = format!("[[keys]]\nkind = 'vault-transit'\nalias = 'k'\n{text}");
            assert_refused(&[(&below(&text), path, line, says)]);
        }
        let nameless = "[[keys]]\nkind = 'vault-transit'\naddr = 'https://v'\ntoken_file = '/t'";
        assert_refused(&[(&below(nameless), "keys[0].alias", Some(4), "is not set")]);
    }

    #[test]
    #[cfg(not(feature = "pkcs11"))]
    fn a_kind_that_is_not_built_in_is_named_with_its_feature() {
        let says = "built without the feature pkcs11";
        assert_refused(&[(&below("[[keys]]\nkind = 'pkcs11'"), "keys[0].kind", Some(5), says)]);
    }
}
