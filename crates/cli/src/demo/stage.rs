//! Where the demo is set: one broker, its queues, the keys, the clients of the roles.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealmq::local::MemoryKeyring;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::transport::Transport as _;
use sealmq::{
    CryptoConfig, EncryptionKeyId, Message, PlaintextPolicy, QueueClient, QueueClientBuilder,
    Source,
};

use super::Defence;
use super::input::Body;
use crate::error::CliError;

/// Requests go here.
pub(super) const REQUESTS: &str = "webhooks";
/// Answers go here.
pub(super) const ANSWERS: &str = "webhooks.answers";
/// A queue that neither is meant for.
pub(super) const PAYMENTS: &str = "payments";
/// Where another tenant's requests go.
pub(super) const GLOBEX_REQUESTS: &str = "globex.webhooks";

/// The key before the rotation, and the one after it.
pub(super) const KEY_A: &str = "demo-key-a";
pub(super) const KEY_B: &str = "demo-key-b";

const ENVIRONMENT: &str = "demo";
const TENANT: &str = "acme";

/// How long a message that must be there is waited for.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// Everything there is. Each client has a connection of its own; what they share is the broker and
/// the store of keys.
pub(super) struct Stage {
    pub(super) broker: MemoryTransport,
    pub(super) keys: MemoryKeyring,
    pub(super) initiator: QueueClient,
    pub(super) responder: QueueClient,
}

impl Stage {
    /// A new broker and a first key; the responder does without the defence that is taken from it.
    pub(super) fn new(weaken: Option<Defence>) -> Result<Self, CliError> {
        let broker = MemoryTransport::new();
        for queue in [REQUESTS, ANSWERS, PAYMENTS, GLOBEX_REQUESTS] {
            broker.create_queue(queue, QueueSettings::default()).map_err(broken)?;
        }
        let keys = MemoryKeyring::generate(key_id(KEY_A)?).map_err(broken)?;
        let initiator = client(&broker, &keys, REQUESTS).build().map_err(broken)?;
        let responder = client(&broker, &keys, REQUESTS).with_crypto(policy(weaken));
        let responder = responder.build().map_err(broken)?;
        Ok(Self { broker, keys, initiator, responder })
    }

    /// A further client of the tenant, with a connection of its own and the keys.
    pub(super) fn client(&self, queue: &str) -> QueueClientBuilder {
        client(&self.broker, &self.keys, queue)
    }

    /// Makes key B; it seals from now on.
    pub(super) fn rotate(&self) -> Result<(), CliError> {
        self.keys.rotate(key_id(KEY_B)?).map_err(broken)
    }

    /// How many requests wait to be received.
    pub(super) async fn waiting(&self) -> Result<usize, CliError> {
        let depth = self.broker.depth(&Source::queue(REQUESTS)).await.map_err(broken)?;
        Ok(depth as usize)
    }
}

fn client(broker: &MemoryTransport, keys: &MemoryKeyring, queue: &str) -> QueueClientBuilder {
    QueueClient::builder(queue)
        .with_transport(Arc::new(broker.connect_again()))
        .with_key_provider(Arc::new(keys.clone()))
        .with_crypto(CryptoConfig::strict())
        .with_environment(ENVIRONMENT)
        .with_tenant(TENANT)
}

fn policy(weaken: Option<Defence>) -> CryptoConfig {
    const DECADE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let strict = CryptoConfig::strict();
    match weaken {
        None => strict,
        Some(Defence::Plaintext) => strict.with_plaintext_on_receive(PlaintextPolicy::Allow),
        Some(Defence::Replay) => strict.with_nonce_tracking(false),
        Some(Defence::Age) => strict.with_max_age(DECADE),
    }
}

/// A request with this body.
pub(super) fn request(body: &Body, source: &str) -> Message {
    Message::new(body.text.clone())
        .with_message_type(&body.event)
        .with_content_type("application/json")
        .with_reply_to(ANSWERS)
        .with_attribute("source", source)
}

/// An answer to the request of this id.
pub(super) fn answer(request_id: &str, text: String) -> Message {
    Message::new(text)
        .with_message_type("acknowledgement")
        .with_content_type("application/json")
        .with_correlation_id(request_id)
}

pub(super) fn key_id(id: &str) -> Result<EncryptionKeyId, CliError> {
    EncryptionKeyId::new(id).map_err(broken)
}

/// What cannot happen in one process, short of a lack of memory or randomness.
pub(super) fn broken(error: impl Into<Box<dyn Error>>) -> CliError {
    CliError::failed("the demo could not be performed").because(error)
}
