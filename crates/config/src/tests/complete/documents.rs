//! The schema and the tables in `docs/` are those of the code, and its example is a good file.

use std::fmt::Write as _;
use std::path::PathBuf;

use sealmq_settings::Kind as ValueKind;

use crate::catalogue::Kind;
use crate::config::top_keys;
use crate::crypto::CRYPTO;
use crate::keyring::KEYRING;
use crate::kinds::{KEYS, REPLAY_GUARDS, TRANSPORTS, VAULTS};
use crate::queues::QUEUES;
use crate::section::{Key, keys_of};
use crate::{Config, schema};

/// Set to anything, it has the files written instead of compared.
const WRITE: &str = "SEALMQ_WRITE_DOCS";
const BEGIN: &str = "<!-- From the code: the test `documents` writes what follows. -->\n";

pub(super) fn document(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn assert_current(name: &str, current: &str) {
    let path = document(name);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, current).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == current,
        "docs/{name} is not what the code says: {WRITE}=1 cargo test -p sealmq-config \
         --all-features documents writes it"
    );
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn kind_of_value(kind: ValueKind) -> String {
    match kind {
        ValueKind::Secret => "**secret**".to_owned(),
        ValueKind::Path => "path".to_owned(),
        ValueKind::Flag => "boolean".to_owned(),
        ValueKind::Number => "number".to_owned(),
        ValueKind::Milliseconds => "milliseconds".to_owned(),
        ValueKind::Seconds => "seconds".to_owned(),
        ValueKind::Choice(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        ValueKind::List => "list".to_owned(),
        _ => "text".to_owned(),
    }
}

fn table(keys: &[Key], out: &mut String) {
    out.push_str("| key | value | what it sets; its default |\n| --- | --- | --- |\n");
    for key in keys {
        let value = kind_of_value(key.setting.kind);
        writeln!(out, "| `{}` | {value} | {} |", key.name, cell(key.setting.about)).unwrap();
    }
}

fn kinds(table_name: &str, kinds: &[Kind], out: &mut String) {
    for kind in kinds {
        let keys = keys_of(kind.groups.expect("the test has every feature"));
        writeln!(out, "\n### `{table_name}`, `kind = \"{}\"`\n", kind.name).unwrap();
        let feature = kind.feature.map(|feature| format!(" Feature `{feature}`."));
        writeln!(out, "{}.{}", kind.about, feature.unwrap_or_default()).unwrap();
        if !keys.is_empty() {
            out.push('\n');
            table(&keys, out);
        }
    }
}

fn tables() -> String {
    let mut out = String::from("\n### At the top\n\n");
    table(&top_keys(), &mut out);
    kinds("[transport]", TRANSPORTS, &mut out);
    kinds("[[keys]]", KEYS, &mut out);
    kinds("[replay_guard]", REPLAY_GUARDS, &mut out);
    out.push_str("\n### `[crypto]`\n\n");
    table(&keys_of(CRYPTO), &mut out);
    out.push_str("\n### `[keyring]`\n\n");
    table(&keys_of(KEYRING), &mut out);
    out.push_str("\n### `[vault.NAME]`\n\nFeature `vault`.\n\n");
    table(&keys_of(VAULTS.expect("the test has every feature")), &mut out);
    out.push_str("\n### `[queues.NAME]`\n\n");
    table(&keys_of(QUEUES), &mut out);
    out
}

fn head() -> String {
    let text = std::fs::read_to_string(document("configuration.md")).unwrap();
    let (head, _) = text.split_once(BEGIN).expect("the head ends with the mark");
    head.to_owned()
}

/// The files in the text: the first is whole, the other one a part.
pub(super) fn examples() -> Vec<String> {
    let head = head();
    let blocks = head.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut examples: Vec<String> = blocks.map(str::to_owned).collect();
    assert_eq!(examples.len(), 2);
    examples[1].insert_str(0, "environment = 'test'\n[transport]\nkind = 'memory'\n");
    examples
}

#[test]
fn documents_schema_is_current() {
    assert_current("sealmq.schema.json", &schema());
}

#[test]
fn documents_tables_are_current() {
    assert_current("configuration.md", &format!("{}{BEGIN}{}", head(), tables()));
}

#[test]
fn documents_example_is_read() {
    for example in examples() {
        let config = Config::parse(&example).unwrap();
        assert!(config.parts().len() >= 6, "{config:?}");
    }
}
