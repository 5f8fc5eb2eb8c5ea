//! Requests and their replies over a pair of links, as `$cbs` and `$management` have them.
//!
//! Many requests may be under way at once; each reply goes to the request whose id it names, so a
//! caller who gives up cannot make the next one take a reply that was not for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Message, MessageId, Properties, Source, Target,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};
use fe2o3_amqp::{Receiver, Sendable};
use sealmq_queue_core::{TransportError, new_message_id};
use tokio::sync::oneshot;

use crate::error;
use crate::sending_link::{AmqpMessage, Interrupted, SendingLink, accepted, attach_sender};

/// Replies the broker may send before we have taken the first.
const REPLY_CREDIT: u32 = 512;

/// What is asked of a node.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Names the request in errors.
    pub(crate) context: String,
    pub(crate) properties: Vec<(&'static str, SimpleValue)>,
    pub(crate) body: Value,
}

/// What a node answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: i64,
    pub(crate) condition: Option<String>,
    pub(crate) description: String,
    pub(crate) body: Value,
}

impl Reply {
    /// The error that a reply states; `context` names the request.
    pub(crate) fn to_error(&self, context: &str) -> TransportError {
        let condition = self.condition.as_deref().unwrap_or_default();
        let kind = error::kind_of_condition(condition)
            .unwrap_or_else(|| error::kind_of_status(self.status));
        let stated = format!("{} {condition}", self.status);
        error::explained(kind, stated.trim_end(), &self.description, context)
    }
}

/// Requests that wait for their replies; `None` once no reply can come any more.
type Waiting = Arc<Mutex<Option<HashMap<String, oneshot::Sender<AmqpMessage>>>>>;

/// A pair of links to one node.
#[derive(Debug)]
pub(crate) struct RequestLink {
    requests: SendingLink,
    waiting: Waiting,
    reply_to: String,
    last_id: AtomicU64,
}

impl RequestLink {
    /// Attaches both links to the node at an address, in a session of their own.
    pub(crate) async fn attach(
        mut session: SessionHandle<()>,
        address: String,
    ) -> Result<Self, TransportError> {
        let reply_to = format!("sealmq-{}", new_message_id());
        let sender = attach_sender(&mut session, &address, None).await?;
        let receiver = Receiver::builder()
            .name(format!("{reply_to}-replies"))
            .source(Source::builder().address(address.as_str()).build())
            .target(Target::builder().address(reply_to.as_str()).build())
            .credit_mode(CreditMode::Auto(REPLY_CREDIT))
            .auto_accept(true)
            .attach(&mut session)
            .await
            .map_err(|error| error::failed(error, &format!("attach to {address}")))?;
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(take_replies(receiver, Arc::clone(&waiting)));
        let requests = SendingLink::run(session, sender);
        Ok(Self { requests, waiting, reply_to, last_id: AtomicU64::new(0) })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.requests.is_open() && lock(&self.waiting).is_some()
    }

    /// Asks and waits for the reply, for as long as the links last: the caller bounds it.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, Interrupted> {
        let Request { context, properties, body } = request;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).to_string();
        let (replier, reply) = oneshot::channel();
        let Some(_waits) = Waits::begin(&self.waiting, id.clone(), replier) else {
            let gone = error::unavailable(format!("{context}: link is gone"));
            return Err(Interrupted::before(gone));
        };
        let message = self.message(id, properties, body);
        let transfer = self.requests.start(Sendable::from(message), &context).await?;
        accepted(transfer, &context).await?;
        let lost = |_| Interrupted::midway(error::unavailable(format!("{context}: no reply came")));
        Ok(read(reply.await.map_err(lost)?))
    }

    fn message(
        &self,
        id: String,
        properties: Vec<(&'static str, SimpleValue)>,
        body: Value,
    ) -> AmqpMessage {
        let stated = properties
            .into_iter()
            .fold(ApplicationProperties::builder(), |stated, (name, value)| {
                stated.insert(name, value)
            });
        Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: Some(Properties {
                message_id: Some(MessageId::String(id)),
                reply_to: Some(self.reply_to.clone()),
                ..Properties::new()
            }),
            application_properties: Some(stated.build()),
            body: Body::Value(AmqpValue(body)),
            footer: None,
        }
    }
}

/// A place among those who wait, given up when dropped.
struct Waits<'a> {
    waiting: &'a Waiting,
    id: String,
}

impl<'a> Waits<'a> {
    fn begin(
        waiting: &'a Waiting,
        id: String,
        replier: oneshot::Sender<AmqpMessage>,
    ) -> Option<Self> {
        lock(waiting).as_mut()?.insert(id.clone(), replier);
        Some(Self { waiting, id })
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = lock(self.waiting).as_mut() {
            waiting.remove(&self.id);
        }
    }
}

async fn take_replies(mut receiver: Receiver, waiting: Waiting) {
    loop {
        match receiver.recv::<Body<Value>>().await {
            Ok(delivery) => {
                let message = delivery.into_message();
                let id = match message.properties.as_ref().and_then(|p| p.correlation_id.as_ref()) {
                    Some(MessageId::String(id)) => id.as_str(),
                    _ => continue,
                };
                let replier = lock(&waiting).as_mut().and_then(|waiting| waiting.remove(id));
                if let Some(replier) = replier {
                    let _ = replier.send(message); // whoever asked may have given up
                }
            }
            Err(error) if error.recovery().link_is_usable() => {
                tracing::warn!(%error, "a reply of the broker could not be read");
            }
            Err(error) => {
                tracing::debug!(%error, "a request link ended");
                break;
            }
        }
    }
    lock(&waiting).take();
}

/// The status stands under either of two names: `$cbs` and `$management` differ.
fn read(message: AmqpMessage) -> Reply {
    let mut reply = Reply {
        status: 0,
        condition: None,
        description: String::new(),
        body: match message.body {
            Body::Value(AmqpValue(value)) => value,
            _ => Value::Null,
        },
    };
    for (name, value) in message.application_properties.map(|stated| stated.0).unwrap_or_default() {
        match (name.as_str(), value) {
            ("statusCode" | "status-code", SimpleValue::Int(status)) => {
                reply.status = status.into()
            }
            ("statusCode" | "status-code", SimpleValue::Uint(status)) => {
                reply.status = status.into();
            }
            ("statusCode" | "status-code", SimpleValue::Long(status)) => reply.status = status,
            ("statusDescription" | "status-description", SimpleValue::String(text)) => {
                reply.description = text;
            }
            ("errorCondition" | "error-condition", SimpleValue::Symbol(symbol)) => {
                reply.condition = Some(symbol.0);
            }
            ("errorCondition" | "error-condition", SimpleValue::String(text)) => {
                reply.condition = Some(text);
            }
            _ => {}
        }
    }
    reply
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
