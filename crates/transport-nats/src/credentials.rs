//! Who the connection claims to be: secrets that are neither shown nor copied.

use std::fmt;
use std::path::PathBuf;

use async_nats::ConnectOptions;
use sealmq_queue_core::TransportError;
use zeroize::Zeroizing;

/// Credentials for a NATS server.
///
/// Not `Clone`, wiped from memory when dropped, and `Debug` shows the kind only. The NATS client
/// keeps a copy of its own for as long as the connection lives, to reconnect with.
pub struct NatsCredentials(Kind);

enum Kind {
    None,
    Token(Zeroizing<String>),
    UserPassword(String, Zeroizing<String>),
    NkeySeed(Zeroizing<String>),
    File(PathBuf),
}

impl NatsCredentials {
    /// None: for servers that ask for none, or that go by the client certificate.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// A shared token.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Kind::Token(Zeroizing::new(token.into())))
    }

    /// A user and its password.
    pub fn user_password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kind::UserPassword(user.into(), Zeroizing::new(password.into())))
    }

    /// The seed of a user's `NKey`, `SU…`: proves possession without sending it.
    pub fn nkey_seed(seed: impl Into<String>) -> Self {
        Self(Kind::NkeySeed(Zeroizing::new(seed.into())))
    }

    /// A `.creds` file with a user's JWT and seed, read when connecting.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let reason = match &self.0 {
            Kind::Token(token) if token.is_empty() => "the token is empty",
            Kind::UserPassword(user, _) if user.is_empty() => "the user is empty",
            Kind::NkeySeed(seed) if !looks_like_user_seed(seed) => "the seed is none of a user",
            _ => return Ok(()),
        };
        Err(TransportError::invalid_input("credentials", reason))
    }

    /// The options with these credentials.
    ///
    /// # Errors
    /// `InvalidInput` for `creds_file` when it cannot be read or holds none.
    pub(crate) fn apply(&self, options: ConnectOptions) -> Result<ConnectOptions, TransportError> {
        Ok(match &self.0 {
            Kind::None => options,
            Kind::Token(token) => options.token(token.to_string()),
            Kind::UserPassword(user, password) => {
                options.user_and_password(user.clone(), password.to_string())
            }
            Kind::NkeySeed(seed) => options.nkey(seed.to_string()),
            Kind::File(path) => {
                // The path is not repeated: people put a credential itself there.
                let invalid = |reason| TransportError::invalid_input("creds_file", reason);
                let text = std::fs::read_to_string(path).map(Zeroizing::new);
                let text =
                    text.map_err(|error| invalid("the file cannot be read").with_source(error))?;
                // The parser's own error could quote the file.
                options.credentials(&text).map_err(|_| invalid("the file holds no JWT and seed"))?
            }
        })
    }
}

/// The shape of a user's seed: base32 of a two-byte prefix, 32 bytes and a checksum.
fn looks_like_user_seed(seed: &str) -> bool {
    let base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    seed.len() == 58 && seed.starts_with("SU") && seed.bytes().all(base32)
}

impl fmt::Debug for NatsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::None => write!(f, "none"),
            Kind::Token(_) => write!(f, "token [redacted]"),
            Kind::UserPassword(user, _) => write!(f, "user {user:?}, password [redacted]"),
            Kind::NkeySeed(_) => write!(f, "nkey seed [redacted]"),
            Kind::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
