//! One table of the file: its settings by name, and its errors in the names of the file.

use std::collections::BTreeMap;

use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use toml::de::DeTable;
use zeroize::Zeroizing;

use crate::document::shown;
use crate::error::ConfigError;
use crate::nearest::unknown;
use crate::value::{Reading, Source, Value};

/// Settings whose keys are their variables behind a prefix, in lower case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) prefix: &'static str,
    pub(crate) settings: &'static [&'static [Setting]],
    /// What is to be said of some of them here instead of what the adapter says.
    pub(crate) instead: &'static [(&'static str, &'static str)],
}

impl Group {
    /// Settings of the file's own.
    pub(crate) const fn ours(settings: &'static [&'static [Setting]]) -> Self {
        Self { prefix: "", settings, instead: &[] }
    }
}

/// A setting under its key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) setting: Setting,
}

/// All keys of these groups, in their order.
pub(crate) fn keys_of(groups: &[Group]) -> Vec<Key> {
    let of = |group: &Group| {
        let Group { prefix, settings, instead } = *group;
        settings.iter().copied().flatten().map(move |setting| {
            let mut key = Key { name: setting.key(prefix), setting: *setting };
            if let Some((_, about)) = instead.iter().find(|(of, _)| *of == setting.variable) {
                key.setting.about = about;
            }
            key
        })
    };
    groups.iter().flat_map(of).collect()
}

/// A table, read and not yet resolved.
pub(crate) struct Section {
    /// Where it stands, such as `keys[0]`; empty for the top of the file.
    pub(crate) path: String,
    pub(crate) line: Option<usize>,
    pub(crate) keys: Vec<Key>,
    pub(crate) values: BTreeMap<&'static str, Value>,
}

impl Section {
    /// A table that is not there.
    pub(crate) fn absent(path: &str, groups: &[Group]) -> Self {
        let keys = keys_of(groups);
        Self { path: path.to_owned(), line: None, keys, values: BTreeMap::new() }
    }

    /// The settings of a table, without the names in `besides`, which others read.
    pub(crate) fn read(
        table: &DeTable<'_>,
        path: &str,
        groups: &[Group],
        besides: &[&str],
        reading: &Reading<'_>,
    ) -> Result<Self, ConfigError> {
        let mut section = Self::absent(path, groups);
        for (name, value) in table {
            let name_text: &str = name.get_ref();
            if besides.contains(&name_text) {
                continue;
            }
            let path = section.path_of(&shown(name_text));
            let Some(key) = section.keys.iter().find(|key| key.name == name_text) else {
                let known = section.keys.iter().map(|key| key.name.as_str());
                let known: Vec<&str> = besides.iter().copied().chain(known).collect();
                let what = if value.get_ref().is_table() { "table or setting" } else { "setting" };
                let line = reading.lines.of(&name.span());
                return Err(ConfigError::new(path, unknown(what, name_text, known)).at(line));
            };
            let value = Value::read(value, &key.setting, &path, reading)?;
            section.values.insert(key.setting.variable, value);
        }
        Ok(section)
    }

    /// The whole name of a setting of this table.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// An error of the table as a whole.
    pub(crate) fn error(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.path, reason).at(self.line)
    }

    /// Reads every variable and file that is referred to.
    pub(crate) fn resolve(&self) -> Result<Resolved<'_>, ConfigError> {
        let mut texts = BTreeMap::new();
        for (variable, value) in &self.values {
            let text = value.resolve().map_err(|reason| {
                let reference = !matches!(value.source, Source::Inline(_));
                let reason = if reference && reason == "is empty" {
                    "what it refers to is empty".to_owned()
                } else {
                    reason
                };
                ConfigError::new(self.path_of(&self.name_of(variable)), reason).at(value.line)
            })?;
            texts.insert(*variable, text);
        }
        Ok(Resolved { section: self, texts })
    }

    fn name_of(&self, variable: &str) -> String {
        let key = self.keys.iter().find(|key| key.setting.variable == variable);
        key.map_or_else(|| variable.to_owned(), |key| key.name.clone())
    }
}

/// A table with the texts of its values.
pub(crate) struct Resolved<'s> {
    pub(crate) section: &'s Section,
    texts: BTreeMap<&'static str, Zeroizing<String>>,
}

