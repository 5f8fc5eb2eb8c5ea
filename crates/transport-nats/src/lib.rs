//! NATS for sealmq: `JetStream` at least once, core NATS at most once.
//!
//! [`NatsTransport`] keeps each queue in a work-queue stream with a durable pull consumer, and its
//! dead letters in another. The server stores, locks, counts, delays, schedules, expires and
//! deduplicates; the adapter adds dead-lettering, the limit of deliveries and redriving. Both are
//! made by [`NatsTransport::create_queue`], on demand, or by an operator.
//!
//! [`NatsCoreTransport`] hands messages to those who listen at the time and settles nothing. It
//! carries questions and answers as well.
//!
//! | on the server | is called |
//! | --- | --- |
//! | stream of a queue | `sealmq-<queue>`, subject `sealmq.queue.<queue>` |
//! | stream of its dead letters | `sealmq-<queue>=dead`, subject `sealmq.dead.<queue>` |
//! | messages of ordered groups | in the queue's stream, `sealmq.queue.<queue>.<partition>.<session id>` |
//! | messages that are held back | in the queue's stream, `sealmq.schedule.<queue>.<id>` |
//! | consumer of each stream | `sealmq`; of further partitions `sealmq-<partition>` |
//! | core NATS | subject `sealmq.core.<queue>`, queue group `sealmq` |
//!
//! `<queue>` is the queue's name with every byte but letters, digits, `-` and `_` as `%` and two
//! hexadecimal digits. The body travels as it is. Message id, session id and the like are headers
//! that begin with `Sealmq-`, attributes are headers of their own name; those that NATS or sealmq
//! would act upon get `Sealmq-Attribute-` in front. Sessions that are
//! accepted are not offered; ordered groups are, if the queue is made with them: `JetStream` orders
//! a whole consumer or nothing, so each partition of a queue has a consumer of its own.

mod capabilities;
mod channel;
mod client;
mod config;
mod connection;
mod core_nats;
mod credentials;
mod dead_letters;
mod error;
mod groups;
mod held;
mod inspect;
mod jetstream;
mod layout;
mod names;
mod percent;
mod prefetch;
mod provision;
mod pull;
mod pulled;
mod queue_settings;
mod receiver;
mod rules;
mod schedule;
mod sender;
mod settler;
mod stop;
mod transport;
mod violations;
mod wire;

pub use config::{NatsConfig, NatsProvisioning};
pub use connection::NatsConnection;
pub use core_nats::NatsCoreTransport;
pub use credentials::NatsCredentials;
pub use queue_settings::{NatsQueueSettings, NatsStorage};
pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use transport::NatsTransport;
