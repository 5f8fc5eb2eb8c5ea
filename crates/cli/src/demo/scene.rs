//! The scene of the attacks: who takes part, and what each attack puts on which queue.

use std::sync::Arc;
use std::time::Duration;

use sealmq::format::Frame;
use sealmq::{Bytes, Clock, ManualClock, Message, QueueClient, Source, SystemClock};

use super::attacks::{Act, Sealer, with_key_reference_of};
use super::input::Body;
use super::outsider::{Outsider, Stored};
use super::queues::Queues;
use super::stage::{Stage, answer, request};
use super::terms::{WAIT, broken};
use crate::error::CliError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Over the 4 days that `CryptoConfig::strict` accepts.
const TOO_OLD: Duration = DAY.saturating_mul(5);
/// Over the 2 minutes by which clocks may differ.
const TOO_EARLY: Duration = Duration::from_secs(10 * 60);

/// Who takes part.
pub(super) struct Scene {
    pub(super) attacker: Arc<Outsider>,
    queues: Queues,
    /// A frame from before the rotation.
    old_frame: Bytes,
    initiator: QueueClient,
    responder: QueueClient,
    /// The responder sends answers, the initiator reads them.
    answering: QueueClient,
    answered: QueueClient,
    payments: QueueClient,
    globex: QueueClient,
    stranger: QueueClient,
    impostor: QueueClient,
    past: QueueClient,
    future: QueueClient,
}

/// What is put on which queue. Who reads a queue is a client of it.
pub(super) struct Plan<'a> {
    pub(super) forged: Message,
    pub(super) victim: &'a QueueClient,
    /// The same message as it was before the attack, or the same body sealed as it should be.
    pub(super) twin: Message,
    pub(super) twin_at: &'a QueueClient,
    /// The twin is delivered before the attack.
    pub(super) twin_first: bool,
    pub(super) body: Bytes,
}

impl Scene {
    /// Everybody, who has seen `old_frame`, a frame from before the rotation.
    pub(super) fn new(stage: &Stage<'_>, old_frame: Bytes) -> Result<Self, CliError> {
        let (queues, keys) = (stage.queues.clone(), stage.keys);
        let now_ms = SystemClock::new().unix_ms();
        let client = || stage.client(&queues.requests);
        let at = |unix_ms| {
            let clock = Arc::new(ManualClock::at_unix_ms(unix_ms));
            keys.give_more(client().with_clock(clock))
        };
        let seen = Frame::parse(&old_frame).map_err(broken)?;
        let (stranger, impostor) =
            (keys.give_unknown(client())?, keys.give_false(client(), &seen)?);
        let globex = stage.client(&queues.globex_requests).with_logical_queue(&queues.requests);
        let globex = keys.give_more(globex).with_tenant(&stage.tenants.globex);
        Ok(Self {
            attacker: Arc::clone(&stage.outsider),
            initiator: stage.initiator.clone(),
            responder: stage.responder.clone(),
            answering: stage.responder.for_queue(&queues.answers).map_err(broken)?,
            answered: stage.initiator.for_queue(&queues.answers).map_err(broken)?,
            payments: stage.responder.for_queue(&queues.payments).map_err(broken)?,
            globex: globex.build().map_err(broken)?,
            stranger: stranger.build().map_err(broken)?,
            impostor: impostor.build().map_err(broken)?,
            past: at(now_ms.saturating_sub(ms(TOO_OLD))).build().map_err(broken)?,
            future: at(now_ms.saturating_add(ms(TOO_EARLY))).build().map_err(broken)?,
            queues,
            old_frame,
        })
    }

    /// What to put where. Every message in it was sealed for real, and taken off its queue.
    pub(super) async fn plan(&self, act: &Act, body: &Body) -> Result<Plan<'_>, CliError> {
        let requests = &self.responder;
        let plan = |forged, victim, twin, twin_at| Plan {
            forged,
            victim,
            twin,
            twin_at,
            twin_first: matches!(act, Act::Replay),
            body: body.text.clone(),
        };
        Ok(match act {
            Act::Edit(change) => {
                let twin = self.seal(&self.initiator, body).await?;
                let mut forged = twin.clone();
                change(&mut forged);
                plan(forged, requests, twin, requests)
            }
            Act::NameOldKey => {
                let twin = self.seal(&self.initiator, body).await?;
                let mut forged = twin.clone();
                forged.body = with_key_reference_of(&self.old_frame, &twin.body).map_err(broken)?;
                plan(forged, requests, twin, requests)
            }
            Act::MoveToAnotherQueue => {
                let twin = self.seal(&self.initiator, body).await?;
                plan(twin.clone(), &self.payments, twin, requests)
            }
            Act::MoveToAnotherTenant => {
                let twin = self.seal(&self.globex, body).await?;
                plan(twin.clone(), requests, twin, &self.globex)
            }
            Act::EditAnswer(change) => {
                let text = String::from_utf8_lossy(&body.text).into_owned();
                let twin = self.send(&self.answering, answer("a-request", text)).await?;
                let mut forged = twin.clone();
                change(&mut forged);
                plan(forged, &self.answered, twin, &self.answered)
            }
            Act::Replay => {
                let twin = self.seal(&self.initiator, body).await?;
                plan(twin.clone(), requests, twin, requests)
            }
            Act::Plaintext => {
                let twin = self.seal(&self.initiator, body).await?;
                let mut forged = twin.clone();
                forged.body = body.text.clone();
                plan(forged, requests, twin, requests)
            }
            Act::Sealed(sealer, change) => {
                let mut forged = self.seal(self.sealer(*sealer), body).await?;
                change(&mut forged);
                let twin = self.seal(&self.initiator, body).await?;
                plan(forged, requests, twin, requests)
            }
        })
    }

    fn sealer(&self, sealer: Sealer) -> &QueueClient {
        match sealer {
            Sealer::Stranger => &self.stranger,
            Sealer::Impostor => &self.impostor,
            Sealer::Past => &self.past,
            Sealer::Future => &self.future,
        }
    }

    async fn seal(&self, sender: &QueueClient, body: &Body) -> Result<Message, CliError> {
        let request = request(body, "github", &self.queues.answers);
        self.send(sender, request.with_session_id("session-1")).await
    }

    /// Sends by the library, and takes what it sent off the queue.
    async fn send(&self, sender: &QueueClient, message: Message) -> Result<Message, CliError> {
        let id = message.id.clone();
        sender.send(message).await.map_err(|failed| broken(failed.error))?;
        let taken = self.attacker.take(&Source::queue(sender.queue()), WAIT).await;
        match taken.map_err(broken)? {
            Some(Stored { message, .. }) if message.id == id => Ok(message),
            Some(_) => Err(broken("another message stood in the queue")),
            None => Err(broken("a message that was sent did not arrive")),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
