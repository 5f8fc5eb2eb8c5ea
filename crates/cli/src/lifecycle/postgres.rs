//! What PostgreSQL can do besides: its tables, versions by their status, re-wrapping, retiring.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use sealmq::postgres::{KekRecord, KekStatus, PostgresKeyService, RewrapOptions, migrate};
use sealmq::{KekVersion, KeyError, KeyErrorKind};
use serde::Serialize;

use super::{Service, Target, explain};
use crate::command::EXIT_CODES;
use crate::error::CliError;
use crate::keys::postgres::PostgresSource;
use crate::keys::{self, KeySource, Purpose};
use crate::output::{self, Progress, thousands};
use crate::utc::format_unix_ms;

#[derive(Subcommand)]
pub(super) enum Command {
    /// PostgreSQL: makes the tables, or brings them up to date
    #[command(after_help = EXIT_CODES)]
    Migrate {
        #[command(flatten)]
        service: Service,
    },
    /// PostgreSQL: lists the versions of a tenant's KEK, and what each still does
    #[command(after_help = EXIT_CODES)]
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// PostgreSQL: wraps what is stored anew: all KEKs by the current master key, or with --tenant
    /// that tenant's stored DEKs by its latest KEK. It may be interrupted, and goes on then
    #[command(after_help = EXIT_CODES)]
    Rewrap {
        #[command(flatten)]
        service: Service,
        /// Whose stored DEKs
        #[arg(long)]
        tenant: Option<String>,
    },
    /// PostgreSQL: takes an old version out of use, to be destroyed when 30 days are over, or what
    /// SEALMQ_POSTGRES_GRACE_PERIOD_S says
    #[command(after_help = EXIT_CODES)]
    Retire {
        #[command(flatten)]
        target: Target,
        /// Which version; the one that wraps is refused, and one that stored DEKs need
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        version: u32,
    },
}

#[derive(Serialize)]
struct Migrated {
    service: String,
    schema_version: u32,
}

