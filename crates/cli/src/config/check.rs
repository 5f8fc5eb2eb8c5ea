//! `sealmq config check`: the file, then what it leads to.

use std::error::Error;
use std::path::Path;

use sealmq::config::{Config, ConfigError, Origin, Part, Service};
use sealmq::{HealthStatus, PartReport};

use super::render::render;
use super::report::{Check, Default, Report, Section, Setting};
use crate::command::block_on;
use crate::error::CliError;
use crate::output::{self, Style};

/// The queue that is tried if the file names none. Nothing is sent to it.
const SCRATCH: &str = "sealmq-config-check";

pub(super) struct Options {
    pub(super) offline: bool,
    pub(super) json: bool,
    pub(super) verbose: bool,
}

/// Reports, and fails when a part does not do its work. A file that is not valid is the fault of
/// the input.
pub(super) fn run(file: &Path, options: &Options) -> Result<(), CliError> {
    let shown = file.display();
    let invalid = |error: ConfigError| CliError::usage(format!("{shown}")).because(error);
    let config = Config::from_file(file).map_err(invalid)?;
    config.validate().map_err(invalid)?;
    let sections = config.parts().into_iter().map(|part| section(part, options.verbose));
    let mut report = Report {
        file: shown.to_string(),
        ok: true,
        online: !options.offline,
        sections: sections.collect(),
        checks: Vec::new(),
    };
    if !options.offline {
        report.checks = block_on(async { Ok(ask(&config).await) })?;
        report.ok = report.checks.iter().all(|check| check.ok);
    }
    if options.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, Style::of_stdout()))?;
    }
    let failed = report.checks.iter().filter(|check| !check.ok).count();
    match failed {
        0 => Ok(()),
        1 => Err(CliError::failed("a part does not do its work")),
        _ => Err(CliError::failed(format!("{failed} parts do not do their work"))),
    }
}

/// Connects every part, and tries those of each queue if all are connected.
async fn ask(config: &Config) -> Vec<Check> {
    let (parts, service) = match config.connect_each().await {
        Ok(connected) => connected,
        Err(error) => return vec![failed(error.path(), error.reason(), &error)],
    };
    let mut checks: Vec<_> = parts
        .iter()
        .map(|part| match &part.error {
            Some(error) => failed(&part.path, error.reason(), error),
            None => Check { what: part.path.clone(), ok: true, reason: None, elapsed_ms: None },
        })
        .collect();
    let Some(service) = service else { return checks };
    let mut names: Vec<&str> = config.queues().collect();
    if names.is_empty() {
        names.push(SCRATCH);
    }
    for name in names {
        checks.extend(try_queue(&service, name).await);
    }
    if let Err(error) = service.close().await {
        checks.push(failed("close", &error.to_string(), &error));
    }
    checks
}

async fn try_queue(service: &Service, name: &str) -> Vec<Check> {
    match service.queue(name) {
        Ok(queue) => {
            queue.self_test().await.parts().iter().map(|part| outcome(name, part)).collect()
        }
        Err(error) => vec![failed(error.path(), error.reason(), &error)],
    }
}

fn outcome(queue: &str, part: &PartReport) -> Check {
    let reason = match &part.status {
        HealthStatus::Healthy => None,
        HealthStatus::Degraded(reason) | HealthStatus::Unhealthy(reason) => Some(reason.clone()),
    };
    Check {
        what: format!("queues.{queue} {}", part.part.name()),
        ok: reason.is_none(),
        reason,
        elapsed_ms: u64::try_from(part.elapsed.as_millis()).ok(),
    }
}

/// The error and what is directly behind it: both are of ours. What lies deeper is an SDK's.
fn failed(what: &str, reason: &str, error: &dyn Error) -> Check {
    let reason = match error.source() {
        Some(source) => format!("{reason}: {source}"),
        None => reason.to_owned(),
    };
    let what = if what.is_empty() { "the file" } else { what };
    Check { what: what.to_owned(), ok: false, reason: Some(reason), elapsed_ms: None }
}

fn section(part: Part, verbose: bool) -> Section {
    let given = part.given.into_iter().map(|given| Setting {
        origin: match &given.origin {
            Origin::Inline => "file".to_owned(),
            elsewhere => elsewhere.to_string(),
        },
        value: if given.is_secret { Some("set".to_owned()) } else { given.value },
        key: given.key,
    });
    let defaults = part.defaults.into_iter().map(|(key, about)| Default { key, about });
    Section {
        path: part.path,
        kind: part.kind,
        settings: given.collect(),
        defaults: if verbose { defaults.collect() } else { Vec::new() },
    }
}
