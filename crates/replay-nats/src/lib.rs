//! A replay guard on NATS key-value: replicas share one replay window without a database.
//!
//! [`NatsReplayGuard`] is a [`ReplayGuard`] in a bucket of `JetStream`. Each nonce is a key there,
//! made by an atomic create and changed by compare-and-set only, so of all replicas that meet a
//! message one is granted it. Every lease is judged by the server's clock.
//!
//! | on the server | is |
//! | --- | --- |
//! | bucket | the memory of one group of competing consumers; the stream `KV_<bucket>` |
//! | key | a nonce, as 48 hexadecimal digits |
//! | value | `v1`, phase, lease in milliseconds, delivery identity; separated by blanks |
//! | time of the value | when the lease began, and from when on the bucket's maximum age counts |
//!
//! Queues may share a bucket, as nonces are random. Groups that each get all messages, as those of
//! a topic, may not: what one completed would be a replay to the other.
//!
//! # Permissions
//! On `$JS.API.STREAM.INFO.KV_<bucket>` and `$JS.API.STREAM.MSG.GET.KV_<bucket>`, on
//! `$KV.<bucket>.*`, and on the inbox of the client; to make the bucket also `$JS.API.INFO` and
//! `$JS.API.STREAM.CREATE.KV_<bucket>`. Whoever may write to the bucket besides can free a nonce,
//! and whoever may delete the stream frees them all: keep that apart from who writes to the queue.
//!
//! # Durability
//! A commit counts once the server has acknowledged it. With one replica that outlives the server's
//! process; for it to outlive a loss of power as well, use three replicas
//! ([`NatsReplayConfig::with_replicas`]) or the server's setting `sync_interval: always`.
//!
//! [`ReplayGuard`]: sealmq_crypto_core::ReplayGuard

mod bucket;
mod config;
mod error;
mod guard;
mod record;

/// The client whose connection the guard is given.
pub use async_nats;

pub use config::NatsReplayConfig;
pub use error::{NatsReplayError, NatsReplayErrorKind};
pub use guard::NatsReplayGuard;
