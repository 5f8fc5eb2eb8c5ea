//! Credentials of a database that the server makes for a time, kept fresh.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{CredentialSource, Credentials, KeyError, KeyErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::client::VaultClient;
use crate::config::VaultDatabaseConfig;
use crate::http::Request;
use crate::lease::{Grant, Grantor, Held, Lease, Leased, SHORTEST_WAIT};
use crate::renewal::Renewal;
use crate::session::HeldToken;
use crate::timer::{RuntimeTimer, Timer};
use crate::wire::{self, Leasing};

/// User names and passwords of a dynamic role of the database engine. Clones share them.
///
/// # Contract
/// - The lease is renewed in the background at two thirds of its time. Where that is refused or
///   gives little (the end of its maximum time, a lease that was revoked), or when the client has
///   another token by now, new credentials are fetched; the former ones live until their own end.
/// - A server that is away ends nothing: the renewal is tried again, and the credentials in use are
///   given out all the same.
/// - When the database refuses credentials, others are fetched once for all who ask. Within a second
///   of the last ones that is `Unavailable`: a replica may not know them yet.
/// - What the server grants to a token ends with that token: the lease is taken to be no longer
///   than what is left of it. [`VaultClient::close_and_revoke`] ends these credentials, too.
/// - The background task runs on the runtime that [`VaultDatabaseCredentials::fetch`] was called
///   on, and ends with the last clone, or with closing.
#[derive(Clone)]
pub struct VaultDatabaseCredentials {
    inner: Arc<Inner>,
}

struct Inner {
    leased: Arc<Leased<DatabaseRole>>,
    renewal: Renewal,
}

impl VaultDatabaseCredentials {
    /// Fetches the first credentials, and begins to keep them fresh.
    ///
    /// # Errors
    /// `InvalidInput` names the field. `Denied` when the policy does not allow it, `KeyNotFound`
    /// or `Denied` when there is no such role. `Unavailable`, also when the server does not reach
    /// the database, and `Throttled` are retryable.
    pub async fn fetch(client: VaultClient, config: VaultDatabaseConfig) -> Result<Self, KeyError> {
        Self::fetch_with(client, config, Arc::new(RuntimeTimer::new())).await
    }

    pub(crate) async fn fetch_with(
        client: VaultClient,
        config: VaultDatabaseConfig,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, KeyError> {
        config.validate()?;
        let role = DatabaseRole { client, config, former: Mutex::default() };
        let leased = Leased::begin(role, Arc::clone(&timer)).await?;
        let renewal = Renewal::of(&leased, timer);
        Ok(Self { inner: Arc::new(Inner { leased, renewal }) })
    }

    /// Ends the background task and forgets the credentials, which live until their own end.
    pub async fn close(&self) {
        self.inner.renewal.stop().await;
        self.inner.leased.close().await;
    }

    /// As [`VaultDatabaseCredentials::close`], and has the server revoke all that is left of what
    /// it granted: the users of the database are gone when this returns. The pool goes before, the
    /// [`VaultClient`] afterwards.
    ///
    /// # Errors
    /// The first of the server; the other leases are revoked all the same.
    pub async fn close_and_revoke(&self) -> Result<(), KeyError> {
        self.inner.renewal.stop().await;
        let Some(held) = self.inner.leased.close().await else { return Ok(()) };
        let role = &self.inner.leased.grantor;
        let former = std::mem::take(&mut *role.former());
        let mut outcome = Ok(());
        for held in former.iter().chain([&held]) {
            let revoked = role.revoke(&held.item.lease_id).await;
            outcome = outcome.and(revoked);
        }
        outcome
    }
}

#[async_trait]
impl CredentialSource for VaultDatabaseCredentials {
    fn current(&self) -> Result<Arc<Credentials>, KeyError> {
        Ok(Arc::clone(&self.inner.leased.held()?.item.credentials))
    }

