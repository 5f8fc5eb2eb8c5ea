//! User names and passwords that change while a program runs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::KeyError;

/// A user name and its password, as a database takes them. The password is zeroized on drop and
/// never shown.
pub struct Credentials {
    user: String,
    password: Zeroizing<String>,
}

impl Credentials {
    /// Takes both over. Other copies of the password stay the caller's to zeroize.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: Zeroizing::new(password.into()) }
    }

    /// The user name: no secret.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn expose_password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where a client of a database gets its credentials, when somebody else renews and replaces them.
///
/// # Contract
/// - The source keeps its credentials fresh on its own; the client asks before each use, and so
///   takes new ones over without being told.
/// - Replaced credentials stay good for the calls under way, until they end on their own.
/// - The same [`Arc`] means the same credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credentials to log in with now, from memory: nothing is asked of anybody.
    ///
    /// # Errors
    /// `Denied` when the source was closed.
    fn current(&self) -> Result<Arc<Credentials>, KeyError>;

    /// Others than these, which the database does not let in any more: those in use, if they are
    /// others already, or new ones, fetched once however many ask.
    ///
    /// # Errors
    /// `Denied` when there are no others; `Unavailable` and `Throttled` are retryable.
    async fn replace(&self, refused: &Arc<Credentials>) -> Result<Arc<Credentials>, KeyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_user_and_not_the_password() {
        let shown = format!("{:?}", Credentials::new("orders", "hush"));
        assert!(shown.contains("orders") && !shown.contains("hush"), "{shown}");
    }
}
