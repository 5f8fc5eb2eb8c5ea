//! The file as a whole: read and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use sealmq_crypto_core::{CryptoConfig, KeyringPolicy};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::adapter::{Adapter, read_keys};
use crate::crypto::{self, CRYPTO};
use crate::document::{Lines, parse};
use crate::error::ConfigError;
use crate::keyring::{self, KEYRING};
use crate::kinds::{REPLAY_GUARDS, TRANSPORTS};
use crate::queues::{self, Queue};
use crate::section::{Section, keys_of};
use crate::top::{ENVIRONMENT, INLINE_SECRETS, TABLES, TENANT, TOP};
use crate::value::Reading;
use crate::{keys, replay_guard, transport, vaults};

/// A configuration of transport, keys, policy and queues.
///
/// # Contract
/// - [`Config::parse`] checks names and types, and does no I/O. [`Config::validate`] reads the
///   variables and files that are referred to and checks every value, without a server.
///   [`Config::connect`] does both and connects; it reads references anew each time.
/// - Nothing of the environment is read but what the file refers to, and what the SDKs of clouds
///   look for by themselves: credentials, regions.
/// - `Debug` shows references and plain settings, and no secret.
pub struct Config {
    pub(crate) top: Section,
    pub(crate) transport: Adapter,
    pub(crate) keys: Vec<Adapter>,
    pub(crate) replay_guard: Option<Adapter>,
    pub(crate) crypto: Section,
    pub(crate) keyring: Section,
    pub(crate) vaults: BTreeMap<String, Section>,
    pub(crate) queues: BTreeMap<String, Section>,
}

/// Everything checked, and nothing connected.
pub(crate) struct Checked {
    pub(crate) environment: String,
    pub(crate) tenant: Option<String>,
    pub(crate) crypto: CryptoConfig,
    pub(crate) keyring: KeyringPolicy,
    pub(crate) queues: BTreeMap<String, Queue>,
}

