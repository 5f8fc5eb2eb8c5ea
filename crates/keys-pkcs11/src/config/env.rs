//! The configuration from settings: the environment, or a configuration file.

use sealmq_crypto_core::KeyError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use zeroize::Zeroizing;

use super::{NonceSource, Pkcs11Config, TokenName};
use crate::pin::Pin;

const MODULE: &str = "SEALMQ_PKCS11_MODULE";
const TOKEN_LABEL: &str = "SEALMQ_PKCS11_TOKEN_LABEL";
const TOKEN_SERIAL: &str = "SEALMQ_PKCS11_TOKEN_SERIAL";
const PIN_FILE: &str = "SEALMQ_PKCS11_PIN_FILE";
const PIN: &str = "SEALMQ_PKCS11_PIN";
const KEY_PREFIX: &str = "SEALMQ_PKCS11_KEY_PREFIX";
const AUTO_CREATE: &str = "SEALMQ_PKCS11_AUTO_CREATE";
const READ_ONLY: &str = "SEALMQ_PKCS11_READ_ONLY";
const RESTRICT_MECHANISMS: &str = "SEALMQ_PKCS11_RESTRICT_MECHANISMS";
const NONCE_SOURCE: &str = "SEALMQ_PKCS11_NONCE_SOURCE";
const MAX_SESSIONS: &str = "SEALMQ_PKCS11_MAX_SESSIONS";
const CALL_TIMEOUT: &str = "SEALMQ_PKCS11_CALL_TIMEOUT_MS";

impl Pkcs11Config {
    /// The settings that [`Pkcs11Config::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(MODULE, Kind::Path, "the vendor's library, an absolute path; required"),
        Setting::new(TOKEN_LABEL, Kind::Text, "the token by its label; or by its serial number"),
        Setting::new(TOKEN_SERIAL, Kind::Text, "the token by its serial number"),
        Setting::new(PIN_FILE, Kind::Path, "the file of the user's PIN"),
        Setting::new(PIN, Kind::Secret, "the user's PIN, without a file"),
        Setting::new(KEY_PREFIX, Kind::Text, "how labels of keys begin; sealmq-kek"),
        Setting::new(AUTO_CREATE, Kind::Flag, "may create first keys; true"),
        Setting::new(READ_ONLY, Kind::Flag, "opens sessions that can change nothing; false"),
        Setting::new(RESTRICT_MECHANISMS, Kind::Flag, "keys are for AES-GCM alone; true"),
        Setting::new(
            NONCE_SOURCE,
            Kind::Choice(&["host", "token"]),
            "who makes the nonces of wraps; host",
        ),
        Setting::new(MAX_SESSIONS, Kind::Number, "sessions at a time, 1 to 64; 4"),
        Setting::new(CALL_TIMEOUT, Kind::Milliseconds, "for a call, its session included; 10000"),
    ]];

    /// The configuration from the environment: [`Pkcs11Config::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field to mend, also when both or none of two variables
    /// are set.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`Pkcs11Config::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`Pkcs11Config::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let (module, token) = module_and_token(settings)?;
        let mut config = Self::new(module, token, pin(settings)?);
        config.read_options(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read_options(&mut self, settings: &Settings<'_>) -> Result<(), InvalidSetting> {
        for (variable, flag) in [
            (AUTO_CREATE, &mut self.auto_create),
            (READ_ONLY, &mut self.read_only),
            (RESTRICT_MECHANISMS, &mut self.restrict_mechanisms),
        ] {
            *flag = settings.flag(variable)?.unwrap_or(*flag);
        }
        if let Some(prefix) = settings.get(KEY_PREFIX) {
            self.key_prefix = prefix;
        }
        let sources = [("host", NonceSource::Host), ("token", NonceSource::Token)];
        if let Some(source) = settings.choice(NONCE_SOURCE, &sources)? {
            self.nonce_source = *source;
        }
        self.max_sessions = settings.number(MAX_SESSIONS)?.unwrap_or(self.max_sessions);
        self.call_timeout = settings.milliseconds(CALL_TIMEOUT)?.unwrap_or(self.call_timeout);
        Ok(())
    }
}

fn module_and_token(settings: &Settings<'_>) -> Result<(String, TokenName), InvalidSetting> {
    let module = settings.required(MODULE)?;
    match (settings.get(TOKEN_LABEL), settings.get(TOKEN_SERIAL)) {
        (Some(label), None) => Ok((module, TokenName::Label(label))),
        (None, Some(serial)) => Ok((module, TokenName::Serial(serial))),
        _ => Err(InvalidSetting::new(TOKEN_LABEL, format!("or {TOKEN_SERIAL}: one of the two"))),
    }
}

fn pin(settings: &Settings<'_>) -> Result<Pin, KeyError> {
    match (settings.get(PIN_FILE), settings.get(PIN).map(Zeroizing::new)) {
        (Some(path), None) => Pin::read(path),
        (None, Some(mut pin)) => Pin::new(std::mem::take(&mut *pin)),
        _ => Err(KeyError::invalid_input(PIN_FILE, format!("or {PIN}: one of the two"))),
    }
}
