//! A client that is logged in, shared by everything that uses the same server.

use std::fmt;
use std::sync::Arc;

use sealmq_crypto_core::{KeyError, KeyErrorKind};

use crate::config::VaultConfig;
use crate::health::{self, VaultHealth};
use crate::http::{Answer, Http, Request};
use crate::renewal::Renewal;
use crate::session::{HeldToken, Session};
use crate::timer::{RuntimeTimer, Timer};

/// A client of Vault or OpenBao that is logged in. Clones share the login.
///
/// # Contract
/// - The token is renewed in the background at two thirds of its time. Where it cannot be renewed
///   (batch tokens, the end of its maximum time), the client logs in again.
/// - When the server refuses a request and the token turns out to be no good, the client logs in
///   once and sends the request once more. Nothing else is repeated here.
/// - Redirects are errors, so that no token goes to another host. Neither proxies nor `VAULT_*`
///   settings are taken from the environment.
/// - The background task runs on the runtime that [`VaultClient::connect`] was called on, and ends
///   with the last clone, or with [`VaultClient::close`].
#[derive(Clone)]
pub struct VaultClient {
    inner: Arc<Inner>,
}

struct Inner {
    session: Arc<Session>,
    renewal: Renewal,
}

impl VaultClient {
    /// Logs in, and begins to keep the token fresh.
    ///
    /// # Errors
    /// `InvalidInput` names the field of the configuration, or `address` when the server is a
    /// Vault before 1.13, which ignores associated data. `Denied` when the credentials are refused.
    /// `Unavailable` and `Throttled` are retryable.
    pub async fn connect(config: VaultConfig) -> Result<Self, KeyError> {
        Self::connect_with(config, Arc::new(RuntimeTimer::new())).await
    }

    pub(crate) async fn connect_with(
        config: VaultConfig,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, KeyError> {
        let http = Http::new(&config)?;
        health::check_version(&http).await?;
        let session = Session::log_in(http, config.auth, Arc::clone(&timer)).await?;
        let renewal = Renewal::of(&session, timer);
        Ok(Self { inner: Arc::new(Inner { session, renewal }) })
    }

    /// How the server and our login are.
    pub async fn health(&self) -> VaultHealth {
        health::check(&self.inner.session).await
    }

    /// Ends the background task and forgets the token: later calls are `Denied`. A login under way
    /// is waited for.
    pub async fn close(&self) {
        self.inner.renewal.stop().await;
        let _ = self.inner.session.log_out(false).await; // nothing is asked of the server
    }

    /// As [`VaultClient::close`], and revokes the token if it was made for this client, and with it
    /// whatever the server granted to it. A token that was handed over stays, and so does a batch
    /// token, which cannot be revoked.
    ///
    /// # Errors
    /// Those of the server. The client is closed all the same.
    pub async fn close_and_revoke(&self) -> Result<(), KeyError> {
        self.inner.renewal.stop().await;
        self.inner.session.log_out(true).await
    }

    /// Where it is connected to, for names of services: no secret.
    pub(crate) fn location(&self) -> String {
        let http = self.inner.session.http();
        let base = http.base().as_str().trim_end_matches('/');
        match http.namespace() {
            Some(namespace) => format!("{base} {namespace}"),
            None => base.to_owned(),
        }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.inner.session
    }

    /// What the server says to a request, whatever it is.
    ///
    /// # Errors
    /// `Unavailable` when it says nothing; those of a login.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, KeyError> {
        self.ask_and_tell(request).await.map(|(answer, _)| answer)
    }

    /// The same, and the token that was asked with.
    ///
    /// # Errors
    /// As [`VaultClient::ask`].
    pub(crate) async fn ask_and_tell(
        &self,
        request: &Request,
    ) -> Result<(Answer, HeldToken), KeyError> {
        let session = self.session();
        let held = session.current().await?;
        let answer = session.http().send(request, Some(held.secret())).await?;
        if answer.status != 403 {
            return Ok((answer, held));
        }
        match session.refused(&held).await? {
            Some(held) => {
                let answer = session.http().send(request, Some(held.secret())).await?;
                Ok((answer, held))
            }
            None => Ok((answer, held)),
        }
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// The server's refusal; those of [`VaultClient::ask`].
    pub(crate) async fn call(&self, request: &Request) -> Result<Answer, KeyError> {
        self.ask(request).await?.success(request.path())
    }
}

/// Whether the server has no such key or path.
pub(crate) fn is_absent(error: &KeyError) -> bool {
    *error.kind() == KeyErrorKind::KeyNotFound
}

impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultClient").field("location", &self.location()).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl VaultClient {
    /// For tests of what happens without the background task.
    pub(crate) async fn inner_renewal_stopped(&self) {
        self.inner.renewal.stop().await;
    }
}
