//! The configuration that the environment describes.

use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

use super::{NonceSource, Pkcs11Config, TokenName};
use crate::pin::Pin;

impl Pkcs11Config {
    /// The configuration that the environment describes. An empty variable counts as absent.
    ///
    /// | variable | |
    /// | --- | --- |
    /// | `SEALMQ_PKCS11_MODULE` | absolute path of the vendor's library |
    /// | `SEALMQ_PKCS11_TOKEN_LABEL`, `SEALMQ_PKCS11_TOKEN_SERIAL` | the token; one of the two |
    /// | `SEALMQ_PKCS11_PIN_FILE`, `SEALMQ_PKCS11_PIN` | the user's PIN; one of the two, better the file |
    /// | `SEALMQ_PKCS11_KEY_PREFIX` | beginning of the keys' labels; `sealmq-kek` |
    /// | `SEALMQ_PKCS11_AUTO_CREATE` | `true` or `false`; `true` |
    /// | `SEALMQ_PKCS11_READ_ONLY` | `true` or `false`; `false` |
    /// | `SEALMQ_PKCS11_RESTRICT_MECHANISMS` | `true` or `false`; `true` |
    /// | `SEALMQ_PKCS11_NONCE_SOURCE` | `host` or `token`; `host` |
    /// | `SEALMQ_PKCS11_MAX_SESSIONS` | 1 to 64; 4 |
    ///
    /// # Errors
    /// `InvalidInput` names the field to mend, also when both or none of two variables are set.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    pub(super) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        let get =
            |name: &str| lookup(&format!("SEALMQ_PKCS11_{name}")).filter(|value| !value.is_empty());
        let bad = KeyError::invalid_input;
        let module =
            get("MODULE").ok_or_else(|| bad("module", "SEALMQ_PKCS11_MODULE is not set"))?;
        let token = match (get("TOKEN_LABEL"), get("TOKEN_SERIAL")) {
            (Some(label), None) => TokenName::Label(label),
            (None, Some(serial)) => TokenName::Serial(serial),
            _ => {
                let reason = "one of SEALMQ_PKCS11_TOKEN_LABEL and SEALMQ_PKCS11_TOKEN_SERIAL";
                return Err(bad("token_label", reason));
            }
        };
        let pin = match (get("PIN_FILE"), get("PIN").map(Zeroizing::new)) {
            (Some(path), None) => Pin::read(path)?,
            (None, Some(mut pin)) => Pin::new(std::mem::take(&mut *pin))?,
            _ => return Err(bad("pin", "one of SEALMQ_PKCS11_PIN_FILE and SEALMQ_PKCS11_PIN")),
        };
        let flag = |name: &str, field, default| match get(name).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(bad(field, "is neither true nor false")),
        };
        let mut config = Self::new(module, token, pin);
        config.auto_create = flag("AUTO_CREATE", "auto_create", true)?;
        config.read_only = flag("READ_ONLY", "read_only", false)?;
        config.restrict_mechanisms = flag("RESTRICT_MECHANISMS", "restrict_mechanisms", true)?;
        if let Some(prefix) = get("KEY_PREFIX") {
            config.key_prefix = prefix;
        }
        config.nonce_source = match get("NONCE_SOURCE").as_deref() {
            None | Some("host") => NonceSource::Host,
            Some("token") => NonceSource::Token,
            Some(_) => return Err(bad("nonce_source", "is neither host nor token")),
        };
        if let Some(sessions) = get("MAX_SESSIONS") {
            config.max_sessions =
                sessions.parse().map_err(|_| bad("max_sessions", "is not a number"))?;
        }
        config.validate()?;
        Ok(config)
    }
}
