//! `sealmq keyring`: makes, lists and rotates keyring files.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use sealmq::local::FileKeyring;
use sealmq::{
    Clock, EncryptionKeyId, KeyError, KeyErrorKind, KeyManagementService, KeyProvider, SystemClock,
    TenantId,
};
use serde::Serialize;

use crate::command::{EXIT_CODES, block_on};
use crate::error::CliError;
use crate::output;
use crate::passphrase::Protection;
use crate::utc::format_unix_ms;

/// Makes, lists and rotates keyring files. Services see a change at once.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a keyring file with a first key
    #[command(after_help = EXIT_CODES)]
    Init {
        #[command(flatten)]
        keyring: Keyring,
        /// The id of the key; without it, the time of now
        #[arg(long, value_name = "ID")]
        key_id: Option<String>,
    },
    /// Lists the ids of the keys, and the tenants; never a key
    #[command(after_help = EXIT_CODES)]
    List {
        #[command(flatten)]
        keyring: Keyring,
    },
    /// Makes a new key that seals from now on; the keys before it go on opening
    #[command(after_help = EXIT_CODES)]
    Rotate {
        #[command(flatten)]
        keyring: Keyring,
        /// The id of the new key; without it, the time of now
        #[arg(long, value_name = "ID", conflicts_with = "tenant")]
        key_id: Option<String>,
        /// Rotates the KEK of this tenant, and no named key
        #[arg(long)]
        tenant: Option<String>,
    },
}

/// Which keyring, and how to open it.
#[derive(clap::Args)]
struct Keyring {
    /// The keyring file
    file: PathBuf,
    #[command(flatten)]
    protection: Protection,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made {
    file: String,
    protection: &'static str,
    current_key: String,
}

#[derive(Serialize)]
struct Listed {
    file: String,
    current_key: Option<String>,
    named_keys: Vec<String>,
    tenants: Vec<Tenant>,
}

#[derive(Serialize)]
struct Tenant {
    tenant: String,
    kek_version: u32,
}

#[derive(Serialize)]
struct Rotated {
    file: String,
    previous_key: Option<String>,
    current_key: String,
}

#[derive(Serialize)]
struct RotatedKek {
    file: String,
    #[serde(flatten)]
    kek: Tenant,
}

/// Does what was asked for and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    block_on(async {
        match &arguments.command {
            Command::Init { keyring, key_id } => init(keyring, key_id.as_deref()).await,
            Command::List { keyring } => list(keyring).await,
            Command::Rotate { keyring, tenant: Some(tenant), .. } => {
                rotate_kek(keyring, tenant).await
            }
            Command::Rotate { keyring, key_id, .. } => rotate(keyring, key_id.as_deref()).await,
        }
    })
}

async fn init(keyring: &Keyring, key_id: Option<&str>) -> Result<(), CliError> {
    let key_id = key_id_or_now(key_id)?;
    let file = keyring.file.as_path();
    let passphrase = keyring.protection.passphrase()?;
    let protection = if passphrase.is_some() { "passphrase" } else { "none" };
    let created = match passphrase {
        Some(passphrase) => FileKeyring::create(file, passphrase).await,
        None => FileKeyring::create_in_the_clear(file).await,
    };
    let made = created.map_err(|error| explain("cannot make the keyring", error))?;
    made.rotate(key_id.clone()).await.map_err(|error| explain("cannot make the key", error))?;
    let made = Made { file: shown(file), protection, current_key: key_id.to_string() };
    if keyring.json {
        return output::print_json(&made);
    }
    let warning = match protection {
        "none" => "It is in the clear: whoever reads the file has the keys.\n",
        _ => "",
    };
    output::print(&format!("Made {} with key {}.\n{warning}", made.file, made.current_key))
}

async fn list(keyring: &Keyring) -> Result<(), CliError> {
    let opened = open(keyring).await?;
    let failed = |error| explain("cannot read the keyring", error);
    let tenants = opened
        .tenants()
        .await
        .map_err(failed)?
        .into_iter()
        .map(|(tenant, version)| Tenant { tenant: tenant.to_string(), kek_version: version.0 });
    let listed = Listed {
        file: shown(&keyring.file),
        current_key: current_key(&opened).await.map_err(failed)?,
        named_keys: opened
            .valid_key_ids()
            .await
            .map_err(failed)?
            .iter()
            .map(ToString::to_string)
            .collect(),
        tenants: tenants.collect(),
    };
    if keyring.json { output::print_json(&listed) } else { output::print(&describe(&listed)) }
}

