//! Where the demo is set: a broker, its queues, the keys, the clients of the roles.

use std::sync::Arc;
use std::time::Duration;

use sealmq::{CryptoConfig, Message, PlaintextPolicy, QueueClient, QueueClientBuilder, Transport};
use tokio::time::timeout;

use super::Defence;
use super::input::Body;
use super::keys::{Keys, Side, Tenants};
use super::outsider::Outsider;
use super::queues::{self, Queues};
use super::terms::{ENVIRONMENT, broken};
use crate::broker::Broker;
use crate::error::CliError;

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Everything there is. Each side has a connection of its own; what they share is the broker, and
/// initiator and responder the keys.
pub(super) struct Stage<'a> {
    pub(super) queues: Queues,
    pub(super) keys: &'a Keys,
    pub(super) tenants: Tenants,
    pub(super) initiator: QueueClient,
    pub(super) responder: QueueClient,
    pub(super) outsider: Arc<Outsider>,
    /// The initiator's and the responder's; the third one is the outsider's.
    connections: [Arc<dyn Transport>; 2],
}

impl<'a> Stage<'a> {
    /// Connections and clients; the responder does without the defence that is taken from it.
    /// Queues and keys are there already.
    pub(super) async fn new(
        broker: &dyn Broker,
        queues: &Queues,
        keys: &'a Keys,
        weaken: Option<Defence>,
    ) -> Result<Self, CliError> {
        let connections = [queues::connect(broker).await?, queues::connect(broker).await?];
        let outsider = Arc::new(Outsider::new(queues::connect(broker).await?));
        let tenants = keys.tenants();
        let client = |connection| client(connection, &queues.requests, &tenants.acme);
        let initiator = keys.give(Side::Initiator, client(&connections[0]))?;
        let initiator = initiator.build().map_err(broken)?;
        let responder = client(&connections[1]).with_crypto(policy(weaken));
        let responder = keys.give(Side::Responder, responder)?.build().map_err(broken)?;
        let queues = queues.clone();
        Ok(Self { queues, keys, tenants, initiator, responder, outsider, connections })
    }

    /// A further client on the initiator's side, without keys yet.
    pub(super) fn client(&self, queue: &str) -> QueueClientBuilder {
        client(&self.connections[0], queue, &self.tenants.acme)
    }

    /// Closes the connections. The queues go next, so nothing in them needs to be saved.
    pub(super) async fn close(&self) {
        for connection in self.connections.iter().chain([&self.outsider.transport]) {
            let _ = timeout(CLOSING, connection.close()).await;
        }
    }
}

/// A client of this tenant, without keys yet.
pub(super) fn client(
    transport: &Arc<dyn Transport>,
    queue: &str,
    tenant: &str,
) -> QueueClientBuilder {
    QueueClient::builder(queue)
        .with_transport(Arc::clone(transport))
        .with_crypto(CryptoConfig::strict())
        .with_environment(ENVIRONMENT)
        .with_tenant(tenant)
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

/// A request with this body, to be answered on that queue.
pub(super) fn request(body: &Body, source: &str, reply_to: &str) -> Message {
    Message::new(body.text.clone())
        .with_message_type(&body.event)
        .with_content_type("application/json")
        .with_reply_to(reply_to)
        .with_attribute("source", source)
}

/// An answer to the request of this id.
pub(super) fn answer(request_id: &str, text: String) -> Message {
    Message::new(text)
        .with_message_type("acknowledgement")
        .with_content_type("application/json")
        .with_correlation_id(request_id)
}
