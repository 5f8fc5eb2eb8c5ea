//! `sealmq keys`: checks, rotates and shreds the KEKs of tenants in a key service.

#[cfg(feature = "postgres")]
mod postgres;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Subcommand;
use sealmq::{EncryptionKey, KeyError, KeyErrorKind, TenantId, WrapContext};
use serde::Serialize;

use crate::command::{EXIT_CODES, block_on};
use crate::error::CliError;
use crate::keys::{self, KNOWN, KeySource, Opening, Purpose};
use crate::output;
#[cfg(unix)]
use crate::passphrase::Protection;

/// What a check is bound to: no queue has such a name.
const SCOPE: &str = "sealmq keys check";

/// Checks, rotates and shreds the KEKs of tenants in a key service.
///
/// Services go on meanwhile: after a rotation they seal under the new version when the DEK that
/// they have is used up, within the hour, and the metric `queue_active_key` shows it.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Wraps a DEK and unwraps it, and says which version wraps now. It creates no tenant; only
    /// Vault does so by itself, if its policy lets this client
    #[command(after_help = EXIT_CODES)]
    Check {
        #[command(flatten)]
        target: Target,
        /// The deployment that the DEK is bound to
        #[arg(long)]
        environment: Option<String>,
    },
    /// The same for a tenant that may be new: it gets the first version of its KEK
    #[command(after_help = EXIT_CODES)]
    Create {
        #[command(flatten)]
        target: Target,
    },
    /// Makes a new version of the tenant's KEK, which wraps from now on; older ones go on opening.
    /// Of a tenant that was never used, some services make the first version
    #[command(after_help = EXIT_CODES)]
    Rotate {
        #[command(flatten)]
        target: Target,
    },
    /// Destroys every version of the tenant's KEK: nothing that was sealed for it opens again
    #[command(after_help = EXIT_CODES)]
    Shred {
        #[command(flatten)]
        target: Target,
        /// The tenant once more; without it the terminal asks
        #[arg(long, value_name = "TENANT")]
        yes_shred: Option<String>,
    },
    #[cfg(feature = "postgres")]
    #[command(flatten)]
    Postgres(postgres::Command),
}

/// The service, and how to open it.
#[derive(clap::Args)]
pub(super) struct Service {
    /// The key service, as for sealmq demo: vault:, aws-kms:, azure:, postgres:, pkcs11:, file:PATH
    #[arg(long, value_name = "KEYS")]
    keys: String,
    #[cfg(unix)]
    #[command(flatten)]
    protection: Protection,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Whose KEK, and where.
#[derive(clap::Args)]
pub(super) struct Target {
    #[command(flatten)]
    service: Service,
    /// Whose KEK
    #[arg(long)]
    tenant: String,
}

#[derive(Serialize)]
struct Checked {
    service: String,
    tenant: String,
    /// The version that wraps now.
    kek_version: Option<u32>,
    wrap_ms: f64,
    unwrap_ms: f64,
}

#[derive(Serialize)]
struct Rotated {
    service: String,
    tenant: String,
    kek_version: u32,
}

#[derive(Serialize)]
struct Shredded {
    service: String,
    tenant: String,
    shredded: bool,
}

/// Does what was asked for and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Check { target, environment } => {
            block_on(check(target, environment.as_deref(), Purpose::Operate))
        }
        Command::Create { target } => block_on(check(target, None, Purpose::Create)),
        Command::Rotate { target } => block_on(rotate(target)),
        Command::Shred { target, yes_shred } => {
            // Asked before anything waits for an answer.
            let (source, tenant) = (target.service.open(Purpose::Operate)?, target.tenant()?);
            confirm(&*source, &tenant, yes_shred.as_deref())?;
            block_on(shred(&*source, &tenant, target.service.json))
        }
        #[cfg(feature = "postgres")]
        Command::Postgres(command) => block_on(postgres::run(command)),
    }
}

impl Service {
    /// The service; nothing is connected yet.
    pub(super) fn open(&self, purpose: Purpose) -> Result<Box<dyn KeySource>, CliError> {
        #[cfg(unix)]
        if self.protection.is_given() && !self.keys.starts_with("file:") {
            let reason = "--passphrase-file and --in-the-clear go with --keys file:";
            return Err(CliError::usage(reason));
        }
        let opening = Opening {
            purpose,
            #[cfg(unix)]
            protection: &self.protection,
            #[cfg(not(unix))]
            protection: std::marker::PhantomData,
        };
        keys::open(&self.keys, &opening)?.ok_or_else(|| {
            CliError::usage(format!("--keys memory: it ends with the program; there are {KNOWN}"))
        })
    }
}

