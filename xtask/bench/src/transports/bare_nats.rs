//! The bare SDK of NATS, used as its documentation shows: what the client is measured against.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, stream};
use async_trait::async_trait;
use futures_util::stream::{self as futures_stream, StreamExt, TryStreamExt};

use super::BODY_BYTES;
use super::lane::{BATCH, Failure, Lane, UNDER_WAY};

/// A work queue of its own with one durable consumer.
pub(super) struct BareNats {
    jetstream: jetstream::Context,
    consumer: PullConsumer,
    subject: String,
}

impl BareNats {
    /// On the server at `SEALMQ_NATS_URL`.
    pub(super) async fn new() -> Result<Self, Failure> {
        let client = async_nats::connect(std::env::var("SEALMQ_NATS_URL")?).await?;
        let jetstream = jetstream::new(client);
        let name = format!("bench-bare-{}", sealmq::transport::new_message_id());
        let subject = format!("{name}.messages");
        let stream = jetstream
            .create_stream(stream::Config {
                name: name.clone(),
                subjects: vec![subject.clone()],
                retention: stream::RetentionPolicy::WorkQueue,
                ..stream::Config::default()
            })
            .await?;
        let consumer = stream
            .create_consumer(pull::Config {
                durable_name: Some(name),
                ack_policy: AckPolicy::Explicit,
                ..pull::Config::default()
            })
            .await?;
        Ok(Self { jetstream, consumer, subject })
    }

    async fn publish(&self) -> Result<(), Failure> {
        let body = vec![0x5a; BODY_BYTES].into();
        self.jetstream.publish(self.subject.clone(), body).await?.await?;
        Ok(())
    }

    /// Receives up to so many, completes them with an answer of the server, and says how many.
    async fn take(&self, most: usize) -> Result<(usize, Instant), Failure> {
        let fetch = self.consumer.batch().max_messages(most).expires(Duration::from_secs(10));
        let mut messages = fetch.messages().await?;
        let mut received = Vec::new();
        while received.len() < most
            && let Some(message) = messages.next().await
        {
            received.push(message?);
        }
        let arrived = Instant::now();
        let acknowledged = received.iter().map(jetstream::Message::double_ack);
        futures_util::future::try_join_all(acknowledged).await?;
        Ok((received.len(), arrived))
    }
}

#[async_trait]
impl Lane for BareNats {
    fn name(&self) -> &'static str {
        "bare async-nats"
    }

    async fn send(&self, messages: usize) -> Result<(), Failure> {
        let publishing = futures_stream::iter(0..messages).map(|_| self.publish());
        publishing.buffer_unordered(UNDER_WAY * BATCH).try_collect().await
    }

    async fn receive(&self, messages: usize) -> Result<(), Failure> {
        let mut left = messages;
        while left > 0 {
            let (taken, _) = self.take(left.min(UNDER_WAY * BATCH)).await?;
            if taken == 0 {
                return Err(format!("{left} messages did not arrive").into());
            }
            left -= taken;
        }
        Ok(())
    }

    async fn one(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let ((), (count, arrived)) = futures_util::try_join!(self.publish(), self.take(1))?;
        match count {
            1 => Ok(arrived - began),
            _ => Err("a message did not arrive".into()),
        }
    }
}
