//! The way out: check, seal, send, retry.

use std::time::Instant;

use bytes::Bytes;
use sealmq_crypto_core::format::{Frame, Marker, find_marker};
use sealmq_crypto_core::{
    CryptoError, CryptoProvider, EncryptedMessage, EncryptionContext, PlaintextVerdict, SealRequest,
};
use sealmq_queue_core::{Message, SendFailure, SendReceipt, TransportError, TransportErrorKind};

use crate::bound::{BOUND_ATTRIBUTE, RESERVED_PREFIX, bound_names, context_of};
use crate::error::{ClientError, FailedSend, asked_by_broker, asked_by_key_service};
use crate::events::{self, Subject};
use crate::queue::QueueContext;

type Sent = Result<SendReceipt, FailedSend>;

impl QueueContext {
    /// Sends a batch; the results stand in its order.
    pub(crate) async fn send_batch(&self, mut messages: Vec<Message>) -> Vec<Sent> {
        if let Err(refusals) = self.check(&mut messages) {
            return give_back(messages, refusals);
        }
        let plaintexts: Vec<Bytes> = messages.iter().map(|message| message.body.clone()).collect();
        let sealed = match self.sealer() {
            Some(crypto) => self.seal(crypto, &mut messages).await,
            None => self.let_plaintexts_pass(&messages),
        };
        let failed: Vec<_> =
            sealed.into_iter().map(|outcome| outcome.err().map(Into::into)).collect();
        self.send_sealed(messages, plaintexts, failed).await
    }

    fn sealer(&self) -> Option<&dyn CryptoProvider> {
        self.shared.crypto.as_deref().filter(|_| self.shared.config.enabled)
    }

    /// The longest body that fits beside this message's metadata, sealing included.
    pub(crate) fn max_body_bytes(&self, message: &Message) -> usize {
        let mut metadata_bytes = message.metadata_bytes();
        if self.sealer().is_some() && !message.attributes.contains_key(BOUND_ATTRIBUTE) {
            let bound = bound_names(&message.attributes);
            if !bound.is_empty() {
                metadata_bytes += BOUND_ATTRIBUTE.len() + bound.len();
            }
        }
        let room = self.shared.transport.capabilities().limits.max_body_bytes(metadata_bytes);
        room.saturating_sub(self.sealer().map_or(0, CryptoProvider::max_overhead_bytes))
    }

    /// Checks all that can be checked without a key and without I/O, and adds our own attribute.
    /// All or nothing: one bad message refuses the batch.
    fn check(&self, messages: &mut [Message]) -> Result<(), Vec<Option<ClientError>>> {
        let refusals: Vec<Option<ClientError>> =
            messages.iter_mut().map(|message| self.check_one(message).err()).collect();
        if refusals.iter().all(Option::is_none) { Ok(()) } else { Err(refusals) }
    }

    fn check_one(&self, message: &mut Message) -> Result<(), ClientError> {
        if self.is_closed() {
            return Err(ClientError::closed());
        }
        if message.attributes.keys().any(|name| name.starts_with(RESERVED_PREFIX)) {
            let reason = "names beginning with sealmq- are the client's own";
            return Err(ClientError::invalid_input("attributes", reason));
        }
        let limit_bytes = self.max_body_bytes(message);
        if message.body.len() > limit_bytes {
            let kind = TransportErrorKind::TooLarge { size_bytes: message.body.len(), limit_bytes };
            let context = format!("body of message {}, before sealing", message.id);
            return Err(TransportError::new(kind, context).into());
        }
        if self.sealer().is_some() {
            let bound = bound_names(&message.attributes);
            if !bound.is_empty() {
                message.attributes.insert(BOUND_ATTRIBUTE.to_owned(), bound);
            }
        } else {
            self.shared.config.check_sent_plaintext()?;
            if find_marker(&message.body) != Marker::None {
                // The receiver would take it for a frame, and could never open it.
                let reason = "begins with the marker of sealed messages and encryption is off";
                return Err(ClientError::invalid_input("body", reason));
            }
        }
        Ok(message.validate(self.shared.transport.capabilities())?)
    }

    fn let_plaintexts_pass(&self, messages: &[Message]) -> Vec<Result<(), CryptoError>> {
        let verdict = self.shared.config.check_sent_plaintext();
        messages.iter().map(|_| verdict.clone().map(|_| ())).collect()
    }

    /// Replaces the bodies by their frames.
    async fn seal(
        &self,
        crypto: &dyn CryptoProvider,
        messages: &mut [Message],
    ) -> Vec<Result<(), CryptoError>> {
        let contexts: Vec<_> =
            messages.iter().map(|message| self.sealing_context(message)).collect();
        // A context is over a limit or it is not; that cannot change by a retry.
        if contexts.iter().any(Result::is_err) {
            let refused = CryptoError::invalid_input("batch", "another message of it is invalid");
            let refuse = |context: Result<_, _>| Err(context.err().unwrap_or(refused.clone()));
            return contexts.into_iter().map(refuse).collect();
        }
        let contexts: Vec<EncryptionContext> = contexts.into_iter().flatten().collect();
        let sealed = self.seal_with_retry(crypto, messages, &contexts).await;
        let replace = |(message, frame): (&mut Message, Result<EncryptedMessage, CryptoError>)| {
            message.body = frame?.into_bytes();
            Ok(())
        };
        messages.iter_mut().zip(sealed).map(replace).collect()
    }

    fn sealing_context(&self, message: &Message) -> Result<EncryptionContext, CryptoError> {
        let bound = message.attributes.get(BOUND_ATTRIBUTE).map_or("", String::as_str);
        context_of(&self.scope, message, bound)
    }