impl Target {
    fn tenant(&self) -> Result<TenantId, CliError> {
        TenantId::new(&self.tenant).map_err(|error| CliError::usage("--tenant").because(error))
    }
}

async fn check(
    target: &Target,
    environment: Option<&str>,
    purpose: Purpose,
) -> Result<(), CliError> {
    let (source, tenant) = (target.service.open(purpose)?, target.tenant()?);
    let service = keys::connect(&*source).await?;
    let dek = EncryptionKey::generate()
        .map_err(|error| CliError::failed("cannot make a DEK").because(error))?;
    let context = WrapContext::new(environment, tenant.clone(), SCOPE);
    let failed = |error| explain(&*source, &tenant, error);
    let began = Instant::now();
    let wrapped = service.encrypt_dek(&dek, &context).await.map_err(failed)?;
    let wrap = began.elapsed();
    let began = Instant::now();
    let unwrapped = service.decrypt_dek(&wrapped, &context).await.map_err(failed)?;
    let unwrap = began.elapsed();
    if unwrapped != dek {
        let reason = format!("{} gave back another DEK than it wrapped", source.describe());
        return Err(CliError::failed(reason));
    }
    let checked = Checked {
        service: source.describe(),
        tenant: tenant.to_string(),
        kek_version: service.version_of(&wrapped).map(|version| version.0),
        wrap_ms: ms(wrap),
        unwrap_ms: ms(unwrap),
    };
    if target.service.json {
        return output::print_json(&checked);
    }
    let Checked { service, tenant, kek_version, wrap_ms, unwrap_ms } = checked;
    let version = kek_version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
    output::print(&format!(
        "{service}\n  tenant     {tenant}\n  wraps by   KEK version {version}\n  \
         wrapped in {wrap_ms:.1} ms, unwrapped in {unwrap_ms:.1} ms\n"
    ))
}

async fn rotate(target: &Target) -> Result<(), CliError> {
    let (source, tenant) = (target.service.open(Purpose::Operate)?, target.tenant()?);
    let service = keys::connect(&*source).await?;
    let rotated = service.rotate_kek(&tenant).await;
    let version = rotated.map_err(|error| explain(&*source, &tenant, error))?;
    let (service, tenant) = (source.describe(), tenant.to_string());
    let rotated = Rotated { service, tenant, kek_version: version.0 };
    if target.service.json {
        return output::print_json(&rotated);
    }
    let Rotated { tenant, kek_version, .. } = rotated;
    output::print(&format!("The KEK of {tenant} is version {kek_version} from now on.\n"))
}

async fn shred(source: &dyn KeySource, tenant: &TenantId, json: bool) -> Result<(), CliError> {
    let service = keys::connect(source).await?;
    service.delete_kek(tenant).await.map_err(|error| explain(source, tenant, error))?;
    let shredded =
        Shredded { service: source.describe(), tenant: tenant.to_string(), shredded: true };
    if json {
        return output::print_json(&shredded);
    }
    let Shredded { service, tenant, .. } = shredded;
    let remains = source.remains();
    output::print(&format!("{tenant} is shredded at {service}; what is left: {remains}.\n"))
}

/// Asks for the tenant a second time: on the command line, or at a terminal.
fn confirm(source: &dyn KeySource, tenant: &TenantId, again: Option<&str>) -> Result<(), CliError> {
    let typed = match again {
        Some(again) => again.to_owned(),
        None if io::stdin().is_terminal() => {
            let place = source.describe();
            let question = format!(
                "Everything that was ever sealed for {tenant} at {place} will be lost, for good.\n\
                 The tenant once more: "
            );
            let mut line = String::new();
            let asked = io::stderr().write_all(question.as_bytes());
            asked
                .and_then(|()| io::stdin().read_line(&mut line))
                .map_err(|error| CliError::usage("cannot ask").because(error))?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => {
            let reason = "shredding cannot be undone: say --yes-shred and the tenant once more";
            return Err(CliError::usage(reason));
        }
    };
    match typed == tenant.as_str() {
        true => Ok(()),
        false => Err(CliError::usage("--yes-shred names another tenant: nothing was shredded")),
    }
}

/// A refusal by the service, in terms of the tenant.
fn explain(source: &dyn KeySource, tenant: &TenantId, error: KeyError) -> CliError {
    match error.kind() {
        KeyErrorKind::Unavailable | KeyErrorKind::Throttled { .. } => {
            keys::cannot_use(source, error)
        }
        _ => CliError::failed(format!("tenant {tenant} at {}", source.describe())).because(error),
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
