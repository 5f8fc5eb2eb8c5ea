//! `[vault.NAME]`: a server that makes users of a database, and how to log in there.

use std::collections::BTreeMap;

use sealmq_settings::Settings;
use toml::de::{DeTable, DeValue};

use crate::adapter::Adapter;
use crate::document::shown;
use crate::error::ConfigError;
use crate::key_error;
use crate::kinds::{VAULT_KEY, VAULTS};
use crate::section::{Resolved, Section};
use crate::value::Reading;

/// What [`Connected`](crate::Connected) calls such a table.
pub(crate) const KIND: &str = "vault";

/// The tables of all servers.
pub(crate) fn read(
    table: &DeTable<'_>,
    line: usize,
    reading: &Reading<'_>,
) -> Result<BTreeMap<String, Section>, ConfigError> {
    let Some(groups) = VAULTS else {
        let reason = "this program was built without the feature vault";
        return Err(ConfigError::new("vault", reason).at(line));
    };
    let mut vaults = BTreeMap::new();
    for (name, value) in table {
        let path = format!("vault.{}", shown(name.get_ref()));
        let line = reading.lines.of(&name.span());
        let DeValue::Table(table) = value.get_ref() else {
            return Err(ConfigError::new(path, "is a table: write [vault.NAME]").at(line));
        };
        let mut section = Section::read(table, &path, groups, &[], reading)?;
        section.line = Some(line);
        vaults.insert(name.get_ref().clone().into_owned(), section);
    }
    Ok(vaults)
}

/// Checks each table, that it is used, and that what others name is there.
pub(crate) fn check<'a>(
    vaults: &BTreeMap<String, Section>,
    users: impl Iterator<Item = &'a Adapter>,
) -> Result<(), ConfigError> {
    let mut unused: Vec<&String> = vaults.keys().collect();
    for adapter in users {
        let table = adapter.section.resolve()?;
        let Some(name) = name(&table) else { continue };
        if !vaults.contains_key(&name) {
            let reason = "there is no table [vault.NAME] of that name";
            return Err(table.refused(VAULT_KEY, reason));
        }
        unused.retain(|known| **known != name);
    }
    for section in vaults.values() {
        let table = section.resolve()?;
        check_one(&table.settings()).map_err(|error| key_error::refused(&table, error))?;
    }
    match unused.first().and_then(|name| vaults.get(*name)) {
        Some(section) => Err(section.error("no table has it as its vault")),
        None => Ok(()),
    }
}

#[cfg(feature = "vault")]
fn check_one(settings: &Settings<'_>) -> Result<(), sealmq_crypto_core::KeyError> {
    sealmq_keys_vault::VaultConfig::from_settings(settings).map(drop)
}

#[cfg(not(feature = "vault"))]
fn check_one(_settings: &Settings<'_>) -> Result<(), sealmq_crypto_core::KeyError> {
    Ok(())
}

/// The server that this table names. A store in Vault itself has no such setting.
fn name(table: &Resolved<'_>) -> Option<String> {
    table.settings().get(VAULT_KEY)
}
