//! The `JetStream` API of a connection: calls by name, answers by type.

use std::collections::HashMap;
use std::sync::Mutex;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::Info as ConsumerInfo;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishError};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::Info as StreamInfo;
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use sealmq_queue_core::{Capabilities, TransportError, TransportErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use crate::client::Connection;
use crate::config::{NatsConfig, NatsProvisioning};
use crate::layout::{self, Layout};
use crate::names::QueueNames;
use crate::pulled::Pulled;
use crate::{capabilities, error};

/// The payload of a call that says all in its subject: the server takes no JSON but this.
pub(crate) const NOTHING: Nothing = Nothing {};

#[derive(Serialize)]
pub(crate) struct Nothing {}

/// A connection whose server has `JetStream`, and how queues are called there.
pub(crate) struct JetStream {
    pub(crate) connection: Connection,
    pub(crate) capabilities: Capabilities,
    pub(crate) provisioning: NatsProvisioning,
    /// The durable consumer of each stream.
    pub(crate) consumer: String,
    /// Queues that are known to exist, and how they are laid out.
    pub(crate) layouts: Mutex<HashMap<String, Layout>>,
    context: Context,
    api_prefix: String,
    stream_prefix: String,
    subject_prefix: String,
}

/// A message on its way to a stream.
pub(crate) struct Published {
    /// `None` when the client had no room for it for too long.
    ack: Option<Result<PublishAckFuture, PublishError>>,
    subject: String,
    since: Instant,
}

fn api_prefix(config: &NatsConfig) -> String {
    match &config.domain {
        Some(domain) => format!("$JS.{domain}.API"),
        None => "$JS.API".to_owned(),
    }
}

/// The API on this connection, in the domain and with the timeouts of the configuration.
pub(crate) fn context(config: &NatsConfig, client: Client) -> Context {
    ContextBuilder::new()
        .api_prefix(api_prefix(config).as_str())
        .timeout(config.request_timeout)
        .ack_timeout(config.request_timeout)
        .build(client)
}

impl JetStream {
    pub(crate) async fn open(config: &NatsConfig) -> Result<Self, TransportError> {
        let connection = Connection::open(config).await?;
        let client = connection.client.clone();
        let capabilities = capabilities::jetstream(&client);
        let api_prefix = api_prefix(config);
        let context = context(config, client);
        Ok(Self {
            connection,
            capabilities,
            provisioning: config.provisioning.clone(),
            consumer: config.consumer.clone(),
            layouts: Mutex::default(),
            context,
            api_prefix,
            stream_prefix: config.stream_prefix.clone(),
            subject_prefix: config.subject_prefix.clone(),
        })
    }

    /// What a queue is called on the server.
    pub(crate) fn names(&self, queue: &str) -> Result<QueueNames, TransportError> {
        QueueNames::new(queue, &self.stream_prefix, &self.subject_prefix)
    }

    /// The full subject of an endpoint of the API.
    pub(crate) fn api_subject(&self, endpoint: &str) -> String {
        format!("{}.{endpoint}", self.api_prefix)
    }

    /// Calls an endpoint of the API; `context` names the operation and its object.
    ///
    /// # Errors
    /// As [`error::refused`], and `Unavailable` without an answer.
    pub(crate) async fn call<V: DeserializeOwned>(
        &self,
        endpoint: &str,
        payload: &(impl Serialize + ?Sized),
        context: &str,
    ) -> Result<V, TransportError> {
        self.connection.check_open()?;
        let since = Instant::now();
        match self.context.request(endpoint.to_owned(), payload).await {
            Ok(Response::Ok(value)) => Ok(value),
            Ok(Response::Err { error }) => Err(error::refused(error, context)),
            Err(error) => {
                let error = error::calling(error, context);
                Err(self.connection.explain(error, &self.api_subject(endpoint), since))
            }
        }
    }

    /// What the server knows of a stream.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub(crate) async fn stream(&self, stream: &str) -> Result<StreamInfo, TransportError> {
        let endpoint = format!("STREAM.INFO.{stream}");
        self.call(&endpoint, &NOTHING, &format!("looking up stream {stream}")).await
    }

    /// What the server knows of the consumer of a stream.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub(crate) async fn consumer_of(&self, stream: &str) -> Result<ConsumerInfo, TransportError> {
        self.consumer_of_partition(stream, 0).await
    }

    /// What the server knows of the consumer of a partition of a stream.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub(crate) async fn consumer_of_partition(
        &self,
        stream: &str,
        partition: u16,
    ) -> Result<ConsumerInfo, TransportError> {
        let consumer = layout::consumer(&self.consumer, partition);
        let endpoint = format!("CONSUMER.INFO.{stream}.{consumer}");
        self.call(&endpoint, &NOTHING, &format!("looking up the consumer of stream {stream}")).await
    }

    /// Hands a message to the client, to be acknowledged later. Without a connection the client
    /// has room for some only, so that is bounded too.
    pub(crate) async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Published {
        let since = Instant::now();
        let handing_over = self.context.publish_with_headers(subject.clone(), headers, body);
        let ack = timeout(self.connection.request_timeout, handing_over).await.ok();
        Published { ack, subject, since }
    }

    /// Waits until the server says that it has stored a message, or had it already. The server may
    /// be silent for the request timeout, from the publish on or from when it was last heard: of
    /// many messages that were published together, the last need not wait for each before it.
    ///
    /// # Errors
    /// As [`error::publishing`].
    pub(crate) async fn acknowledged(
        &self,
        published: Published,
        context: &str,
        last_heard: Instant,
    ) -> Result<PublishAck, TransportError> {
        let Published { ack, subject, since } = published;
        let patience = since.max(last_heard) + self.connection.request_timeout;
        let outcome = match ack {
            Some(ack) => timeout_at(patience, async { ack?.await }).await.ok(),
            None => None,
        };
        let error = match outcome {
            Some(Ok(ack)) => return Ok(ack),
            Some(Err(error)) => error::publishing(error, context),
            None => {
                let context = format!("{context}: no acknowledgement in time");
                TransportError::new(TransportErrorKind::Unavailable, context)
            }
        };
        Err(self.connection.explain(error, &subject, since))
    }

    /// Settles by a reply subject and waits for the server to say that it has.
    ///
    /// # Errors
    /// `NotFound` when the consumer is gone, `Unavailable` without an answer.
    pub(crate) async fn settle(
        &self,
        reply: &str,
        order: Bytes,
        stream: &str,
    ) -> Result<(), TransportError> {
        self.connection.check_open()?;
        let since = Instant::now();
        let error = match self.connection.request(reply, order).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let nobody_answers = error.kind() == RequestErrorKind::NoResponders;
        let error = error::requesting(error, &format!("settling a message of stream {stream}"));
        match nobody_answers {
            true => Err(self.gone(stream, error).await),
            false => Err(self.connection.explain(error, reply, since)),
        }
    }

    /// Tells a stream or consumer that is gone from one that has no server for now: nobody answers
    /// in both cases.
    pub(crate) async fn gone(&self, stream: &str, otherwise: TransportError) -> TransportError {
        match self.consumer_of(stream).await {
            Err(error) if *error.kind() == TransportErrorKind::NotFound => error,
            _ => otherwise,
        }
    }

    /// A message of a pull request, unless it is none.
    pub(crate) fn pulled(&self, message: Message) -> Option<Pulled> {
        Pulled::new(&self.context, message)
    }

    /// One stored message of a subject, from a sequence number on; `None` if there is none.
    ///
    /// # Errors
    /// `NotFound`, `Unsupported` when the stream does not allow it, `Unavailable`.
    pub(crate) async fn stored(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<Message>, TransportError> {
        self.connection.check_open()?;
        let context = format!("peeking at stream {stream}");
        let query = serde_json::json!({ "seq": from.max(1), "next_by_subj": subject });
        let endpoint = self.api_subject(&format!("DIRECT.GET.{stream}"));
        let answer = match self.connection.request(endpoint, query.to_string()).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                let allows = self.stream(stream).await?.config.allow_direct;
                return Err(match allows {
                    true => error::requesting(error, &context),
                    false => TransportError::unsupported("nats-jetstream, stream", "peek"),
                });
            }
            Err(error) => return Err(error::requesting(error, &context)),
        };
        match answer.status.map(|status| status.as_u16()) {
            None => Ok(Some(answer)),
            Some(404 | 408) => Ok(None),
            Some(_) => Err(TransportError::new(TransportErrorKind::Unavailable, context)),
        }
    }
}