fn describe(listed: &Listed) -> String {
    let mut text = String::new();
    for key_id in &listed.named_keys {
        let note = match listed.current_key.as_ref() == Some(key_id) {
            true => "  current: seals and opens",
            false => "  opens",
        };
        let _ = writeln!(text, "key     {key_id:<30}{note}");
    }
    for Tenant { tenant, kek_version } in &listed.tenants {
        let _ = writeln!(text, "tenant  {tenant:<30}  KEK version {kek_version}");
    }
    if text.is_empty() {
        text.push_str("no keys\n");
    }
    text
}

async fn rotate(keyring: &Keyring, key_id: Option<&str>) -> Result<(), CliError> {
    let key_id = key_id_or_now(key_id)?;
    let opened = open(keyring).await?;
    let failed = |error| explain("cannot rotate the key", error);
    let previous_key = current_key(&opened).await.map_err(failed)?;
    opened.rotate(key_id.clone()).await.map_err(failed)?;
    let current_key = key_id.to_string();
    let rotated = Rotated { file: shown(&keyring.file), previous_key, current_key };
    if keyring.json {
        return output::print_json(&rotated);
    }
    let Rotated { previous_key, current_key, .. } = rotated;
    let before = previous_key.map_or_else(String::new, |id| format!("; {id} goes on opening"));
    output::print(&format!("{current_key} seals from now on{before}.\n"))
}

async fn rotate_kek(keyring: &Keyring, tenant: &str) -> Result<(), CliError> {
    let tenant = TenantId::new(tenant).map_err(|error| explain("--tenant", error))?;
    let opened = open(keyring).await?;
    let failed = |error| explain("cannot rotate the KEK", error);
    let version = opened.rotate_kek(&tenant).await.map_err(failed)?;
    let kek = Tenant { tenant: tenant.to_string(), kek_version: version.0 };
    if keyring.json {
        return output::print_json(&RotatedKek { file: shown(&keyring.file), kek });
    }
    let Tenant { tenant, kek_version } = kek;
    output::print(&format!("The KEK of {tenant} is version {kek_version} from now on.\n"))
}

async fn open(keyring: &Keyring) -> Result<FileKeyring, CliError> {
    open_file(&keyring.file, &keyring.protection).await
}

/// Opens a keyring file that is there.
pub(crate) async fn open_file(
    file: &Path,
    protection: &Protection,
) -> Result<FileKeyring, CliError> {
    require_file(file)?;
    let opened = match protection.passphrase()? {
        Some(passphrase) => FileKeyring::open(file, passphrase).await,
        None => FileKeyring::open_in_the_clear(file).await,
    };
    opened.map_err(|error| explain("cannot open the keyring", error))
}

/// Refuses a keyring file that is not there.
pub(crate) fn require_file(file: &Path) -> Result<(), CliError> {
    if file.exists() {
        return Ok(());
    }
    let file = file.display();
    let reason = format!("there is no keyring {file}; sealmq keyring init {file} makes one");
    Err(CliError::usage(reason))
}

async fn current_key(keyring: &FileKeyring) -> Result<Option<String>, KeyError> {
    match keyring.current_key_id().await {
        Ok(id) => Ok(Some(id.to_string())),
        Err(error) if *error.kind() == KeyErrorKind::KeyNotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The id that was given, or one made of the time, so that ids sort by age.
fn key_id_or_now(key_id: Option<&str>) -> Result<EncryptionKeyId, CliError> {
    let now = || format!("key-{}", format_unix_ms(SystemClock::new().unix_ms()));
    let key_id = key_id.map_or_else(now, str::to_owned);
    EncryptionKeyId::from_str(&key_id).map_err(|error| explain("--key-id", error))
}

/// What was given is at fault if the library says so, or if a file or directory is not there.
fn explain(what: &str, error: KeyError) -> CliError {
    match error.kind() {
        KeyErrorKind::InvalidInput { .. } => CliError::usage(what).because(error),
        _ if is_missing(&error) => CliError::usage(what).because(error),
        _ => CliError::failed(what).because(error),
    }
}

fn is_missing(error: &KeyError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let error_kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if error_kind == Some(io::ErrorKind::NotFound) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}
