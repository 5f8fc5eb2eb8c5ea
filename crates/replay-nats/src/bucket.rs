//! The bucket: opened or made, verified, read at its leader, written by compare-and-set.

use std::time::Duration;

use async_nats::datetime::{DateTime, add_std_duration, parse_rfc3339};
use async_nats::header::NATS_MARKER_REASON;
use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{self, Store};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, PersistenceMode, StorageType,
};
use serde::{Deserialize, Serialize};

use crate::config::NatsReplayConfig;
use crate::error::{NatsReplayError, NatsReplayErrorKind, is_outrun};
use crate::record::Record;

/// Leases longer than this are as good as this.
const LONGEST_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A bucket that can be trusted to remember.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: Store,
    jetstream: Context,
}

/// What the bucket holds under a key.
pub(crate) struct Entry {
    pub(crate) revision: u64,
    /// None, if the key was deleted or expired and the server left a mark of that.
    pub(crate) record: Option<Record>,
    written_at: DateTime,
}

/// Whether a write was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Done,
    /// Somebody else wrote since the key was read.
    Outrun,
}

#[derive(Serialize)]
struct Everything {}

/// The part of a stream's description that the client does not read.
#[derive(Deserialize)]
struct ServerTime {
    ts: Option<String>,
}

impl Bucket {
    /// Opens the bucket, or makes it, and verifies that it remembers as configured.
    pub(crate) async fn open(
        jetstream: &Context,
        config: &NatsReplayConfig,
    ) -> Result<Self, NatsReplayError> {
        let store = match find(jetstream, config).await {
            Err(error) if *error.kind() == NatsReplayErrorKind::NotFound && config.make_bucket => {
                make(jetstream, config).await?
            }
            found => found?,
        };
        verify(&store.stream.cached_info().config, config)?;
        Ok(Self { store, jetstream: jetstream.clone() })
    }

    /// For how long the bucket remembers; `None` is for ever.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        let max_age = self.store.stream.cached_info().config.max_age;
        (!max_age.is_zero()).then_some(max_age)
    }

    /// What is there under the key, as the leader knows it: a replica could be behind, and tell of
    /// a reservation that was given back.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Entry>, NatsReplayError> {
        let subject = format!("{}{key}", self.store.prefix);
        let message = match self.store.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => return Err(NatsReplayError::of(error, "reading a nonce")),
        };
        let is_mark = message.headers.get("KV-Operation").is_some()
            || message.headers.get(NATS_MARKER_REASON).is_some();
        let record = if is_mark { None } else { Some(Record::parse(&message.payload)?) };
        Ok(Some(Entry { revision: message.sequence, record, written_at: message.time }))
    }

    /// Writes, if `revision` is still the last one of the key; 0 is that of a key that is not there.
    pub(crate) async fn write(
        &self,
        key: &str,
        record: &Record,
        revision: u64,
    ) -> Result<Write, NatsReplayError> {
        match self.store.update(key, record.to_text().into(), revision).await {
            Ok(_) => Ok(Write::Done),
            Err(error) if is_outrun(&error) => Ok(Write::Outrun),
            Err(error) => Err(NatsReplayError::of(error, "writing a nonce")),
        }
    }

    /// Whether a lease that began with this entry is over. Both times are the server's.
    pub(crate) async fn has_lapsed(
        &self,
        entry: &Entry,
        lease: Duration,
    ) -> Result<bool, NatsReplayError> {
        let ends_at = add_std_duration(entry.written_at, lease.min(LONGEST_LEASE))
            .map_err(|_| NatsReplayError::malformed("the lease ends beyond all time"))?;
        Ok(ends_at <= self.server_time().await?)
    }

    async fn server_time(&self) -> Result<DateTime, NatsReplayError> {
        let operation = "asking for the server's time";
        let subject = format!("STREAM.INFO.{}", self.store.stream_name);
        let answer = self.jetstream.request(subject, &Everything {}).await;
        match answer.map_err(|error| NatsReplayError::of(error, operation))? {
            Response::Ok(ServerTime { ts: Some(time) }) => {
                parse_rfc3339(&time).map_err(|_| NatsReplayError::unavailable(operation))
            }
            Response::Ok(ServerTime { ts: None }) => {
                Err(NatsReplayError::unavailable("the server is older than 2.10: no time"))
            }
            Response::Err { error } => Err(NatsReplayError::of(error, operation)),
        }
    }
}

async fn find(jetstream: &Context, config: &NatsReplayConfig) -> Result<Store, NatsReplayError> {
    let found = jetstream.get_key_value(&config.bucket).await;
    found.map_err(|error| NatsReplayError::of(error, "looking for the bucket"))
}

async fn make(jetstream: &Context, config: &NatsReplayConfig) -> Result<Store, NatsReplayError> {
    let wanted = kv::Config {
        bucket: config.bucket.clone(),
        description: "nonces of messages that sealmq received".into(),
        history: 1,
        max_age: config.max_age,
        max_bytes: config.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1),
        storage: StorageType::File,
        num_replicas: config.replicas,
        ..kv::Config::default()
    };
    match jetstream.create_key_value(wanted).await {
        Ok(store) => {
            tracing::info!(bucket = config.bucket, "made the bucket of the replay guard");
            Ok(store)
        }
        Err(error) => {
            let error = NatsReplayError::of(error, "making the bucket");
            // Another replica made it meanwhile, perhaps with other settings.
            let exists = NatsReplayErrorKind::InvalidInput { field: "bucket" };
            if *error.kind() == exists { find(jetstream, config).await } else { Err(error) }
        }
    }
}

/// Refuses a bucket that would forget too early or would not say that it is full.
fn verify(found: &Config, wanted: &NatsReplayConfig) -> Result<(), NatsReplayError> {
    let refuse = |field, reason: &str| Err(NatsReplayError::invalid_input(field, reason));
    if !found.max_age.is_zero() && found.max_age < wanted.max_age {
        return refuse("max_age", "the bucket forgets earlier than configured");
    }
    if found.discard != DiscardPolicy::New {
        return refuse("discard", "a full bucket would forget its oldest nonces");
    }
    if found.storage != StorageType::File {
        return refuse("storage", "the bucket is in memory: a restart would forget all");
    }
    if found.persist_mode == Some(PersistenceMode::Async) {
        return refuse("persist_mode", "the server acknowledges what it has not stored");
    }
    if found.num_replicas < wanted.replicas {
        return refuse("replicas", "the bucket is kept fewer times than configured");
    }
    if found.max_messages_per_subject != 1 {
        return refuse("history", "more than the last value of each nonce would be kept");
    }
    if found.mirror.is_some() || found.sources.as_ref().is_some_and(|from| !from.is_empty()) {
        return refuse("mirror", "another bucket writes to this one");
    }
    Ok(())
}
