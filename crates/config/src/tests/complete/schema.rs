//! The schema, judged by a validator that is not ours: it is a schema, it takes what the reader
//! takes, and it refuses what the reader refuses for its form.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::documents::{document, examples};
use crate::catalogue::Kind;
use crate::tests::samples::{built_in, file_of, least, of_type};
use crate::{Config, schema};

const META: &str = "https://json-schema.org/draft/2020-12/schema";
const OURS: &str = "https://example.com/sealmq.schema.json";

struct Validator {
    schemas: Schemas,
    ours: SchemaIndex,
}

impl Validator {
    /// Nothing is fetched: the metaschemas are the validator's own.
    fn new() -> Self {
        let committed = std::fs::read_to_string(document("sealmq.schema.json")).unwrap();
        let schema: Value = serde_json::from_str(&committed).unwrap();
        assert_eq!(schema["$schema"], META);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(OURS, schema).unwrap();
        let ours = compiler.compile(OURS, &mut schemas).unwrap();
        Self { schemas, ours }
    }

    fn refusal(&self, file: &str) -> Option<String> {
        let file = json_of_table(&DeTable::parse(file).unwrap().into_inner());
        let found = self.schemas.validate(&file, self.ours);
        found.err().map(|error| error.to_string())
    }
}

fn json_of_table(table: &DeTable<'_>) -> Value {
    let entries = table.iter().map(|(name, value)| {
        let name: &str = name.get_ref();
        (name.to_owned(), json_of(value.get_ref()))
    });
    Value::Object(entries.collect())
}

fn json_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Table(table) => json_of_table(table),
        DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Integer(number) => {
            json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap())
        }
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Datetime(time) => json!({ "time": time.to_string() }),
        DeValue::String(text) => json!(text),
    }
}

#[test]
fn the_schema_is_a_schema() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let meta = compiler.compile(META, &mut schemas).unwrap();
    let ours: Value = serde_json::from_str(&schema()).unwrap();
    schemas.validate(&ours, meta).unwrap();
    let mut broken = ours.clone();
    broken["properties"]["transport"]["oneOf"][0]["required"] = json!("kind");
    assert!(schemas.validate(&broken, meta).is_err(), "the control: what is no schema is refused");
    Validator::new();
}

#[test]
fn what_the_reader_takes_is_taken() {
    let validator = Validator::new();
    let mut files = examples();
    for (kind, keys) in built_in() {
        let least: Vec<_> = least(kind).iter().map(|line| (*line).to_owned()).collect();
        files.push(file_of(kind, &least));
        let all = keys.iter().map(|key| format!("{} = {}", key.name, of_type(key).0));
        files.push(file_of(kind, &all.collect::<Vec<_>>()));
        let by_reference = keys.iter().map(|key| format!("{} = {{ env = 'SOME' }}", key.name));
        files.push(file_of(kind, &by_reference.collect::<Vec<_>>()));
    }
    files.push(crate::tests::samples::every_table());
    assert!(files.len() > 40, "{}", files.len());
    for file in files {
        Config::parse(&file).unwrap_or_else(|error| panic!("{error}\n{file}"));
        assert_eq!(validator.refusal(&file), None, "{file}");
    }
}

/// A file with this kind whose lines are wrong.
fn wrong(kind: &Kind, more: &[&str], without: Option<&str>) -> String {
    let kept = least(kind)
        .iter()
        .filter(|line| without.is_none_or(|without| !line.starts_with(&format!("{without} = "))));
    file_of(kind, &kept.chain(more).map(|line| (*line).to_owned()).collect::<Vec<_>>())
}

#[track_caller]
fn assert_both_refuse(validator: &Validator, file: &str) {
    let read = Config::parse(file).and_then(|config| config.validate());
    assert!(read.is_err(), "the reader takes it:\n{file}");
    assert!(validator.refusal(file).is_some(), "the schema takes it:\n{file}");
}

#[test]
fn a_key_of_every_kind_that_is_unknown_of_another_type_or_missing_is_refused_by_both() {
    let (validator, mut required) = (Validator::new(), 0);
    for (kind, keys) in built_in() {
        assert_both_refuse(&validator, &wrong(kind, &["no_such_key = \"x\""], None));
        for key in &keys {
            for value in ["1.5", "[1]", "2026-01-01", "{ env = 1 }", "{ var = 'X' }", "\"\""] {
                let line = format!("{} = {value}", key.name);
                assert_both_refuse(&validator, &wrong(kind, &[&line], Some(&key.name)));
            }
            if crate::schema::is_required(key) {
                assert_both_refuse(&validator, &wrong(kind, &[], Some(&key.name)));
                required += 1;
            }
        }
    }
    assert!(required >= 15, "{required}");
}

#[test]
fn what_is_wrong_with_the_file_as_a_whole_is_refused_by_both() {
    let validator = Validator::new();
    let below = |text: &str| format!("environment = 'x'\n[transport]\nkind = 'memory'\n{text}");
    for file in [
        String::new(),
        "environment = 'x'".to_owned(),
        "[transport]\nkind = 'memory'".to_owned(),
        "environment = 7\n[transport]\nkind = 'memory'".to_owned(),
        "environment = 'x'\ntransport = 'memory'".to_owned(),
        "environment = 'x'\n[transport]".to_owned(),
        "environment = 'x'\n[transport]\nkind = 'rabbit'".to_owned(),
        "allow_inline_secrets = 'yes'\nenvironment = 'x'\n[transport]\nkind = 'memory'".to_owned(),
        below("[keys]\nkind = 'file'"),
        below("[[keys]]\npath = '/k'"),
        below("[[keys]]\nkind = 'memory'"),
        below("[replay_guard]\nkind = 'redis'"),
        below("[replay_guard]\nkind = 'nats'"),
        below("[[replay_guard]]\nkind = 'memory'"),
        below("[crypto]\npolicy = 'loose'"),
        below("[crypto]\nmax_age = 5"),
        below("[crypto]\nmax_age_s = -1"),
        below("[keyring]\nsoft_age_s = '1 h'"),
        below("[keyring]\ncache = 1"),
        below("[vault.main]\naddress = 'https://v'"),
        below("[vault.main]\ntoken = { env = 'T' }"),
        below("[queues]\norders = 'orders'"),
        below("[queues.orders]\nname = 'x'"),
        below("[queues.\"\"]"),
        below("[metrics]"),
    ] {
        assert_both_refuse(&validator, &file);
    }
}

/// The schema cannot look at `allow_inline_secrets` for each secret, but it can for the file.
#[test]
fn a_secret_in_the_file_is_refused_by_both_unless_the_file_allows_it() {
    let (validator, mut secrets) = (Validator::new(), 0);
    for (kind, keys) in built_in() {
        for key in &keys {
            if key.setting.kind != sealmq_settings::Kind::Secret {
                continue;
            }
            let allowed = wrong(kind, &[&format!("{} = \"hush\"", key.name)], Some(&key.name));
            assert_eq!(validator.refusal(&allowed), None, "{allowed}");
            let not = allowed.replace("allow_inline_secrets = true\n", "");
            assert_both_refuse(&validator, &not);
            let said = not.replace("environment", "allow_inline_secrets = false\nenvironment");
            assert_both_refuse(&validator, &said);
            secrets += 1;
        }
    }
    assert!(secrets >= 15, "{secrets}");
}
