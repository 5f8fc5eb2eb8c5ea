//! The login: the token in use, and another one when it was refused.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq_crypto_core::{KeyError, KeyErrorKind};
use tokio::sync::Mutex;

use crate::auth::{VaultAuth, VaultSecret};
use crate::http::Http;
use crate::lease::{Grant, Grantor, Held, Lease, Leased};
use crate::login::{self, Memory, Token};
use crate::timer::Timer;

/// A token in use.
pub(crate) type HeldToken = Held<Token>;

/// A login, which lasts as long as it can be renewed or repeated.
pub(crate) type Session = Leased<Logins>;

/// Who gets tokens.
pub(crate) struct Logins {
    http: Http,
    auth: VaultAuth,
    memory: Mutex<Memory>,
}

#[async_trait]
impl Grantor for Logins {
    type Item = Token;

    const NAME: &'static str = "the token";

    async fn grant(&self) -> Result<Grant<Token>, KeyError> {
        login::log_in(&self.http, &self.auth, &mut *self.memory.lock().await).await
    }

    async fn renew(&self, token: &Token) -> Result<Lease, KeyError> {
        login::renew(&self.http, &token.secret).await
    }

    /// An agent renews the token of its file.
    fn renews(&self, _token: &Token) -> bool {
        !matches!(self.auth, VaultAuth::TokenFile(_))
    }

    fn grants_again(&self) -> bool {
        self.auth.can_log_in_again()
    }
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// `Denied` when the credentials are refused; `Unavailable` and `Throttled` are retryable.
    pub(crate) async fn log_in(
        http: Http,
        auth: VaultAuth,
        timer: Arc<dyn Timer>,
    ) -> Result<Arc<Self>, KeyError> {
        Self::begin(Logins { http, auth, memory: Mutex::default() }, timer).await
    }

    pub(crate) fn http(&self) -> &Http {
        &self.grantor.http
    }

    /// The token to try once more with, after the server refused a request with this one; nothing
    /// if the token is good, so that it is its policy which does not allow the request.
    ///
    /// # Errors
    /// As [`Session::log_in`].
    pub(crate) async fn refused(
        self: &Arc<Self>,
        held: &HeldToken,
    ) -> Result<Option<HeldToken>, KeyError> {
        if !self.grantor.grants_again() {
            return Ok(None);
        }
        match login::look_up(self.http(), held.secret()).await {
            Ok(_) => Ok(None),
            Err(error) if *error.kind() == KeyErrorKind::Denied => {
                self.replace(held.generation).await.map(Some)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets the token, and revokes it if it was made for this client.
    ///
    /// # Errors
    /// The server's, when the token was to be revoked.
    pub(crate) async fn log_out(&self, revoke: bool) -> Result<(), KeyError> {
        match self.close().await {
            Some(held) if revoke && self.grantor.auth.owns_its_tokens() && !held.item.batch => {
                login::revoke(self.http(), held.secret()).await
            }
            _ => Ok(()),
        }
    }
}

impl HeldToken {
    pub(crate) fn secret(&self) -> &VaultSecret {
        &self.item.secret
    }
}

#[cfg(test)]
mod tests;