impl Config {
    /// The configuration in this file.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Config::parse`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text
            .map_err(|error| ConfigError::new("", format!("the file cannot be read: {error}")))?;
        Self::parse(&text)
    }

    /// The configuration in this text.
    ///
    /// # Errors
    /// The first table or setting that is missing, not known, or not of its type; a secret that
    /// stands in the text; a kind that is not built in.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (table, lines) = parse(text)?;
        let inline_secrets = match table.get(INLINE_SECRETS).map(toml::Spanned::get_ref) {
            None => false,
            Some(DeValue::Boolean(allowed)) => *allowed,
            Some(_) => {
                let line = table.get(INLINE_SECRETS).map(|value| lines.of(&value.span()));
                return Err(ConfigError::new(INLINE_SECRETS, "is true or false").at(line));
            }
        };
        let reading = Reading { lines, inline_secrets };
        let top = Section::read(&table, "", TOP, TABLES, &reading)?;
        if !top.values.contains_key(ENVIRONMENT) {
            return Err(ConfigError::new(ENVIRONMENT, "is not set"));
        }
        let transport = match table.get("transport") {
            Some(value) => {
                let (table, line) = as_table(value, "transport", lines)?;
                Adapter::read(table, "transport", line, TRANSPORTS, &reading)?
            }
            None => return Err(ConfigError::new("transport", "there is no such table")),
        };
        let replay_guard = match table.get("replay_guard") {
            Some(value) => {
                let (table, line) = as_table(value, "replay_guard", lines)?;
                Some(Adapter::read(table, "replay_guard", line, REPLAY_GUARDS, &reading)?)
            }
            None => None,
        };
        let policy = |name, groups| match table.get(name) {
            Some(value) => {
                let (table, line) = as_table(value, name, lines)?;
                let mut section = Section::read(table, name, groups, &[], &reading)?;
                section.line = Some(line);
                Ok(section)
            }
            None => Ok(Section::absent(name, groups)),
        };
        let (crypto, keyring) = (policy("crypto", CRYPTO)?, policy("keyring", KEYRING)?);
        let vaults = match table.get("vault") {
            Some(value) => {
                let (table, line) = as_table(value, "vault", lines)?;
                vaults::read(table, line, &reading)?
            }
            None => BTreeMap::new(),
        };
        let queues = match table.get("queues") {
            Some(value) => queues::read(as_table(value, "queues", lines)?.0, &reading)?,
            None => BTreeMap::new(),
        };
        let keys = read_keys(&table, &reading)?;
        Ok(Self { top, transport, keys, replay_guard, crypto, keyring, vaults, queues })
    }

    /// Reads what is referred to and checks every value. No server is asked.
    ///
    /// # Errors
    /// The first setting that is missing or not acceptable, in the names of the file.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checked = self.check()?;
        let table = self.transport.section.resolve()?;
        transport::Prepared::of(self.transport.kind, &table)?;
        for adapter in &self.keys {
            keys::Prepared::of(adapter.kind, &adapter.section.resolve()?)?;
        }
        vaults::check(&self.vaults, self.keys.iter().chain(&self.replay_guard))?;
        if let Some(guard) = &self.replay_guard {
            self.prepare_guard(guard, &checked.crypto)?;
        }
        if checked.crypto.enabled && self.keys.is_empty() {
            let reason = "there is no such table, and the policy seals: add [[keys]]";
            return Err(ConfigError::new("keys", reason));
        }
        Ok(())
    }

    /// The names of the queues in the file.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// The guard as it was checked against transport and policy.
    pub(crate) fn prepare_guard(
        &self,
        guard: &Adapter,
        crypto: &CryptoConfig,
    ) -> Result<replay_guard::Prepared, ConfigError> {
        if !crypto.nonce_tracking {
            let reason = "there is one, and the policy lets replays pass: crypto.nonce_tracking";
            return Err(guard.section.error(reason));
        }
        let transport = self.transport.section.resolve()?;
        let is_nats = ["nats", "nats-core"].contains(&self.transport.kind);
        let around = replay_guard::Surroundings {
            nats: is_nats.then(|| transport.settings()),
            nonce_ttl: crypto.nonce_ttl,
        };
        replay_guard::Prepared::of(guard.kind, &guard.section.resolve()?, &around)
    }

    /// What needs no adapter.
    pub(crate) fn check(&self) -> Result<Checked, ConfigError> {
        let top = self.top.resolve()?;
        let environment = top.settings().required(ENVIRONMENT).map_err(|e| top.invalid(&e))?;
        let tenant = top.settings().get(TENANT);
        let crypto = crypto::read(&self.crypto.resolve()?)?;
        let keyring = keyring::read(&self.keyring.resolve()?)?;
        let mut queues = BTreeMap::new();
        for (name, section) in &self.queues {
            queues.insert(name.clone(), Queue::of(name, section, tenant.as_deref())?);
        }
        let mut aliases = Vec::new();
        for adapter in &self.keys {
            let table = adapter.section.resolve()?;
            let Some(alias) = keys::alias(&table)? else { continue };
            if aliases.contains(&alias) {
                return Err(table.refused("alias", "is that of another key service"));
            }
            aliases.push(alias);
        }
        Ok(Checked { environment, tenant, crypto, keyring, queues })
    }
}

fn as_table<'v, 't>(
    value: &'v toml::Spanned<DeValue<'t>>,
    path: &str,
    lines: Lines<'_>,
) -> Result<(&'v DeTable<'t>, usize), ConfigError> {
    let line = lines.of(&value.span());
    match value.get_ref() {
        DeValue::Table(table) => Ok((table, line)),
        _ => Err(ConfigError::new(path, format!("is a table: write [{path}]")).at(line)),
    }
}

/// The names of the settings of the top, for the schema and the documentation.
pub(crate) fn top_keys() -> Vec<crate::section::Key> {
    keys_of(TOP)
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts()).finish()
    }
}
