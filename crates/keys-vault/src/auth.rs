//! How a client proves who it is.

use std::fmt;
use std::path::PathBuf;

use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

use crate::path::check_path;

/// A credential: zeroized on drop, without `Clone`, and never shown.
pub struct VaultSecret(Zeroizing<String>);

impl VaultSecret {
    /// Takes the text over. Other copies of it stay the caller's to zeroize.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose_secret(&self) -> &str {
        &self.0
    }

    fn check(&self, field: &'static str) -> Result<(), KeyError> {
        if self.0.is_empty() || !self.0.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(KeyError::invalid_input(field, "is empty or not printable ASCII"));
        }
        Ok(())
    }
}

impl fmt::Debug for VaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultSecret([redacted])")
    }
}

impl From<String> for VaultSecret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for VaultSecret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The secret id of an AppRole.
#[non_exhaustive]
#[derive(Debug)]
pub enum VaultSecretId {
    /// The secret id itself.
    Plain(VaultSecret),
    /// A response-wrapping token around it. It is unwrapped once, at the first login, after the
    /// server confirmed that it was made by this AppRole; the secret id is then kept for later
    /// logins. A token that was used before is `Denied`: somebody else may have the secret id.
    Wrapped(VaultSecret),
    /// A file that holds it, read at each login.
    File(PathBuf),
}

/// How a client proves who it is. Files are read again at each login.
#[non_exhaustive]
#[derive(Debug)]
pub enum VaultAuth {
    /// A token that was handed over. It is renewed if it can be; when it ends, so does access.
    Token(VaultSecret),
    /// A token in a file that an agent keeps fresh. The agent renews it; the file is read again
    /// at two thirds of the token's time, and when the token was refused.
    TokenFile(PathBuf),
    /// User name and password.
    UserPass {
        /// Where the method is mounted, by default `userpass`.
        mount: String,
        /// The user.
        username: String,
        /// The password.
        password: VaultSecret,
    },
    /// AppRole.
    AppRole {
        /// Where the method is mounted, by default `approle`.
        mount: String,
        /// The role id.
        role_id: VaultSecret,
        /// The secret id.
        secret_id: VaultSecretId,
    },
    /// The service account of a Kubernetes pod. A `jwt` mount takes the same login.
    Kubernetes {
        /// Where the method is mounted, by default `kubernetes`.
        mount: String,
        /// The role to log in as.
        role: String,
        /// Where the account's token is.
        jwt_file: PathBuf,
    },
}

impl VaultAuth {
    /// Where Kubernetes puts the token of a pod's service account.
    pub const KUBERNETES_JWT_FILE: &'static str =
        "/var/run/secrets/kubernetes.io/serviceaccount/token";

    /// A token that was handed over.
    pub fn token(token: impl Into<VaultSecret>) -> Self {
        Self::Token(token.into())
    }

    /// A token in a file that an agent keeps fresh.
    pub fn token_file(path: impl Into<PathBuf>) -> Self {
        Self::TokenFile(path.into())
    }

    /// User name and password, at the mount `userpass`.
    pub fn userpass(username: impl Into<String>, password: impl Into<VaultSecret>) -> Self {
        let (mount, username) = ("userpass".to_owned(), username.into());
        Self::UserPass { mount, username, password: password.into() }
    }

    /// AppRole at the mount `approle`.
    pub fn approle(role_id: impl Into<VaultSecret>, secret_id: VaultSecretId) -> Self {
        Self::AppRole { mount: "approle".to_owned(), role_id: role_id.into(), secret_id }
    }

    /// The pod's service account, at the mount `kubernetes`.
    pub fn kubernetes(role: impl Into<String>) -> Self {
        let (mount, role) = ("kubernetes".to_owned(), role.into());
        Self::Kubernetes { mount, role, jwt_file: Self::KUBERNETES_JWT_FILE.into() }
    }

    /// The same at another mount. Tokens have none.
    #[must_use]
    pub fn with_mount(mut self, at: impl Into<String>) -> Self {
        if let Self::UserPass { mount, .. }
        | Self::AppRole { mount, .. }
        | Self::Kubernetes { mount, .. } = &mut self
        {
            *mount = at.into();
        }
        self
    }

    /// The same with the account's token in another file; for Kubernetes alone.
    #[must_use]
    pub fn with_jwt_file(mut self, path: impl Into<PathBuf>) -> Self {
        if let Self::Kubernetes { jwt_file, .. } = &mut self {
            *jwt_file = path.into();
        }
        self
    }

    /// Whether another token can be had when this one ends.
    pub(crate) fn can_log_in_again(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// Whether tokens are made for this client alone: it renews them, and may revoke them.
    pub(crate) fn owns_its_tokens(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::TokenFile(_))
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        match self {
            Self::Token(token) => token.check("auth.token"),
            Self::TokenFile(_) => Ok(()),
            Self::UserPass { mount, username, password } => {
                check_path("auth.mount", mount)?;
                check_path("auth.username", username)?;
                password.check("auth.password")
            }
            Self::AppRole { mount, role_id, secret_id } => {
                check_path("auth.mount", mount)?;
                role_id.check("auth.role_id")?;
                match secret_id {
                    VaultSecretId::Plain(secret) | VaultSecretId::Wrapped(secret) => {
                        secret.check("auth.secret_id")
                    }
                    VaultSecretId::File(_) => Ok(()),
                }
            }
            Self::Kubernetes { mount, role, .. } => {
                check_path("auth.mount", mount)?;
                check_path("auth.role", role)
            }
        }
    }
}
