//! `[queues.NAME]`: what a queue is called on the broker, and what its messages are bound to.

use std::collections::BTreeMap;

use sealmq_settings::{Kind, Setting};
use toml::de::{DeTable, DeValue};

use crate::document::shown;
use crate::error::ConfigError;
use crate::section::{Group, Section};
use crate::value::Reading;

const QUEUE: &str = "queue";
const LOGICAL_QUEUE: &str = "logical_queue";
const TENANT: &str = "tenant";

pub(crate) const QUEUES: &[Group] = &[Group::ours(&[&[
    Setting::new(QUEUE, Kind::Text, "its name on the broker; NAME"),
    Setting::new(LOGICAL_QUEUE, Kind::Text, "the name that messages are bound to; NAME"),
    Setting::new(TENANT, Kind::Text, "the tenant that messages are bound to; that of the top"),
]])];

/// A queue of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) on_broker: String,
    pub(crate) logical: String,
    pub(crate) tenant: Option<String>,
}

impl Queue {
    /// A queue of which the file says nothing.
    pub(crate) fn named(name: &str, tenant: Option<&str>) -> Self {
        let tenant = tenant.map(str::to_owned);
        Self { on_broker: name.to_owned(), logical: name.to_owned(), tenant }
    }

    /// What its table says.
    pub(crate) fn of(
        name: &str,
        section: &Section,
        tenant: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let resolved = section.resolve()?;
        let settings = resolved.settings();
        let queue = Self::named(name, tenant);
        Ok(Self {
            on_broker: settings.get(QUEUE).unwrap_or(queue.on_broker),
            logical: settings.get(LOGICAL_QUEUE).unwrap_or(queue.logical),
            tenant: settings.get(TENANT).or(queue.tenant),
        })
    }
}

/// The tables of all queues.
pub(crate) fn read(
    table: &DeTable<'_>,
    reading: &Reading<'_>,
) -> Result<BTreeMap<String, Section>, ConfigError> {
    let mut queues = BTreeMap::new();
    for (name, value) in table {
        let path = format!("queues.{}", shown(name.get_ref()));
        let line = reading.lines.of(&name.span());
        let DeValue::Table(table) = value.get_ref() else {
            return Err(ConfigError::new(path, "is a table").at(line));
        };
        if name.get_ref().is_empty() {
            return Err(ConfigError::new(path, "the name of a queue is empty").at(line));
        }
        let mut section = Section::read(table, &path, QUEUES, &[], reading)?;
        section.line = Some(line);
        queues.insert(name.get_ref().clone().into_owned(), section);
    }
    Ok(queues)
}
