//! Deletions and visibility changes, put into as few requests as come together by themselves.
//!
//! A change that comes alone goes out at once, in a request of its own. Those that come while
//! requests are under way wait for them and then go out together, ten to a request: nothing waits
//! for company, and a busy consumer settles ten messages with one request.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};
use futures_util::future::join_all;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::sync::oneshot;

use crate::connection::{Connection, Queue};
use crate::error::{Call, unbuildable};
use crate::limits::MAX_BATCH;

/// What is done to a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It leaves the queue.
    Delete,
    /// It stays invisible for so many seconds from now.
    Visibility(i32),
}

struct Request {
    handle: String,
    change: Change,
    /// The field of our API that a refusal is about.
    field: &'static str,
    reply: oneshot::Sender<Result<(), TransportError>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Request>,
    sending: bool,
    holds: usize,
}

/// The changes to the messages of one queue.
pub(crate) struct Changes {
    connection: Arc<Connection>,
    queue: Queue,
    state: Mutex<State>,
}

/// Keeps changes from going out until it is dropped, so that those made meanwhile go together.
struct Hold(Arc<Changes>);

impl Changes {
    pub(crate) fn new(connection: Arc<Connection>, queue: Queue) -> Arc<Self> {
        Arc::new(Self { connection, queue, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change. Once it is asked for it is made, even if nobody waits for the outcome.
    pub(crate) async fn make(
        self: &Arc<Self>,
        handle: &str,
        change: Change,
        field: &'static str,
    ) -> Result<(), TransportError> {
        let (reply, outcome) = oneshot::channel();
        self.state().waiting.push(Request { handle: handle.to_owned(), change, field, reply });
        self.wake();
        outcome.await.unwrap_or_else(|_| {
            let context = format!("settling on queue {}: the runtime shut down", self.queue.name);
            Err(TransportError::new(TransportErrorKind::Unavailable, context))
        })
    }

    /// Runs `work` so that the changes it begins with go out together.
    pub(crate) async fn together<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        self.state().holds += 1;
        let hold = Hold(Arc::clone(self));
        let first = poll_fn(|task| Poll::Ready(work.as_mut().poll(task))).await;
        drop(hold);
        match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => work.await,
        }
    }

    fn wake(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.sending && state.holds == 0 && !state.waiting.is_empty() {
            state.sending = true;
            tokio::spawn(Arc::clone(self).send());
        }
    }

    fn next(&self) -> Option<Vec<Request>> {
        let mut state = self.state();
        if state.holds > 0 || state.waiting.is_empty() {
            state.sending = false;
            return None;
        }
        Some(std::mem::take(&mut state.waiting))
    }

    async fn send(self: Arc<Self>) {
        while let Some(requests) = self.next() {
            let (deletions, changes): (Vec<_>, Vec<_>) =
                requests.into_iter().partition(|request| request.change == Change::Delete);
            let deletions = batches(deletions).into_iter().map(|batch| (batch, true));
            let changes = batches(changes).into_iter().map(|batch| (batch, false));
            join_all(
                deletions.chain(changes).map(|(batch, delete)| self.send_batch(batch, delete)),
            )
            .await;
        }
    }

    async fn send_batch(&self, batch: Vec<Request>, delete: bool) {
        let what = format!("settling on queue {}", self.queue.name);
        let field = batch.first().map_or("settlement", |request| request.field);
        let call = Call::new(&*what, field);
        let outcome = if delete {
            self.delete(&call, &batch).await
        } else {
            self.change(&call, &batch).await
        };
        for (id, request) in batch.into_iter().enumerate() {
            let result = match &outcome {
                Err(error) => Err(error.clone()),
                Ok(answer) => answer.of(&id.to_string(), &Call::new(&*what, request.field)),
            };
            let _ = request.reply.send(result); // nobody may wait any more
        }
    }

    async fn delete(&self, call: &Call, batch: &[Request]) -> Result<Answer, TransportError> {
        let entry = |(id, request): (usize, &Request)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
            entry.receipt_handle(&request.handle).build()
        };
        let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
        let request = self.connection.sdk.delete_message_batch().queue_url(&self.queue.url);
        let request = request.set_entries(Some(entries.map_err(unbuildable)?));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        let done = answer.successful.into_iter().map(|entry| entry.id).collect();
        Ok(Answer { done, failed: answer.failed })
    }

    async fn change(&self, call: &Call, batch: &[Request]) -> Result<Answer, TransportError> {
        let entry = |(id, request): (usize, &Request)| {
            let Change::Visibility(seconds) = request.change else { return None };
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
            Some(entry.receipt_handle(&request.handle).visibility_timeout(seconds).build())
        };
        let entries: Result<Vec<_>, _> = batch.iter().enumerate().filter_map(entry).collect();
        let sdk = &self.connection.sdk;
        let request = sdk.change_message_visibility_batch().queue_url(&self.queue.url);
        let request = request.set_entries(Some(entries.map_err(unbuildable)?));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        let done = answer.successful.into_iter().map(|entry| entry.id).collect();
        Ok(Answer { done, failed: answer.failed })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state().holds -= 1;
        self.0.wake();
    }
}

/// What became of the entries of one request, by their ids.
struct Answer {
    done: Vec<String>,
    failed: Vec<BatchResultErrorEntry>,
}

impl Answer {
    fn of(&self, id: &str, call: &Call) -> Result<(), TransportError> {
        if self.done.iter().any(|done| done == id) {
            return Ok(());
        }
        let failed = self.failed.iter().find(|entry| entry.id() == id);
        Err(failed.map_or_else(|| call.entry_forgotten(), |entry| call.entry_failed(entry)))
    }
}

fn batches(requests: Vec<Request>) -> Vec<Vec<Request>> {
    let mut requests = requests.into_iter().peekable();
    let mut batches = Vec::new();
    while requests.peek().is_some() {
        batches.push(requests.by_ref().take(MAX_BATCH).collect());
    }
    batches
}
