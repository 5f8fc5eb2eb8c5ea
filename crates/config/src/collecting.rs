//! A replay guard in PostgreSQL that forgets what is expired, now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    Clock, DeliveryIdentity, Nonce, ReplayError, ReplayGuard, Reservation, SystemClock,
};
use sealmq_keys_postgres::PostgresReplayGuard;

/// How often expired nonces are looked for while messages come.
const PAUSE: Duration = Duration::from_secs(60);

/// Rows that one statement removes.
const AT_ONCE: u32 = 10_000;

/// The guard, which nobody else has at hand to collect for it. A service that receives nothing
/// collects nothing, and its rows do not grow.
pub(crate) struct CollectingGuard {
    guard: PostgresReplayGuard,
    clock: SystemClock,
    /// In milliseconds of the clock.
    next: Arc<AtomicU64>,
}

impl CollectingGuard {
    pub(crate) fn new(guard: PostgresReplayGuard) -> Self {
        let (clock, next) = (SystemClock::new(), Arc::default());
        Self { guard, clock, next }
    }

    /// In the background: no message waits for it. A failure is made good by the next time.
    fn collect_now_and_then(&self) {
        let now = ms(self.clock.monotonic());
        let (next, later) = (self.next.load(Ordering::Relaxed), now.saturating_add(ms(PAUSE)));
        let mine = || self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed);
        if now < next || mine().is_err() {
            return;
        }
        let guard = self.guard.clone();
        tokio::spawn(async move {
            while let Ok(removed) = guard.collect_expired(AT_ONCE).await {
                if removed < u64::from(AT_ONCE) {
                    return;
                }
            }
            tracing::debug!(target: "sealmq::config", "expired nonces were not removed this time");
        });
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl ReplayGuard for CollectingGuard {
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        self.collect_now_and_then();
        self.guard.reserve(nonce, identity, lease, retention).await
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        self.guard.extend(nonce, identity, lease).await
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        self.guard.commit(nonce, identity).await
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        self.guard.release(nonce, identity).await
    }

    async fn health(&self) -> Result<(), ReplayError> {
        self.guard.health().await
    }
}