impl Resolved<'_> {
    /// What an adapter reads.
    pub(crate) fn settings(&self) -> Settings<'_> {
        Settings::from_lookup(|asked| self.texts.get(asked).map(|text| text.as_str().to_owned()))
    }

    /// What an adapter says of a variable or field, in the names of the file and without values.
    pub(crate) fn refused(&self, field: &str, reason: &str) -> ConfigError {
        let section = self.section;
        let reason = self.in_names_of_the_file(reason);
        match section.keys.iter().find(|key| is_meant(key, field)) {
            Some(key) => {
                let line = section.values.get(key.setting.variable).map(|value| value.line);
                ConfigError::new(section.path_of(&key.name), reason).at(line.or(section.line))
            }
            None => section.error(format!("{field}: {reason}")),
        }
    }

    /// The error of an adapter that calls `field` invalid, with what is directly behind it.
    pub(crate) fn refused_by(&self, field: &str, error: &dyn std::error::Error) -> ConfigError {
        self.refused(field, &reason_of(field, error))
    }

    pub(crate) fn invalid(&self, setting: &InvalidSetting) -> ConfigError {
        self.refused(setting.variable, &setting.reason)
    }

    /// The longest first, so that no name is taken for the begin of another.
    fn in_names_of_the_file(&self, reason: &str) -> String {
        let mut keys: Vec<&Key> = self.section.keys.iter().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.setting.variable.len()));
        let mut reason = reason.to_owned();
        for key in &keys {
            // A setting of our own has its key as its variable.
            if key.setting.variable != key.name {
                reason = reason.replace(key.setting.variable, &key.name);
            }
        }
        for key in keys.iter().filter(|key| !is_plain(key.setting.kind)) {
            let Some(text) = self.texts.get(key.setting.variable) else { continue };
            if text.len() >= SHORTEST_HIDDEN {
                reason = reason.replace(text.as_str(), "…");
            }
        }
        reason
    }
}

/// What an adapter says of a field, with what is directly behind it.
pub(crate) fn invalid(field: &'static str, error: &dyn std::error::Error) -> InvalidSetting {
    InvalidSetting::new(field, reason_of(field, error))
}

fn reason_of(field: &str, error: &dyn std::error::Error) -> String {
    let shown = error.to_string();
    let reason = shown.strip_prefix(&format!("invalid {field}: ")).unwrap_or(&shown);
    match error.source() {
        Some(source) => format!("{reason}: {source}"),
        None => reason.to_owned(),
    }
}

/// Whether no value of this kind tells anything.
fn is_plain(kind: Kind) -> bool {
    let number = matches!(kind, Kind::Number | Kind::Milliseconds | Kind::Seconds);
    number || matches!(kind, Kind::Flag | Kind::Choice(_))
}

/// A shorter value is part of too many words to be taken out of a sentence.
const SHORTEST_HIDDEN: usize = 4;

/// Fields whose key in the file has another name.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("address", &["addr"]),
    ("auth.mount", &["auth_mount"]),
    ("auth.role", &["kubernetes_role"]),
    ("client_certificate", &["client_cert"]),
    ("auto_create", &["auto_create", "kms_auto_create"]),
    ("deletion_window_days", &["kms_deletion_window_days"]),
    ("endpoint_url", &["endpoint", "kms_endpoint", "secrets_endpoint"]),
    ("field", &["kv_field"]),
    ("id_prefix", &["kv_id_prefix"]),
    ("multi_region", &["kms_multi_region"]),
    ("mount", &["transit_mount", "kv_mount", "vault_database_mount"]),
    ("open_label_prefix", &["secret_open_label_prefix"]),
    ("path", &["path", "kv_path"]),
    ("poll_wait", &["poll_wait_seconds"]),
    ("role", &["vault_database_role"]),
];

/// Whether an adapter that names this field or variable means this key.
fn is_meant(key: &Key, field: &str) -> bool {
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == field);
    let units = ["", "_ms", "_s"];
    let plain = field.strip_prefix("auth.").unwrap_or(field);
    key.setting.variable == field
        || units.iter().any(|unit| key.name.strip_suffix(unit) == Some(plain) && other.is_none())
        || other.is_some_and(|(_, names)| names.contains(&key.name.as_str()))
}
