//! Tokens on one connection: put for each path that is used, and put anew before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use fe2o3_amqp::types::primitives::{SimpleValue, Timestamp, Value};
use sealmq_queue_core::TransportError;
use tokio::time::{Duration, sleep, timeout};

use crate::backoff::Backoff;
use crate::config::ServiceBusConfig;
use crate::error;
use crate::request_link::{Request, RequestLink};

/// Where tokens are put ("AMQP 1.0 in Azure Service Bus protocol guide", claims-based security).
pub(crate) const ADDRESS: &str = "$cbs";

/// However soon a token expires, the next is put so much later.
const SHORTEST_LIFE: Duration = Duration::from_millis(500);

/// The node `$cbs` of one connection.
#[derive(Debug)]
pub(crate) struct Claims {
    config: Arc<ServiceBusConfig>,
    link: RequestLink,
    /// When to put the token of a path anew, and when the present one expires.
    held: Mutex<HashMap<String, Held>>,
    /// One put at a time: many who start at once need one token, not many.
    putting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    renew_at: SystemTime,
    expires_at: SystemTime,
}

impl Claims {
    pub(crate) fn new(config: Arc<ServiceBusConfig>, link: RequestLink) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { config, link, held, putting: tokio::sync::Mutex::new(()) })
    }

    /// Sees to it that there is a token for a path. `true` if it was put just now.
    pub(crate) async fn ensure(self: &Arc<Self>, path: &str) -> Result<bool, TransportError> {
        if self.holds(path) {
            return Ok(false);
        }
        let _putting = self.putting.lock().await;
        if self.holds(path) {
            return Ok(false);
        }
        let is_new = Box::pin(self.put(path)).await?;
        if is_new {
            tokio::spawn(keep_fresh(Arc::downgrade(self), path.to_owned()));
        }
        Ok(true)
    }

    fn holds(&self, path: &str) -> bool {
        self.held().get(path).is_some_and(|held| held.expires_at > SystemTime::now())
    }

    /// Forgets that there is a token: the broker thinks otherwise.
    pub(crate) fn distrust(&self, path: &str) {
        if let Some(held) = self.held().get_mut(path) {
            held.expires_at = SystemTime::UNIX_EPOCH;
        }
    }

    /// Puts a token whether or not there is one. `true` if it is the first for the path.
    pub(crate) async fn put(&self, path: &str) -> Result<bool, TransportError> {
        let context = format!("put a token for {path}");
        let bounded = timeout(self.config.operation_timeout, self.put_unbounded(path, &context));
        match bounded.await {
            Ok(put) => put,
            Err(_) => Err(error::unavailable(format!("{context}: no answer in time"))),
        }
    }

    async fn put_unbounded(&self, path: &str, context: &str) -> Result<bool, TransportError> {
        let audience = self.config.audience(path);
        let claim = self.config.credential.claim(&audience, self.config.token_lifetime).await?;
        let started = SystemTime::now();
        let request = Request {
            context: context.to_owned(),
            properties: vec![
                ("operation", SimpleValue::String("put-token".to_owned())),
                ("type", SimpleValue::String(claim.token_type.to_owned())),
                ("name", SimpleValue::String(audience)),
                ("expiration", SimpleValue::Timestamp(timestamp(claim.expires_at))),
            ],
            body: Value::String(claim.token.as_str().to_owned()),
        };
        let reply = self.link.ask(request).await.map_err(|interrupted| interrupted.error)?;
        if !(200..300).contains(&reply.status) {
            return Err(reply.to_error(context));
        }
        let life = claim.expires_at.duration_since(started).unwrap_or_default();
        // A token that is as good as expired, by our clock, is not put again and again.
        let renew_after = (life / 3 * 2).max(SHORTEST_LIFE);
        let held = Held { renew_at: started + renew_after, expires_at: claim.expires_at };
        Ok(self.held().insert(path.to_owned(), held).is_none())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the token of a path anew, time and again, until the connection is gone.
async fn keep_fresh(claims: Weak<Claims>, path: String) {
    let mut backoff = Backoff::default();
    loop {
        let Some(renew_at) = claims.upgrade().and_then(|claims| {
            claims.link.is_open().then(|| claims.held().get(&path).map(|held| held.renew_at))?
        }) else {
            return;
        };
        // In short steps: the clock of the machine may be set, and the connection may go.
        let left = renew_at.duration_since(SystemTime::now()).unwrap_or_default();
        if !left.is_zero() {
            sleep(left.min(Duration::from_secs(30))).await;
            continue;
        }
        let Some(claims) = claims.upgrade() else { return };
        match claims.put(&path).await {
            Ok(_) => backoff.reset(),
            Err(error) => {
                tracing::warn!(%error, path, "a token could not be put anew");
                drop(claims);
                sleep(backoff.next_delay()).await;
            }
        }
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