#[derive(Serialize)]
struct Status {
    service: String,
    tenant: String,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    kek_version: u32,
    status: &'static str,
    master_key: String,
    created_at: String,
    rotated_at: Option<String>,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct Rewrapped {
    service: String,
    tenant: Option<String>,
    rewrapped: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Retired {
    service: String,
    tenant: String,
    kek_version: u32,
    destroyed_at: String,
}

pub(super) async fn run(command: &Command) -> Result<(), CliError> {
    match command {
        Command::Migrate { service } => make_tables(service).await,
        Command::Status { target } => status(target).await,
        Command::Rewrap { service, tenant } => rewrap(service, tenant.as_deref()).await,
        Command::Retire { target, version } => retire(target, KekVersion(*version)).await,
    }
}

async fn make_tables(arguments: &Service) -> Result<(), CliError> {
    let source = arguments.open(Purpose::Operate)?;
    let client = in_postgres(&*source)?.client().await.map_err(cannot(&*source))?;
    let schema_version = migrate(&client).await.map_err(cannot(&*source))?;
    let migrated = Migrated { service: source.describe(), schema_version };
    if arguments.json {
        return output::print_json(&migrated);
    }
    let Migrated { service, schema_version } = migrated;
    output::print(&format!("The tables at {service} have version {schema_version}.\n"))
}

async fn status(target: &Target) -> Result<(), CliError> {
    let (source, tenant) = (target.service.open(Purpose::Operate)?, target.tenant()?);
    let records = service(&*source).await?.versions(&tenant).await;
    let records = records.map_err(|error| explain(&*source, &tenant, error))?;
    let versions = records.into_iter().map(Version::of).collect();
    let status = Status { service: source.describe(), tenant: tenant.to_string(), versions };
    if target.service.json {
        return output::print_json(&status);
    }
    let mut text = format!("{}\n  tenant     {}\n", status.service, status.tenant);
    for version in &status.versions {
        let Version { kek_version, status, created_at, expires_at, .. } = version;
        let end = expires_at.as_ref().map_or_else(String::new, |at| format!(", ends {at}"));
        let _ = writeln!(text, "  {kek_version:<10} {status}, made {created_at}{end}");
    }
    if status.versions.is_empty() {
        text.push_str("  never used\n");
    }
    output::print(&text)
}

async fn rewrap(arguments: &Service, tenant: Option<&str>) -> Result<(), CliError> {
    let source = arguments.open(Purpose::Operate)?;
    let tenant = tenant.map(sealmq::TenantId::new).transpose();
    let tenant = tenant.map_err(|error| CliError::usage("--tenant").because(error))?;
    let (keys, options) = (service(&*source).await?, RewrapOptions::new());
    let left = match tenant {
        None => keys.keks_to_rewrap().await.map_err(cannot(&*source))? as usize,
        Some(_) => 0, // nobody has counted them
    };
    let mut shown = Progress::new("rows", left);
    let progress = |now: sealmq::postgres::RewrapProgress| shown.at(now.rewrapped as usize);
    let done = match &tenant {
        None => keys.rewrap_keks(&options, progress).await.map_err(cannot(&*source))?,
        Some(tenant) => {
            let done = keys.rewrap_stored_deks(tenant, &options, progress).await;
            done.map_err(|error| explain(&*source, tenant, error))?
        }
    };
    drop(shown);
    let rewrapped = Rewrapped {
        service: source.describe(),
        tenant: tenant.map(|tenant| tenant.to_string()),
        rewrapped: done.rewrapped,
        refused: done.refused,
    };
    if arguments.json {
        output::print_json(&rewrapped)?;
    } else {
        let [rewrapped, refused] = [done.rewrapped, done.refused].map(|n| thousands(n as usize));
        output::print(&format!("{rewrapped} rows were wrapped anew, {refused} do not open.\n"))?;
    }
    match done.refused {
        0 => Ok(()),
        _ => Err(CliError::failed("some rows do not open and were left as they are")),
    }
}

async fn retire(target: &Target, version: KekVersion) -> Result<(), CliError> {
    let (source, tenant) = (target.service.open(Purpose::Operate)?, target.tenant()?);
    let at = service(&*source).await?.schedule_deletion(&tenant, version).await;
    let at = at.map_err(|error| explain(&*source, &tenant, error))?;
    let retired = Retired {
        service: source.describe(),
        tenant: tenant.to_string(),
        kek_version: version.0,
        destroyed_at: utc(at),
    };
    if target.service.json {
        return output::print_json(&retired);
    }
    let Retired { tenant, kek_version, destroyed_at, .. } = retired;
    output::print(&format!(
        "Version {kek_version} of {tenant} is out of use, and is destroyed after {destroyed_at}.\n"
    ))
}

impl Version {
    fn of(record: KekRecord) -> Self {
        Self {
            kek_version: record.version.0,
            status: match record.status {
                KekStatus::Active => "active",
                KekStatus::DecryptOnly => "decrypt_only",
                KekStatus::PendingDeletion => "pending_deletion",
                KekStatus::Destroyed => "destroyed",
                _ => "unknown to this program",
            },
            master_key: record.master_key_id,
            created_at: utc(record.created_at),
            rotated_at: record.rotated_at.map(utc),
            expires_at: record.expires_at.map(utc),
        }
    }
}

async fn service(source: &dyn KeySource) -> Result<PostgresKeyService, CliError> {
    let postgres = in_postgres(source)?;
    let service = postgres.client().await.and_then(|client| postgres.service(client));
    service.map_err(cannot(source))
}

fn in_postgres(source: &dyn KeySource) -> Result<&PostgresSource, CliError> {
    let refused = || CliError::usage("--keys: only postgres: can do that");
    source.as_postgres().ok_or_else(refused)
}

fn cannot(source: &dyn KeySource) -> impl Fn(KeyError) -> CliError {
    move |error| match error.kind() {
        KeyErrorKind::InvalidInput { .. } => CliError::usage("--keys postgres:…").because(error),
        _ => keys::cannot_use(source, error),
    }
}

fn utc(time: SystemTime) -> String {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format_unix_ms(since_1970.as_millis() as u64)
}
