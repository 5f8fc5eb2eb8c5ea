//! A table with a kind: which one, and what it does.

use toml::de::{DeTable, DeValue};

use crate::catalogue::{Kind, Role, kind_of};
use crate::error::ConfigError;
use crate::kinds::KEYS;
use crate::section::Section;
use crate::value::Reading;

/// The most key services that a message may be sealed for.
const MAX_SERVICES: usize = 4;

/// A table with a kind.
pub(crate) struct Adapter {
    pub(crate) kind: &'static str,
    pub(crate) role: Role,
    pub(crate) section: Section,
}

impl Adapter {
    pub(crate) fn read(
        table: &DeTable<'_>,
        path: &str,
        line: usize,
        known: &'static [Kind],
        reading: &Reading<'_>,
    ) -> Result<Self, ConfigError> {
        let (kind, groups) = kind_of(table, path, line, known, reading.lines)?;
        let mut section = Section::read(table, path, groups, &["kind"], reading)?;
        section.line = Some(line);
        let has_alias = section.values.contains_key("alias");
        let role = match kind.role {
            Role::ServiceOrStore if has_alias => Role::KeyService,
            Role::ServiceOrStore => Role::KeyStore,
            Role::KeyService if !has_alias => {
                let reason = "is not set: messages name the KEK of a key service by it";
                return Err(ConfigError::new(section.path_of("alias"), reason).at(line));
            }
            role => role,
        };
        Ok(Self { kind: kind.name, role, section })
    }
}

/// The tables of all sources of keys.
pub(crate) fn read_keys(
    table: &DeTable<'_>,
    reading: &Reading<'_>,
) -> Result<Vec<Adapter>, ConfigError> {
    let Some(value) = table.get("keys") else { return Ok(Vec::new()) };
    let line = reading.lines.of(&value.span());
    let not_tables = || ConfigError::new("keys", "is an array of tables: write [[keys]]").at(line);
    let DeValue::Array(tables) = value.get_ref() else { return Err(not_tables()) };
    let mut keys = Vec::<Adapter>::new();
    for (index, value) in tables.iter().enumerate() {
        let path = format!("keys[{index}]");
        let DeValue::Table(table) = value.get_ref() else { return Err(not_tables()) };
        let line = reading.lines.of(&value.span());
        let adapter = Adapter::read(table, &path, line, KEYS, reading)?;
        let others = keys.iter().filter(|other| other.role == adapter.role).count();
        if adapter.role == Role::KeyStore && others == 1 {
            let reason = "there is another store of named keys: one at most";
            return Err(ConfigError::new(path, reason).at(line));
        }
        if adapter.role == Role::KeyService && others == MAX_SERVICES {
            let reason = format!("there are {MAX_SERVICES} key services: no more than that");
            return Err(ConfigError::new(path, reason).at(line));
        }
        keys.push(adapter);
    }
    Ok(keys)
}
