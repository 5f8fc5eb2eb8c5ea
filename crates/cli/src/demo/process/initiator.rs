//! The initiator: sends requests, and opens the answers as they come.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use sealmq::{QueueClient, ReceivedMessage};
use tokio::time::sleep;

use super::event::{Event, Summary};
use super::{AT_ONCE, Setting};
use crate::demo::roles::{Acknowledgement, Glimpse};
use crate::demo::stage::request;
use crate::demo::terms::broken;
use crate::error::CliError;

/// How long nothing may happen while answers are missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What sending and receiving share.
struct Progress {
    /// The size of each request that has no answer, by its id.
    waiting: HashMap<String, usize>,
    sent: usize,
    all_are_sent: bool,
    matched: usize,
    refused: usize,
    last: Instant,
}

/// Sends every request, and ends when each has its answer.
pub(super) async fn run(
    setting: &Setting<'_>,
    requests: &QueueClient,
    answers: &QueueClient,
) -> Result<(), CliError> {
    let progress = RefCell::new(Progress {
        waiting: HashMap::new(),
        sent: 0,
        all_are_sent: false,
        matched: 0,
        refused: 0,
        last: Instant::now(),
    });
    let sending = send(setting, requests, answers.queue(), &progress);
    tokio::try_join!(sending, receive(setting, answers, &progress))?;
    let Progress { waiting, sent, matched, refused, .. } = progress.into_inner();
    let (interrupted, unanswered) = (setting.interrupt.happened(), waiting.len());
    let summary = Summary::Initiator { interrupted, sent, matched, unanswered, refused };
    setting.voice.say(&Event::Ended(summary))?;
    if interrupted || (unanswered, refused) == (0, 0) {
        return Ok(());
    }
    Err(CliError::failed(format!("{unanswered} requests have no answer, {refused} were refused")))
}

async fn send(
    setting: &Setting<'_>,
    requests: &QueueClient,
    reply_to: &str,
    progress: &RefCell<Progress>,
) -> Result<(), CliError> {
    let count = setting.count.unwrap_or(setting.input.bodies.len());
    for index in 0..count {
        if setting.interrupt.happened() {
            break;
        }
        let body = setting.input.body(index);
        let message = request(body, setting.input.source, reply_to);
        let id = message.id.clone();
        progress.borrow_mut().waiting.insert(id.clone(), body.text.len());
        requests.send(message).await.map_err(|failed| broken(failed.error))?;
        let Glimpse { bytes, begins } = Glimpse::of(&body.text);
        setting.voice.say(&Event::Sent { message_id: &id, bytes, begins })?;
        {
            let mut progress = progress.borrow_mut();
            (progress.sent, progress.last) = (index + 1, Instant::now());
        }
        tokio::select! {
            () = sleep(setting.pause) => {}
            () = setting.interrupt.happens() => {}
        }
    }
    progress.borrow_mut().all_are_sent = true;
    Ok(())
}

async fn receive(
    setting: &Setting<'_>,
    answers: &QueueClient,
    progress: &RefCell<Progress>,
) -> Result<(), CliError> {
    loop {
        {
            let progress = progress.borrow();
            let is_over = progress.waiting.is_empty() || progress.last.elapsed() > PATIENCE;
            if setting.interrupt.happened() || (progress.all_are_sent && is_over) {
                return Ok(());
            }
        }
        let Some(batch) = setting.receive(answers, AT_ONCE).await? else { return Ok(()) };
        for received in batch {
            match received {
                Ok(answer) => take(setting, answer, progress).await?,
                Err(rejected) => {
                    progress.borrow_mut().refused += 1;
                    let (message_id, code) = (&rejected.message.id, rejected.error.code());
                    setting.voice.say(&Event::Refused { message_id, code })?;
                }
            }
        }
    }
}

/// An answer to a request of nobody here is shown and done with: it is of an earlier run, or of
/// another initiator, who should have queues of its own.
async fn take(
    setting: &Setting<'_>,
    answer: ReceivedMessage,
    progress: &RefCell<Progress>,
) -> Result<(), CliError> {
    let request_id = answer.message.message.correlation_id.clone().unwrap_or_default();
    let said: Option<Acknowledgement> = serde_json::from_slice(answer.body()).ok();
    let matches = {
        let mut progress = progress.borrow_mut();
        let fits = |bytes| said.as_ref().is_some_and(|said| said.bytes == bytes);
        let matches = progress.waiting.get(&request_id).copied().is_some_and(fits);
        if matches {
            progress.waiting.remove(&request_id);
            (progress.matched, progress.last) = (progress.matched + 1, Instant::now());
        }
        matches
    };
    let key_id = answer.message.key_id().unwrap_or_default();
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    setting.voice.say(&Event::Answer { request_id: &request_id, matches, key_id, text })?;
    answer.complete().await.map_err(|failed| broken(failed.error))?;
    Ok(())
}
