//! `kind = "file"`: a keyring file, which has no server.

use sealmq_crypto_core::KeyError;
use sealmq_keys_local::{FileKeyringConfig, Passphrase};
use sealmq_settings::{InvalidSetting, Settings};

use crate::key_source::Source;

/// What the table says.
pub(crate) fn read(
    settings: &Settings<'_>,
) -> Result<(FileKeyringConfig, Option<Passphrase>), KeyError> {
    let (config, in_the_clear) = options(settings)
        .map_err(|invalid| KeyError::invalid_input(invalid.variable, invalid.reason))?;
    match (settings.get("passphrase"), in_the_clear) {
        (Some(text), false) => Ok((config, Some(Passphrase::new(text)?))),
        (None, true) => Ok((config, None)),
        _ => Err(KeyError::invalid_input("passphrase", "or in_the_clear = true: one of the two")),
    }
}

fn options(settings: &Settings<'_>) -> Result<(FileKeyringConfig, bool), InvalidSetting> {
    let mut config = FileKeyringConfig::new(settings.required("path")?);
    if let Some(auto_create) = settings.flag("auto_create")? {
        config = config.with_auto_create(auto_create);
    }
    if let Some(wait) = settings.milliseconds("lock_wait_ms")? {
        config = config.with_lock_wait(wait);
    }
    Ok((config, settings.flag("in_the_clear")?.unwrap_or_default()))
}

/// The keyring, as a service under its alias, else as a store of named keys.
#[cfg(unix)]
pub(crate) async fn open(
    config: FileKeyringConfig,
    passphrase: Option<Passphrase>,
    alias: Option<String>,
) -> Result<Source, KeyError> {
    use std::sync::Arc;

    use sealmq_keys_local::FileKeyring;

    let keyring = Arc::new(match passphrase {
        Some(passphrase) => FileKeyring::open(config, passphrase).await?,
        None => FileKeyring::open_in_the_clear(config).await?,
    });
    Ok(match alias {
        Some(alias) => Source::Service { alias, service: keyring },
        None => Source::Store(keyring),
    })
}

#[cfg(not(unix))]
pub(crate) async fn open(
    _config: FileKeyringConfig,
    _passphrase: Option<Passphrase>,
    _alias: Option<String>,
) -> Result<Source, KeyError> {
    Err(KeyError::invalid_input("kind", "keyring files need Unix"))
}
