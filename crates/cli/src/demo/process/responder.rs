//! The responder: opens each request and answers it.

use std::time::Duration;

use sealmq::{QueueClient, ReceivedMessage};
use tokio::time::sleep;

use super::event::{Event, Summary};
use super::{AT_ONCE, Setting};
use crate::demo::roles::{Acknowledgement, Glimpse};
use crate::demo::stage::answer;
use crate::demo::terms::broken;
use crate::error::CliError;

/// Answers until somebody interrupts it, or so many were answered as it was told to. When it is
/// interrupted it answers the request it is at, and gives back those it has not begun.
pub(super) async fn run(
    setting: &Setting<'_>,
    requests: &QueueClient,
    answers: &QueueClient,
) -> Result<(), CliError> {
    let (mut answered, mut refused) = (0, 0);
    loop {
        let left = setting.count.map_or(AT_ONCE, |count| count.saturating_sub(answered));
        if left == 0 {
            break;
        }
        let Some(batch) = setting.receive(requests, left.min(AT_ONCE)).await? else { break };
        for received in batch {
            match received {
                Ok(request) if setting.interrupt.happened() => {
                    let given_back = request.receipt.abandon(Duration::ZERO).await;
                    given_back.map_err(|failed| broken(failed.error))?;
                }
                Ok(request) => {
                    respond(setting, answers, request).await?;
                    answered += 1;
                }
                Err(rejected) => {
                    refused += 1;
                    let (message_id, code) = (&rejected.message.id, rejected.error.code());
                    setting.voice.say(&Event::Refused { message_id, code })?;
                }
            }
        }
    }
    let interrupted = setting.interrupt.happened();
    setting.voice.say(&Event::Ended(Summary::Responder { interrupted, answered, refused }))
}

/// Answers first and completes then: a crash in between gives a second answer, never none.
async fn respond(
    setting: &Setting<'_>,
    answers: &QueueClient,
    request: ReceivedMessage,
) -> Result<(), CliError> {
    let message = &request.message.message;
    if message.reply_to.as_deref() != Some(answers.queue()) {
        let reason = "it asks for its answer on a queue that is not ours";
        let rejected = request.dead_letter("unknown_reply_to", reason).await;
        return rejected.map(|_| ()).map_err(|failed| broken(failed.error));
    }
    sleep(setting.pause).await;
    let text = Acknowledgement::of(message.message_type.as_deref(), request.body());
    let text = text.map_err(CliError::failed)?;
    let sent = answers.send(answer(&message.id, text)).await;
    sent.map_err(|failed| broken(failed.error))?;
    let Glimpse { bytes, begins } = Glimpse::of(request.body());
    let key_id = request.message.key_id().unwrap_or_default();
    setting.voice.say(&Event::Answered { message_id: &message.id, key_id, bytes, begins })?;
    request.complete().await.map_err(|failed| broken(failed.error))?;
    Ok(())
}
