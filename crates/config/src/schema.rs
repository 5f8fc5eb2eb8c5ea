//! The JSON Schema of the file, made from the lists of settings.

use sealmq_settings::Kind as ValueKind;
use serde_json::{Map, Value, json};

use crate::catalogue::Kind;
use crate::config::top_keys;
use crate::crypto::CRYPTO;
use crate::keyring::KEYRING;
use crate::kinds::{KEYS, REPLAY_GUARDS, TRANSPORTS, VAULTS};
use crate::queues::QUEUES;
use crate::section::{Key, keys_of};
use crate::top::INLINE_SECRETS;

/// The JSON Schema (draft 2020-12) of the file, with the kinds that are built in.
///
/// What two settings are to each other is beyond it: [`Config::validate`](crate::Config::validate)
/// knows.
pub fn schema() -> String {
    let mut root = table(&top_keys(), None);
    let properties = root["properties"].as_object_mut();
    if let Some(properties) = properties {
        let queue = table(&keys_of(QUEUES), None);
        properties.insert(INLINE_SECRETS.into(), json!({ "type": "boolean", "default": false }));
        properties.insert("transport".into(), one_of(TRANSPORTS));
        properties.insert("keys".into(), json!({ "type": "array", "items": one_of(KEYS) }));
        properties.insert("replay_guard".into(), one_of(REPLAY_GUARDS));
        properties.insert("crypto".into(), table(&keys_of(CRYPTO), None));
        properties.insert("keyring".into(), table(&keys_of(KEYRING), None));
        if let Some(vault) = VAULTS {
            properties.insert("vault".into(), named(table(&keys_of(vault), None)));
        }
        properties.insert("queues".into(), named(queue));
    }
    root["if"] = json!({
        "properties": { INLINE_SECRETS: { "const": true } },
        "required": [INLINE_SECRETS],
    });
    root["else"] = secrets_by_reference();
    root["required"] = json!(["environment", "transport"]);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Configuration of sealmq");
    root["$defs"] = json!({ "reference": {
        "description": "a value that stands elsewhere",
        "oneOf": [of_reference("env"), of_reference("file")],
    } });
    format!("{root:#}\n")
}

/// That every secret of every table is a reference.
fn secrets_by_reference() -> Value {
    let mut properties = json!({
        "transport": secrets_of_kinds(TRANSPORTS),
        "keys": { "items": secrets_of_kinds(KEYS) },
        "replay_guard": secrets_of_kinds(REPLAY_GUARDS),
    });
    if let Some(vault) = VAULTS {
        properties["vault"] = json!({ "additionalProperties": secrets(&keys_of(vault)) });
    }
    json!({ "properties": properties })
}

fn secrets_of_kinds(kinds: &[Kind]) -> Value {
    let of_kind = |kind: &Kind| {
        let keys = keys_of(kind.groups?);
        let is = json!({ "properties": { "kind": { "const": kind.name } }, "required": ["kind"] });
        keys.iter().any(is_secret).then(|| json!({ "if": is, "then": secrets(&keys) }))
    };
    match kinds.iter().filter_map(of_kind).collect::<Vec<_>>() {
        none if none.is_empty() => json!({}),
        all => json!({ "allOf": all }),
    }
}

fn secrets(keys: &[Key]) -> Value {
    let secrets = keys.iter().filter(|key| is_secret(key));
    let reference = json!({ "$ref": "#/$defs/reference" });
    let properties = secrets.map(|key| (key.name.clone(), reference.clone()));
    json!({ "properties": properties.collect::<Map<_, _>>() })
}

fn is_secret(key: &Key) -> bool {
    key.setting.kind == ValueKind::Secret
}

/// Tables of this form, each under a name of the user's.
fn named(table: Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": table,
        "propertyNames": { "minLength": 1 },
    })
}

fn of_reference(name: &str) -> Value {
    json!({
        "type": "object",
        "properties": { name: { "type": "string", "minLength": 1 } },
        "required": [name],
        "additionalProperties": false,
    })
}

fn one_of(kinds: &[Kind]) -> Value {
    let built_in = kinds.iter().filter_map(|kind| Some((kind, kind.groups?)));
    let tables = built_in.map(|(kind, groups)| table(&keys_of(groups), Some(kind)));
    json!({ "oneOf": tables.collect::<Vec<_>>() })
}

fn table(keys: &[Key], kind: Option<&Kind>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some(kind) = kind {
        properties.insert("kind".into(), json!({ "const": kind.name, "description": kind.about }));
        required.push("kind");
    }
    for key in keys {
        properties.insert(key.name.clone(), property(key));
        if is_required(key) {
            required.push(&key.name);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Whether a table is nothing without it.
pub(crate) fn is_required(key: &Key) -> bool {
    key.setting.about.ends_with("; required")
}

fn property(key: &Key) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let value = match key.setting.kind {
        ValueKind::Flag => json!({ "type": "boolean" }),
        ValueKind::Number | ValueKind::Milliseconds | ValueKind::Seconds => {
            json!({ "type": "integer", "minimum": 0 })
        }
        ValueKind::Choice(words) => json!({ "enum": words }),
        ValueKind::List => {
            let item = json!({ "type": "string", "pattern": "^[^,]+$" });
            json!({ "anyOf": [text, { "type": "array", "items": item, "minItems": 1 }] })
        }
        _ => text,
    };
    let about = match key.setting.kind {
        ValueKind::Secret => format!("{}. A secret", key.setting.about),
        _ => key.setting.about.to_owned(),
    };
    json!({ "description": about, "anyOf": [value, { "$ref": "#/$defs/reference" }] })
}