    async fn replace(&self, refused: &Arc<Credentials>) -> Result<Arc<Credentials>, KeyError> {
        let leased = &self.inner.leased;
        let mut held = leased.held()?;
        if Arc::ptr_eq(&held.item.credentials, refused) {
            // A database that refuses everybody must not be filled with users.
            if leased.age(&held) < SHORTEST_WAIT {
                let context = "the database refuses credentials that were granted just now";
                return Err(KeyError::new(KeyErrorKind::Unavailable, context));
            }
            tracing::info!(user = refused.user(), "the database refuses these credentials");
            held = leased.replace(held.generation).await?;
        }
        Ok(Arc::clone(&held.item.credentials))
    }
}

impl fmt::Debug for VaultDatabaseCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DatabaseRole { client, config, .. } = &self.inner.leased.grantor;
        f.debug_struct("VaultDatabaseCredentials")
            .field("client", client)
            .field("config", config)
            .field("current", &self.current().ok())
            .finish_non_exhaustive()
    }
}

/// Credentials, and what is needed to renew and revoke them.
struct DatabaseLogin {
    credentials: Arc<Credentials>,
    lease_id: String,
    /// Of the token that they were granted to, and with which they end.
    token_generation: u64,
}

/// Who grants credentials.
struct DatabaseRole {
    client: VaultClient,
    config: VaultDatabaseConfig,
    /// Those that were replaced and have not ended yet.
    former: Mutex<Vec<Held<DatabaseLogin>>>,
}

#[derive(Deserialize)]
struct Login<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
    #[serde(borrow)]
    password: Cow<'a, str>,
}

#[async_trait]
impl Grantor for DatabaseRole {
    type Item = DatabaseLogin;

    const NAME: &'static str = "the login to the database";

    async fn grant(&self) -> Result<Grant<DatabaseLogin>, KeyError> {
        let VaultDatabaseConfig { mount, role } = &self.config;
        let request = Request::get(format!("{mount}/creds/{role}"));
        let (answer, token) = self.client.ask_and_tell(&request).await?;
        let answer = answer.success(request.path())?;
        let granted: Leasing<Login<'_>> = wire::lease(&answer, request.path())?;
        let Login { username, password } = granted.data;
        tracing::info!(user = &*username, "the server made a user of the database");
        let item = DatabaseLogin {
            credentials: Arc::new(Credentials::new(username, password)),
            lease_id: granted.lease_id,
            token_generation: token.generation,
        };
        let bound = self.client.session().left(&token);
        let lease = Lease { bound, ..Lease::new(granted.lease_duration, granted.renewable) };
        Ok(Grant { item, lease })
    }

    async fn renew(&self, login: &DatabaseLogin) -> Result<Lease, KeyError> {
        let body = wire::body(&json!({ "lease_id": login.lease_id }));
        let request = Request::post("sys/leases/renew", body);
        let (answer, token) = self.client.ask_and_tell(&request).await?;
        let answer = answer.success(request.path())?;
        let renewed: Leasing<serde::de::IgnoredAny> = wire::lease(&answer, request.path())?;
        let bound = self.bound(login, &token);
        Ok(Lease { bound, ..Lease::new(renewed.lease_duration, renewed.renewable) })
    }

    fn renews(&self, login: &DatabaseLogin) -> bool {
        let token = self.client.session().held();
        token.is_ok_and(|token| token.generation == login.token_generation)
    }

    fn replaced(&self, former: Held<DatabaseLogin>, now: Duration) {
        let mut all = self.former();
        all.push(former);
        all.retain(|former| former.ends_at.is_none_or(|end| end > now));
    }
}

impl DatabaseRole {
    /// What is left of the token that this was granted to. One that was replaced is not renewed.
    fn bound(&self, login: &DatabaseLogin, token: &HeldToken) -> Option<Duration> {
        if token.generation == login.token_generation {
            return self.client.session().left(token);
        }
        Some(Duration::ZERO)
    }

    async fn revoke(&self, lease_id: &str) -> Result<(), KeyError> {
        // Without `sync` the server answers first and revokes afterwards.
        let body = wire::body(&json!({ "lease_id": lease_id, "sync": true }));
        self.client.call(&Request::post("sys/leases/revoke", body)).await.map(drop)
    }

    fn former(&self) -> MutexGuard<'_, Vec<Held<DatabaseLogin>>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
