//! The token in use: replaced when it was refused or has ended, renewed before that.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use tokio::sync::{Mutex, Notify};

use crate::auth::{VaultAuth, VaultSecret};
use crate::http::Http;
use crate::login::{self, Grant, Lease, Memory};
use crate::timer::Timer;

/// The shortest time between two attempts to renew.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The longest time between two attempts to renew that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A token in use.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) token: Arc<VaultSecret>,
    generation: u64,
    /// What the token was granted for: a renewal that gives much less is the last one.
    granted: Option<Duration>,
    renewable: bool,
    batch: bool,
    ends_at: Option<Duration>,
    renew_at: Option<Duration>,
}

pub(crate) struct Session {
    http: Http,
    auth: VaultAuth,
    timer: Arc<dyn Timer>,
    held: RwLock<Option<Held>>,
    /// One login at a time; those who wait for it find the new token.
    logins: Mutex<Memory>,
    /// Told whenever the time of the next renewal may have changed.
    pub(crate) changed: Arc<Notify>,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// `Denied` when the credentials are refused; `Unavailable` and `Throttled` are retryable.
    pub(crate) async fn begin(
        http: Http,
        auth: VaultAuth,
        timer: Arc<dyn Timer>,
    ) -> Result<Arc<Self>, KeyError> {
        let (held, logins, changed) = Default::default();
        let session = Arc::new(Self { http, auth, timer, held, logins, changed });
        session.log_in(0).await?;
        Ok(session)
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// The token in use. One that has ended is replaced first, where that is possible.
    ///
    /// # Errors
    /// As [`Session::begin`]; `Denied` when the session was closed.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Held, KeyError> {
        let held = self.held().ok_or_else(closed)?;
        let ended = held.ends_at.is_some_and(|end| self.timer.now() >= end);
        if ended && self.auth.can_log_in_again() {
            return self.log_in(held.generation).await;
        }
        Ok(held)
    }

    /// The token to try once more with, after the server refused a request with this one; nothing
    /// if the token is good, so that it is its policy which does not allow the request.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub(crate) async fn refused(self: &Arc<Self>, held: &Held) -> Result<Option<Held>, KeyError> {
        if !self.auth.can_log_in_again() {
            return Ok(None);
        }
        match login::look_up(&self.http, &held.token).await {
            Ok(_) => Ok(None),
            Err(error) if *error.kind() == KeyErrorKind::Denied => {
                self.log_in(held.generation).await.map(Some)
            }
            Err(error) => Err(error),
        }
    }

    /// Another token than that of this generation; the one in use, if it is another one already.
    ///
    /// It goes on when the caller goes away: a secret id that was unwrapped must not be lost.
    async fn log_in(self: &Arc<Self>, generation: u64) -> Result<Held, KeyError> {
        let session = Arc::clone(self);
        let login = tokio::spawn(async move {
            let mut memory = session.logins.lock().await;
            if let Some(held) = session.held().filter(|held| held.generation != generation) {
                return Ok(held);
            }
            let grant = login::log_in(&session.http, &session.auth, &mut memory).await?;
            Ok(session.hold(grant, generation + 1))
        });
        login.await.unwrap_or_else(|_| {
            Err(KeyError::new(KeyErrorKind::Unavailable, "the runtime ended during a login"))
        })
    }

    fn hold(&self, grant: Grant, generation: u64) -> Held {
        let Lease { time_to_live, renewable, batch } = grant.lease;
        let (ends_at, renew_at) = self.times(time_to_live);
        let (token, granted) = (Arc::new(grant.token), time_to_live);
        let held = Held { token, generation, granted, renewable, batch, ends_at, renew_at };
        self.store(Some(held.clone()));
        held
    }

    /// When a lease that begins now ends, and when two thirds of it are over.
    fn times(&self, time_to_live: Option<Duration>) -> (Option<Duration>, Option<Duration>) {
        let now = self.timer.now();
        let renew_in = time_to_live.map(|time| (time * 2 / 3).max(SHORTEST_WAIT));
        (time_to_live.map(|time| now + time), renew_in.map(|time| now + time))
    }

    /// How long until [`Session::renew`] has something to do; nothing if it never has.
    pub(crate) fn next_renewal(&self) -> Option<Duration> {
        let renew_at = self.held()?.renew_at?;
        Some(renew_at.saturating_sub(self.timer.now()))
    }

    /// Renews the token or, where that is not possible or gives little time, logs in again.
    pub(crate) async fn renew(self: &Arc<Self>) {
        let Some(held) = self.held() else { return };
        let outcome = self.renewed(&held).await;
        if let Err(error) = outcome {
            tracing::warn!(%error, "the token could not be renewed");
            self.try_again_later(&held);
        }
    }

    async fn renewed(self: &Arc<Self>, held: &Held) -> Result<(), KeyError> {
        // An agent renews the token of its file.
        let renewable = held.renewable && !matches!(self.auth, VaultAuth::TokenFile(_));
        if renewable {
            match login::renew(&self.http, &held.token).await {
                Ok(lease) => {
                    let much = held.granted.unwrap_or_default() / 3;
                    let enough = lease.time_to_live.is_none_or(|time| time >= much);
                    if enough || !self.auth.can_log_in_again() {
                        self.prolong(held, lease);
                        return Ok(());
                    }
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => tracing::info!(%error, "the token is not renewed: logging in again"),
            }
        }
        if !self.auth.can_log_in_again() {
            return Err(KeyError::new(KeyErrorKind::Denied, "the token cannot be renewed"));
        }
        self.log_in(held.generation).await.map(drop)
    }

    fn prolong(&self, held: &Held, lease: Lease) {
        let (ends_at, renew_at) = self.times(lease.time_to_live);
        let renewable = lease.renewable;
        self.replace(held, Held { renewable, ends_at, renew_at, ..held.clone() });
    }

    /// A third of what is left, within bounds; never again once the token has ended for good.
    fn try_again_later(&self, held: &Held) {
        let now = self.timer.now();
        let left = held.ends_at.unwrap_or(now).saturating_sub(now);
        let for_good = left.is_zero() && !self.auth.can_log_in_again();
        let wait = (left / 3).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let renew_at = (!for_good).then(|| now + wait);
        self.replace(held, Held { renew_at, ..held.clone() });
    }

    /// Unless the token was replaced in the meantime.
    fn replace(&self, old: &Held, new: Held) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.generation == old.generation) {
            *held = Some(new);
        }
        drop(held);
        self.changed.notify_one();
    }

    /// Forgets the token, and revokes it if it was made for this client.
    ///
    /// # Errors
    /// The server's, when the token was to be revoked.
    pub(crate) async fn close(&self, revoke: bool) -> Result<(), KeyError> {
        let held = self.held();
        self.store(None);
        match held {
            Some(held) if revoke && self.auth.owns_its_tokens() && !held.batch => {
                login::revoke(&self.http, &held.token).await
            }
            _ => Ok(()),
        }
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, held: Option<Held>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        self.changed.notify_one();
    }
}

fn closed() -> KeyError {
    KeyError::new(KeyErrorKind::Denied, "the client was closed")
}

#[cfg(test)]
mod tests;