    async fn seal_with_retry(
        &self,
        crypto: &dyn CryptoProvider,
        messages: &[Message],
        contexts: &[EncryptionContext],
    ) -> Vec<Result<EncryptedMessage, CryptoError>> {
        let requests: Vec<SealRequest<'_>> = messages
            .iter()
            .zip(contexts)
            .map(|(message, context)| SealRequest { plaintext: &message.body, context })
            .collect();
        let mut attempt = 1;
        loop {
            let started = Instant::now();
            let sealed = crypto.encrypt_batch(&requests).await;
            let retryable = |frame: &Result<_, CryptoError>| {
                frame.as_ref().err().is_some_and(CryptoError::is_retryable)
            };
            if !sealed.iter().any(retryable) || !self.shared.retry.allows_after(attempt) {
                self.metrics.sealed(started.elapsed(), requests.len());
                for error in sealed.iter().filter_map(|frame| frame.as_ref().err()) {
                    self.metrics.crypto_error(error);
                }
                return sealed;
            }
            let errors = sealed.iter().filter_map(|frame| frame.as_ref().err());
            let asked = errors.filter_map(asked_by_key_service).max();
            tokio::time::sleep(self.shared.retry.delay_as_asked(attempt, asked)).await;
            attempt += 1;
        }
    }

    /// Sends what was sealed. A retry sends the same frame again, so that brokers that
    /// deduplicate see one message.
    async fn send_sealed(
        &self,
        messages: Vec<Message>,
        plaintexts: Vec<Bytes>,
        failed: Vec<Option<ClientError>>,
    ) -> Vec<Sent> {
        let mut results: Vec<Option<Sent>> = Vec::with_capacity(messages.len());
        let mut pending: Vec<(usize, Message)> = Vec::with_capacity(messages.len());
        for (index, (message, failure)) in messages.into_iter().zip(failed).enumerate() {
            match failure {
                Some(error) => results.push(Some(refused(message, &plaintexts[index], error))),
                None => {
                    results.push(None);
                    pending.push((index, message));
                }
            }
        }
        let mut attempt = 1;
        while !pending.is_empty() {
            let (indices, batch): (Vec<usize>, Vec<Message>) = pending.drain(..).unzip();
            let subjects = self.note_subjects(&batch);
            let report = self.shared.transport.send(&self.queue, batch).await;
            let (mut accepted, mut asked) = (0, None);
            for (position, (index, outcome)) in indices.into_iter().zip(report).enumerate() {
                match outcome {
                    Ok(receipt) => {
                        accepted += 1;
                        if let Some(noted) = &subjects {
                            self.announce_sent(&noted[position]);
                        }
                        results[index] = Some(Ok(receipt));
                    }
                    Err(SendFailure { error, message })
                        if error.is_retryable() && self.shared.retry.allows_after(attempt) =>
                    {
                        asked = asked.max(asked_by_broker(&error));
                        pending.push((index, *message));
                    }
                    Err(SendFailure { error, message }) => {
                        results[index] = Some(refused(*message, &plaintexts[index], error.into()));
                    }
                }
            }
            self.metrics.sent(self.sealer().is_some(), accepted);
            if !pending.is_empty() {
                tokio::time::sleep(self.shared.retry.delay_as_asked(attempt, asked)).await;
                attempt += 1;
            }
        }
        let complete = |(result, plaintext): (Option<Sent>, Bytes)| {
            result.unwrap_or_else(|| {
                let kind = TransportErrorKind::Unavailable;
                let error = TransportError::new(kind, "the adapter did not report this message");
                Err(FailedSend { error: error.into(), message: Box::new(Message::new(plaintext)) })
            })
        };
        results.into_iter().zip(plaintexts).map(complete).collect()
    }

    /// What the log events will say, noted before the messages are handed over; nothing is noted
    /// when nobody listens.
    fn note_subjects(&self, batch: &[Message]) -> Option<Vec<NotedMessage>> {
        let sealed = self.sealer().is_some();
        if sealed && !events::sealed_events_enabled() {
            return None;
        }
        let note = |message: &Message| NotedMessage {
            id: message.id.clone(),
            session_id: message.session_id.clone(),
            key_id: Frame::parse(&message.body)
                .ok()
                .map(|frame| frame.key_reference().label().to_owned()),
        };
        Some(batch.iter().map(note).collect())
    }

    fn announce_sent(&self, noted: &NotedMessage) {
        let subject = Subject {
            queue: &self.queue,
            message_id: &noted.id,
            session_id: noted.session_id.as_deref(),
        };
        match (self.sealer(), &noted.key_id) {
            (Some(_), key_id) => events::sent_sealed(&subject, key_id.as_deref().unwrap_or("")),
            (None, _) => {
                let verdict = self.shared.config.check_sent_plaintext();
                events::sent_plaintext(
                    &subject,
                    verdict.unwrap_or(PlaintextVerdict::PassWithAlert),
                );
            }
        }
    }
}

struct NotedMessage {
    id: String,
    session_id: Option<String>,
    key_id: Option<String>,
}

/// The message as it came, with the reason.
fn refused(mut message: Message, plaintext: &Bytes, error: ClientError) -> Sent {
    message.body = plaintext.clone();
    message.attributes.remove(BOUND_ATTRIBUTE);
    Err(FailedSend { error, message: Box::new(message) })
}

fn give_back(messages: Vec<Message>, refusals: Vec<Option<ClientError>>) -> Vec<Sent> {
    let give = |(message, refusal): (Message, Option<ClientError>)| {
        let reason = "another message of the batch is invalid, nothing was sent";
        let error = refusal.unwrap_or_else(|| ClientError::invalid_input("batch", reason));
        let plaintext = message.body.clone();
        refused(message, &plaintext, error)
    };
    messages.into_iter().zip(refusals).map(give).collect()
}
