//! The replay guard: what is granted, to whom, and until when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::{ConnectOptions, ToServerAddrs};
use async_trait::async_trait;
use sealmq_crypto_core::{DeliveryIdentity, Nonce, ReplayError, ReplayGuard, Reservation};
use tokio::sync::OnceCell;

use crate::bucket::{Bucket, Entry, Write};
use crate::config::NatsReplayConfig;
use crate::error::NatsReplayError;
use crate::record::{Record, key_of};

/// How often a step is taken again when others changed the same nonce meanwhile.
const ATTEMPTS: u32 = 32;

/// A replay guard in a bucket of NATS key-value, shared by a group of competing consumers.
///
/// # Contract
/// - That of [`ReplayGuard`]. Leases go by the clock of the server that leads the bucket: clocks of
///   consumers do not matter. When the lead passes to a server whose clock is ahead, leases end
///   that much earlier, and two copies of a message may be worked on at once; what is committed
///   stays refused.
/// - A nonce is remembered for the bucket's maximum age after it was last written, which is at least
///   its retention. It may be remembered longer than that.
/// - A commit counts even if nothing is known of the nonce any more, and the first one stays.
/// - Nothing is granted unless the server acknowledged it. A call that failed or was dropped may have
///   been carried out: its reservation holds for its own identity, and lapses for others.
/// - Nothing is retried but a step that another consumer outran. Each request is bounded by the
///   timeout of the context.
/// - The bucket is opened by the first call that finds it. If it is deleted while guards use it,
///   they fail: what it knew is lost, and only a new guard makes it again.
///
/// A reservation takes one request when the message is new, otherwise two or three; a commit and a
/// release take two each.
#[derive(Clone)]
pub struct NatsReplayGuard {
    shared: Arc<Shared>,
}

struct Shared {
    jetstream: Context,
    config: NatsReplayConfig,
    bucket: OnceCell<Bucket>,
}

