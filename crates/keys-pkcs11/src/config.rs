//! Which module, which token, which PIN, and how its keys are used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sealmq_crypto_core::KeyError;

use crate::pin::Pin;

mod env;

/// How a token is found among those that the module sees. Slot numbers are no names: they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// By its label, of 1 to 32 bytes; refused when two tokens have it.
    Label(String),
    /// By its serial number, of 1 to 16 bytes.
    Serial(String),
}

/// Where the nonces of the wraps come from.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceSource {
    /// From this host's kernel. If the token reports another one, that is used.
    Host,
    /// From the token, which reports it in the mechanism's parameters, as AWS CloudHSM does. It is
    /// given 12 zero bytes, and refused when it leaves them.
    Token,
}

/// How a [`Pkcs11Service`](crate::Pkcs11Service) reaches its token.
#[non_exhaustive]
pub struct Pkcs11Config {
    pub(crate) module: PathBuf,
    pub(crate) token: TokenName,
    pub(crate) pin: Pin,
    pub(crate) key_prefix: String,
    pub(crate) auto_create: bool,
    pub(crate) read_only: bool,
    pub(crate) restrict_mechanisms: bool,
    pub(crate) nonce_source: NonceSource,
    pub(crate) max_sessions: usize,
    pub(crate) call_timeout: Duration,
}

impl Pkcs11Config {
    /// This token of this module, an absolute path, with the PIN of its normal user.
    pub fn new(module: impl Into<PathBuf>, token: TokenName, pin: Pin) -> Self {
        Self {
            module: module.into(),
            token,
            pin,
            key_prefix: "sealmq-kek".to_owned(),
            auto_create: true,
            read_only: false,
            restrict_mechanisms: true,
            nonce_source: NonceSource::Host,
            max_sessions: 4,
            call_timeout: Duration::from_secs(10),
        }
    }

    /// The same with this beginning of the keys' labels, `sealmq-kek` by default: 1 to 32 letters,
    /// digits, `-`, `_` and `.`. Another beginning means other KEKs.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// The same, with or without the creation of a tenant's first KEK when it is first used; with
    /// it by default.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The same over read-only sessions: DEKs are wrapped and unwrapped, while the token refuses to
    /// create, rotate and shred KEKs. Off by default.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The same, with or without `CKA_ALLOWED_MECHANISMS` on the KEKs that it makes, which keeps
    /// whoever has the PIN from using them in an unauthenticated mode. On by default; off for
    /// tokens that do not know the attribute.
    #[must_use]
    pub fn with_restricted_mechanisms(mut self, restricted: bool) -> Self {
        self.restrict_mechanisms = restricted;
        self
    }

    /// The same with nonces from here; the host by default.
    #[must_use]
    pub fn with_nonce_source(mut self, source: NonceSource) -> Self {
        self.nonce_source = source;
        self
    }

    /// The same with at most so many calls to the token at once, each on a session and a thread of
    /// its own; 1 to 64, 4 by default. One session more holds the login.
    #[must_use]
    pub fn with_max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// The same with this limit to how long a caller waits, for a session and for the token; 10 s
    /// by default. A call that the token does not end goes on keeping its session.
    #[must_use]
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// # Errors
    /// `InvalidInput` names the field to mend.
    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (token_field, token, longest) = match &self.token {
            TokenName::Label(label) => ("token_label", label, 32),
            TokenName::Serial(serial) => ("token_serial", serial, 16),
        };
        let checks = [
            ("module", "is not an absolute path", self.module.is_absolute()),
            (token_field, "is empty or too long", (1..=longest).contains(&token.len())),
            (
                "key_prefix",
                "is not 1 to 32 letters, digits, `-`, `_` and `.`",
                (1..=32).contains(&self.key_prefix.len()) && self.key_prefix.chars().all(named),
            ),
            ("max_sessions", "is not in 1 to 64", (1..=64).contains(&self.max_sessions)),
            ("call_timeout", "is zero", !self.call_timeout.is_zero()),
        ];
        match checks.into_iter().find(|(_, _, fine)| !fine) {
            Some((field, reason, _)) => Err(KeyError::invalid_input(field, reason)),
            None => Ok(()),
        }
    }
}

/// Shows no PIN.
impl fmt::Debug for Pkcs11Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Config")
            .field("module", &self.module)
            .field("token", &self.token)
            .field("pin", &"[redacted]")
            .field("key_prefix", &self.key_prefix)
            .field("auto_create", &self.auto_create)
            .field("read_only", &self.read_only)
            .field("restrict_mechanisms", &self.restrict_mechanisms)
            .field("nonce_source", &self.nonce_source)
            .field("max_sessions", &self.max_sessions)
            .field("call_timeout", &self.call_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests;
