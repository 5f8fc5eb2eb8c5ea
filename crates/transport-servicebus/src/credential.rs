//! Who the adapter is to the broker: a key, a signature, or a source of tokens.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sealmq_queue_core::TransportError;
use zeroize::Zeroizing;

use crate::sas;

const SAS_TOKEN: &str = "servicebus.windows.net:sastoken";
const JWT: &str = "jwt";

/// A bearer token and when it expires. Debug shows the expiry only.
pub struct AccessToken {
    token: Zeroizing<String>,
    expires_at: SystemTime,
}

impl AccessToken {
    /// A token, for instance the JWT that Entra ID gave.
    pub fn new(token: impl Into<String>, expires_at: SystemTime) -> Self {
        Self { token: Zeroizing::new(token.into()), expires_at }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("token", &"<redacted>")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Where tokens of Entra ID come from.
///
/// # Contract
/// - A token is for the scope `https://servicebus.azure.net/.default`.
/// - It is asked for when an entity is first used and again well before the last one expires.
///   A source that caches has to give a token that lives longer than the last one by then.
/// - Calls may come from several tasks, and are dropped when they take too long.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that is valid now.
    ///
    /// # Errors
    /// `Denied` when there is no token to be had, `Unavailable` when there may be one later.
    async fn token(&self) -> Result<AccessToken, TransportError>;
}

/// What authorizes the adapter. Debug shows its kind and the name of a key, never a secret.
#[derive(Clone)]
pub struct Credential(Kind);

#[derive(Clone)]
enum Kind {
    Key { name: String, key: Arc<Zeroizing<String>> },
    Signature(Arc<Zeroizing<String>>),
    Source(Arc<dyn TokenSource>),
}

/// A token to put on a connection, with its type there.
pub(crate) struct Claim {
    pub(crate) token: Zeroizing<String>,
    pub(crate) token_type: &'static str,
    pub(crate) expires_at: SystemTime,
}

impl Credential {
    /// A shared access policy: its name and its key, which signs tokens of a short life.
    pub fn shared_access_key(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self(Kind::Key { name: name.into(), key: Arc::new(Zeroizing::new(key.into())) })
    }

    /// A signature somebody else made: `SharedAccessSignature sr=…&sig=…&se=…&skn=…`. It cannot be
    /// made anew: once it has expired, everything is `Denied`.
    pub fn shared_access_signature(signature: impl Into<String>) -> Self {
        Self(Kind::Signature(Arc::new(Zeroizing::new(signature.into()))))
    }

    /// A source of tokens, such as Entra ID.
    pub fn token_source(source: Arc<dyn TokenSource>) -> Self {
        Self(Kind::Source(source))
    }

    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        match &self.0 {
            Kind::Key { name, .. } if name.is_empty() => {
                Err(TransportError::invalid_input("shared_access_key_name", "must not be empty"))
            }
            Kind::Key { key, .. } if key.is_empty() => {
                Err(TransportError::invalid_input("shared_access_key", "must not be empty"))
            }
            Kind::Signature(signature) if sas::expiry(signature).is_none() => {
                let reason = "must be `SharedAccessSignature ` with fields, `se=` among them";
                Err(TransportError::invalid_input("shared_access_signature", reason))
            }
            Kind::Key { .. } | Kind::Signature(_) | Kind::Source(_) => Ok(()),
        }
    }

    /// A token for an audience. What a key signs lives for `lifetime`.
    pub(crate) async fn claim(
        &self,
        audience: &str,
        lifetime: Duration,
    ) -> Result<Claim, TransportError> {
        Ok(match &self.0 {
            Kind::Key { name, key } => {
                let expires_at = sas::whole_seconds(SystemTime::now() + lifetime);
                let token = sas::sign(name, key, audience, expires_at);
                Claim { token, token_type: SAS_TOKEN, expires_at }
            }
            Kind::Signature(signature) => Claim {
                token: Zeroizing::new(signature.as_str().to_owned()),
                token_type: SAS_TOKEN,
                expires_at: sas::expiry(signature).unwrap_or(SystemTime::UNIX_EPOCH),
            },
            Kind::Source(source) => {
                let AccessToken { token, expires_at } = source.token().await?;
                Claim { token, token_type: JWT, expires_at }
            }
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Key { name, .. } => write!(f, "SharedAccessKey {{ name: {name:?}, <redacted> }}"),
            Kind::Signature(_) => write!(f, "SharedAccessSignature {{ <redacted> }}"),
            Kind::Source(_) => write!(f, "TokenSource"),
        }
    }
}
