//! For each kind, settings that its adapter accepts.

use sealmq_settings::Kind as ValueKind;

use crate::catalogue::{Kind, Role};
use crate::crypto::CRYPTO;
use crate::keyring::KEYRING;
use crate::kinds::{KEYS, REPLAY_GUARDS, TRANSPORTS, VAULTS};
use crate::queues::QUEUES;
use crate::section::Key;
use crate::top::{INLINE_SECRETS, TOP};

/// The kinds that are built in, with all of their keys.
pub(super) fn built_in() -> Vec<(&'static Kind, Vec<Key>)> {
    let kinds = TRANSPORTS.iter().chain(KEYS).chain(REPLAY_GUARDS);
    let built_in = kinds.filter_map(|kind| Some((kind, crate::section::keys_of(kind.groups?))));
    let built_in: Vec<_> = built_in.collect();
    assert!(!built_in.is_empty(), "a build without kinds tests nothing");
    built_in
}

/// Least settings of a kind, in a table of TOML. Secrets stand in it.
pub(super) fn least(kind: &Kind) -> &'static [&'static str] {
    if kind.role == Role::ReplayGuard {
        return match kind.name {
            "memory" => &[],
            "nats" => &["bucket = \"orders\"", "url = [\"nats://localhost:1\"]"],
            "postgres" => &["group = \"orders\"", "url = \"postgres://me@db/keys\""],
            other => panic!("{other} has no sample"),
        };
    }
    match kind.name {
        "memory" => &[],
        "nats" | "nats-core" => &["url = [\"nats://localhost:1\"]"],
        "sqs" => &["region = \"eu-central-1\""],
        "servicebus" => {
            &["connection_string = \"Endpoint=sb://localhost;SharedAccessKeyName=root;\
             SharedAccessKey=c2VjcmV0\""]
        }
        "vault-transit" => &["addr = \"https://v:1\"", "token = \"t0ken\"", "alias = \"k\""],
        "vault-kv" => &["addr = \"https://v:1\"", "token = \"t0ken\"", "kv_path = \"orders\""],
        "aws-kms" => &["kms_key = [\"alias/sealmq\"]", "alias = \"k\""],
        "aws-secrets" => &["secret_id = \"orders\""],
        "azure-keyvault" => &[
            "vault_url = \"https://v.vault.azure.net\"",
            "key_prefix = \"sealmq\"",
            "wrap_secret = \"wraps\"",
            "alias = \"k\"",
        ],
        "azure-secrets" => &["vault_url = \"https://v.vault.azure.net\"", "secret = \"orders\""],
        "postgres" => &[
            "url = \"postgres://me@db/keys\"",
            "master_key_id = \"m1\"",
            "master_key = \"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\"",
            "alias = \"k\"",
        ],
        "pkcs11" => &[
            "module = \"/usr/lib/p11.so\"",
            "token_label = \"sealmq\"",
            "pin = \"1234\"",
            "alias = \"k\"",
        ],
        "file" => &["path = \"/keyring\"", "passphrase = \"of the file\""],
        other => panic!("{other} has no sample"),
    }
}

/// A file with this kind, and these lines in its table.
pub(super) fn file_of(kind: &Kind, lines: &[String]) -> String {
    let top = "environment = \"test\"\nallow_inline_secrets = true\n\
               [crypto]\npolicy = \"opt-in\"\nnonce_tracking = true\n";
    let table = match kind.role {
        Role::Transport => "[transport]",
        Role::ReplayGuard => "[replay_guard]",
        _ => "[[keys]]",
    };
    let other = match kind.role {
        Role::Transport => "",
        _ => any_transport(),
    };
    format!("{top}{other}{table}\nkind = \"{}\"\n{}\n", kind.name, lines.join("\n"))
}

/// A transport that is built in.
fn any_transport() -> &'static str {
    match () {
        () if cfg!(feature = "memory") => "[transport]\nkind = \"memory\"\n",
        () => "[transport]\nkind = \"nats\"\nurl = \"nats://localhost:1\"\n",
    }
}

/// A value of the type of a setting; not one that its adapter accepts beside others.
pub(super) fn of_type(key: &Key) -> (String, String) {
    let text = format!("sample-of-{}", key.name);
    match key.setting.kind {
        ValueKind::Flag => ("true".into(), "true".into()),
        ValueKind::Number | ValueKind::Milliseconds | ValueKind::Seconds => {
            ("0x10".into(), "16".into())
        }
        ValueKind::Choice(words) => (format!("{:?}", words[0]), words[0].into()),
        ValueKind::List => (format!("[\"a\", {text:?}]"), format!("a,{text}")),
        _ => (format!("{text:?}"), text),
    }
}

/// A file with every key of every table that has no kind.
pub(super) fn every_table() -> String {
    let mut file = String::from("allow_inline_secrets = true\n");
    let tables = [
        ("", Some(TOP)),
        ("[crypto]", Some(CRYPTO)),
        ("[keyring]", Some(KEYRING)),
        ("[vault.main]", VAULTS),
        ("[queues.orders]", Some(QUEUES)),
    ];
    for (table, groups) in tables {
        file.push_str(&format!("{table}\n"));
        for key in crate::section::keys_of(groups.unwrap_or_default()) {
            if key.name != INLINE_SECRETS {
                file.push_str(&format!("{} = {}\n", key.name, of_type(&key).0));
            }
        }
    }
    file + any_transport()
}
