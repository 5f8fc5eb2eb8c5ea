//! A kind that a table of the file may name, and what is known of it.

use toml::de::{DeTable, DeValue};

use crate::document::Lines;
use crate::error::ConfigError;
use crate::nearest::unknown;
use crate::section::Group;

/// What a kind does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Transport,
    /// Wraps DEKs under an alias.
    KeyService,
    /// Holds named keys.
    KeyStore,
    /// Either: a service if it has an alias.
    ServiceOrStore,
    ReplayGuard,
}

/// One kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// The feature that builds it in; none for one that is always there.
    pub(crate) feature: Option<&'static str>,
    /// What it is, for the documentation.
    pub(crate) about: &'static str,
    /// Its settings; none unless it is built in.
    pub(crate) groups: Option<&'static [Group]>,
}

/// The kind that a table names, which has to be built in.
pub(crate) fn kind_of<'k>(
    table: &DeTable<'_>,
    path: &str,
    line: usize,
    known: &'k [Kind],
    lines: Lines<'_>,
) -> Result<(&'k Kind, &'static [Group]), ConfigError> {
    let path = format!("{path}.kind");
    let names = known.iter().map(|kind| kind.name);
    let Some(value) = table.get("kind") else {
        let names: Vec<_> = names.collect();
        let reason = format!("is not set; there are {}", names.join(", "));
        return Err(ConfigError::new(path, reason).at(line));
    };
    let line = lines.of(&value.span());
    let DeValue::String(name) = value.get_ref() else {
        return Err(ConfigError::new(path, "is a string").at(line));
    };
    let Some(kind) = known.iter().find(|kind| kind.name == name) else {
        return Err(ConfigError::new(path, unknown("kind", name, names)).at(line));
    };
    let groups = kind.groups.ok_or_else(|| {
        let feature = kind.feature.unwrap_or_default();
        ConfigError::new(path, format!("this program was built without the feature {feature}"))
            .at(line)
    });
    Ok((kind, groups?))
}
