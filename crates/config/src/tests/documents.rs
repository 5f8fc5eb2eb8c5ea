//! The schema and the tables in `docs/` are those of the code, and its example is a good file.

use std::fmt::Write as _;
use std::path::PathBuf;

use sealmq_settings::Kind as ValueKind;

use crate::catalogue::{KEYS, Kind, TRANSPORTS};
use crate::config::top_keys;
use crate::crypto::CRYPTO;
use crate::queues::QUEUES;
use crate::section::{Key, keys_of};
use crate::{Config, schema};

/// Set to anything, it has the files written instead of compared.
const WRITE: &str = "SEALMQ_WRITE_DOCS";
const BEGIN: &str = "<!-- From the code: the test `documents` writes what follows. -->\n";

fn document(name: &str) -> PathBuf {
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
        let about = kind.about;
        writeln!(out, "{about}. Feature `{}`.", kind.feature).unwrap();
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
    out.push_str("\n### `[crypto]`\n\n");
    table(&keys_of(CRYPTO), &mut out);
    out.push_str("\n### `[queues.NAME]`\n\n");
    table(&keys_of(QUEUES), &mut out);
    out
}

fn head() -> String {
    let text = std::fs::read_to_string(document("configuration.md")).unwrap();
    let (head, _) = text.split_once(BEGIN).expect("the head ends with the mark");
    head.to_owned()
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
    let head = head();
    let example = head.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let config = Config::parse(example.expect("there is an example")).unwrap();
    assert!(config.parts().len() >= 6, "the example has every table: {config:?}");
}
