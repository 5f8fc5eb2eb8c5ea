//! What `--keys` says, read before any I/O but that of files.

use super::{KeySource, Purpose};
use crate::error::CliError;
#[cfg(unix)]
use crate::passphrase::Protection;

/// What there is, for errors and the help.
pub(crate) const KNOWN: &str = "\
memory, vault: or vault://HOST:PORT or vault:URL, aws-kms: or aws-kms:ENDPOINT-URL, \
azure: or azure:VAULT-URL, postgres: or postgres://USER@HOST/DATABASE, pkcs11:, file:PATH";

/// How the key service is going to be used.
pub(crate) struct Opening<'a> {
    pub(crate) purpose: Purpose,
    /// How a keyring file is protected.
    #[cfg(unix)]
    pub(crate) protection: &'a Protection,
    #[cfg(not(unix))]
    pub(crate) protection: std::marker::PhantomData<&'a ()>,
}

/// The key service that the argument names; none for named keys in memory. Nothing is connected
/// yet.
///
/// No error repeats the argument: a URL may hold a password.
pub(crate) fn open(
    argument: &str,
    opening: &Opening<'_>,
) -> Result<Option<Box<dyn KeySource>>, CliError> {
    let (scheme, rest) = argument.split_once(':').unwrap_or((argument, ""));
    let source = match scheme {
        "memory" if argument == "memory" => return Ok(None),
        "memory" => Err(CliError::usage("--keys memory: nothing comes after memory")),
        "vault" | "aws-kms" | "azure" | "postgres" | "pkcs11" | "file" if argument == scheme => {
            Err(CliError::usage(format!("--keys {scheme}: write a colon behind it; {KNOWN}")))
        }
        "vault" => vault(rest, opening),
        "aws-kms" => aws_kms(rest, opening),
        "azure" => azure(rest, opening),
        "postgres" => postgres(rest, opening),
        "pkcs11" if rest.is_empty() => pkcs11(opening),
        "pkcs11" => Err(CliError::usage("--keys pkcs11: all the rest is in SEALMQ_PKCS11_…")),
        "file" => file(rest, opening),
        _ => Err(CliError::usage(format!("--keys: no such key service; there are {KNOWN}"))),
    };
    source.map(Some)
}

type Opened = Result<Box<dyn KeySource>, CliError>;

#[cfg(feature = "vault")]
fn vault(rest: &str, _: &Opening<'_>) -> Opened {
    let source = super::vault::VaultSource::at(rest).map_err(|error| invalid("vault:…", error))?;
    Ok(Box::new(source))
}

#[cfg(feature = "aws-kms")]
fn aws_kms(endpoint_url: &str, opening: &Opening<'_>) -> Opened {
    let source = super::aws_kms::AwsKmsSource::at(endpoint_url, opening.purpose);
    Ok(Box::new(source.map_err(|error| invalid("aws-kms:…", error))?))
}

#[cfg(feature = "azure-keyvault")]
fn azure(vault_url: &str, opening: &Opening<'_>) -> Opened {
    let source = super::azure::AzureSource::at(vault_url, opening.purpose);
    Ok(Box::new(source.map_err(|error| invalid("azure:…", error))?))
}

#[cfg(feature = "postgres")]
fn postgres(rest: &str, opening: &Opening<'_>) -> Opened {
    let source = super::postgres::PostgresSource::at(rest, opening.purpose);
    Ok(Box::new(source.map_err(|error| invalid("postgres:…", error))?))
}

#[cfg(feature = "pkcs11")]
fn pkcs11(opening: &Opening<'_>) -> Opened {
    let source = super::pkcs11::Pkcs11Source::from_env(opening.purpose);
    Ok(Box::new(source.map_err(|error| invalid("pkcs11:", error))?))
}

#[cfg(unix)]
fn file(path: &str, opening: &Opening<'_>) -> Opened {
    if path.is_empty() {
        return Err(CliError::usage("--keys file: write the path of the keyring behind it"));
    }
    let source = super::file::FileSource::at(path, opening.protection, opening.purpose)?;
    Ok(Box::new(source))
}

#[cfg(not(unix))]
fn file(_path: &str, _opening: &Opening<'_>) -> Opened {
    Err(CliError::usage("--keys file: keyring files need Unix"))
}

#[cfg(any(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "pkcs11",
    feature = "postgres",
    feature = "vault"
))]
fn invalid(argument: &str, error: sealmq::KeyError) -> CliError {
    CliError::usage(format!("--keys {argument}")).because(error)
}

#[cfg(not(feature = "vault"))]
fn vault(_rest: &str, _opening: &Opening<'_>) -> Opened {
    not_built("vault")
}

#[cfg(not(feature = "aws-kms"))]
fn aws_kms(_endpoint_url: &str, _opening: &Opening<'_>) -> Opened {
    not_built("aws-kms")
}

#[cfg(not(feature = "azure-keyvault"))]
fn azure(_vault_url: &str, _opening: &Opening<'_>) -> Opened {
    not_built("azure-keyvault")
}

#[cfg(not(feature = "postgres"))]
fn postgres(_rest: &str, _opening: &Opening<'_>) -> Opened {
    not_built("postgres")
}

#[cfg(not(feature = "pkcs11"))]
fn pkcs11(_opening: &Opening<'_>) -> Opened {
    not_built("pkcs11")
}

#[cfg(not(all(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "pkcs11",
    feature = "postgres",
    feature = "vault"
)))]
fn not_built(feature: &str) -> Opened {
    Err(CliError::usage(format!(
        "--keys: this program was built without {feature}: build it with --features {feature}"
    )))
}