impl NatsReplayGuard {
    /// A guard over this context. The server is not asked yet: see [`NatsReplayGuard::open`].
    ///
    /// # Errors
    /// `InvalidInput` with the field of the configuration.
    pub fn new(jetstream: Context, config: NatsReplayConfig) -> Result<Self, NatsReplayError> {
        config.validate()?;
        let shared = Shared { jetstream, config, bucket: OnceCell::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A guard over a connection of its own, opened. Credentials and TLS are the options'.
    ///
    /// # Errors
    /// As [`NatsReplayGuard::new`] before any I/O, and as [`NatsReplayGuard::open`]; `Denied` when
    /// the credentials are refused, `Unavailable` when no server is reached.
    pub async fn connect(
        addresses: impl ToServerAddrs,
        options: ConnectOptions,
        config: NatsReplayConfig,
    ) -> Result<Self, NatsReplayError> {
        config.validate()?;
        let client = options.connect(addresses).await.map_err(NatsReplayError::connecting)?;
        let guard = Self::new(async_nats::jetstream::new(client), config)?;
        guard.open().await?;
        Ok(guard)
    }

    /// Finds the bucket, or makes it, and verifies that it remembers as configured. Repeating it is
    /// fine. The other calls do it when it was not done: call it at the start to fail early.
    ///
    /// # Errors
    /// `InvalidInput` with the field of a bucket that cannot be trusted: `max_age` shorter than
    /// configured, `discard` of the oldest, `storage` in memory, `persist_mode` async, fewer
    /// `replicas` than configured, a `history` but 1, a `mirror`. `NotFound`, `Denied`, `Full`,
    /// `Unavailable`.
    pub async fn open(&self) -> Result<(), NatsReplayError> {
        self.bucket().await.map(drop)
    }

    async fn bucket(&self) -> Result<&Bucket, NatsReplayError> {
        let Shared { jetstream, config, bucket } = &*self.shared;
        bucket.get_or_try_init(|| Bucket::open(jetstream, config)).await
    }

    /// Replaces the record of a nonce by what `next` makes of it, again when another consumer
    /// outran it. `None` leaves it.
    async fn change(
        &self,
        nonce: &Nonce,
        next: impl Fn(Option<&Record>) -> Option<Record>,
    ) -> Result<(), NatsReplayError> {
        let (bucket, key) = (self.bucket().await?, key_of(nonce));
        for _ in 0..ATTEMPTS {
            let entry = bucket.read(&key).await?;
            let Some(record) = next(entry.as_ref().and_then(|entry| entry.record.as_ref())) else {
                return Ok(());
            };
            if bucket.write(&key, &record, revision(entry.as_ref())).await? == Write::Done {
                return Ok(());
            }
        }
        Err(outrun())
    }

    async fn try_reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, NatsReplayError> {
        let (bucket, key) = (self.bucket().await?, key_of(nonce));
        if bucket.max_age().is_some_and(|max_age| max_age < retention) {
            let reason = format!("the bucket forgets before the {} s asked", retention.as_secs());
            return Err(NatsReplayError::invalid_input("max_age", &reason));
        }
        let record = Record::Reserved { lease, identity: identity.clone() };
        // Most messages are new.
        let mut known = None;
        for _ in 0..ATTEMPTS {
            if let Some(entry) = &known
                && let Some(refusal) = refusal(bucket, entry, identity).await?
            {
                return Ok(refusal);
            }
            if bucket.write(&key, &record, revision(known.as_ref())).await? == Write::Done {
                return Ok(Reservation::Granted);
            }
            known = bucket.read(&key).await?;
        }
        Err(outrun())
    }
}

/// Why the nonce of this entry is not to be granted to this identity, if so.
async fn refusal(
    bucket: &Bucket,
    entry: &Entry,
    by: &DeliveryIdentity,
) -> Result<Option<Reservation>, NatsReplayError> {
    Ok(match &entry.record {
        Some(Record::Committed { identity }) if identity == by => Some(Reservation::Completed),
        Some(Record::Committed { .. }) => Some(Reservation::Replayed),
        Some(Record::Reserved { lease, identity })
            if identity != by && !bucket.has_lapsed(entry, *lease).await? =>
        {
            Some(Reservation::Replayed)
        }
        Some(Record::Reserved { .. } | Record::Free) | None => None,
    })
}

fn revision(entry: Option<&Entry>) -> u64 {
    entry.map_or(0, |entry| entry.revision)
}

fn outrun() -> NatsReplayError {
    NatsReplayError::unavailable(format!("outrun by other consumers {ATTEMPTS} times"))
}

#[async_trait]
impl ReplayGuard for NatsReplayGuard {
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        Ok(self.try_reserve(nonce, identity, lease, retention).await?)
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        let extended = self.change(nonce, |known| match known {
            Some(Record::Reserved { identity: holder, .. }) if holder == identity => {
                Some(Record::Reserved { lease, identity: identity.clone() })
            }
            _ => None,
        });
        Ok(extended.await?)
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        // Whoever completed it, the message is done: a lease that lapsed meanwhile changes nothing.
        let committed = self.change(nonce, |known| match known {
            Some(Record::Committed { .. }) => None,
            _ => Some(Record::Committed { identity: identity.clone() }),
        });
        Ok(committed.await?)
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        let released = self.change(nonce, |known| match known {
            Some(Record::Reserved { identity: holder, .. }) if holder == identity => {
                Some(Record::Free)
            }
            _ => None,
        });
        Ok(released.await?)
    }

    async fn health(&self) -> Result<(), ReplayError> {
        self.bucket().await?.read("health").await?; // no nonce has such a key
        Ok(())
    }
}

impl fmt::Debug for NatsReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsReplayGuard")
            .field("config", &self.shared.config)
            .field("open", &self.shared.bucket.initialized())
            .finish_non_exhaustive()
    }
}
