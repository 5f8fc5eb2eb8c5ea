//! Carries the attacks out, and looks up in the broker's storage what became of each.

use std::sync::Arc;
use std::time::Duration;

use sealmq::local::MemoryKeyring;
use sealmq::{Bytes, Clock, ManualClock, Message, QueueClient, SystemClock};
use serde::Serialize;

use super::attacker::Attacker;
use super::attacks::{ATTACKS, Act, Attack, Sealer};
use super::input::Body;
use super::stage::{
    ANSWERS, GLOBEX_REQUESTS, KEY_B, PAYMENTS, REQUESTS, Stage, WAIT, answer, broken, key_id,
    request,
};
use crate::error::CliError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Over the 4 days that `CryptoConfig::strict` accepts.
const TOO_OLD: Duration = DAY.saturating_mul(5);
/// Over the 2 minutes by which clocks may differ.
const TOO_EARLY: Duration = Duration::from_secs(10 * 60);

/// What became of one attack.
#[derive(Debug, Serialize)]
pub(super) struct AttackReport {
    pub(super) name: &'static str,
    pub(super) queue: &'static str,
    pub(super) expected: &'static str,
    /// Everything below is as it must be.
    pub(super) refused: bool,
    pub(super) handed_out: bool,
    /// The code that the receiver refused it with.
    pub(super) code: Option<&'static str>,
    /// The reason found beside it in the dead-letter queue.
    pub(super) dead_letter_reason: Option<String>,
    /// It is in the dead-letter queue byte for byte as the attacker put it on the queue.
    pub(super) intact: bool,
    /// The control: the same message as it was before the attack, or the same body sealed as it
    /// should be, opens to that body.
    pub(super) twin_opens: bool,
}

/// Carries out every attack, on one body after the other.
pub(super) async fn attack(stage: &Stage, bodies: &[Body]) -> Result<Vec<AttackReport>, CliError> {
    let scene = Scene::new(stage)?;
    let mut reports = Vec::with_capacity(ATTACKS.len());
    for (attack, body) in ATTACKS.iter().zip(bodies.iter().cycle()) {
        reports.push(scene.carry_out(attack, body).await?);
    }
    Ok(reports)
}

/// Who takes part.
struct Scene {
    attacker: Attacker,
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

/// A queue and the one who reads it.
#[derive(Clone, Copy)]
struct Seat<'a> {
    queue: &'static str,
    reader: &'a QueueClient,
}

/// What is put on which queue.
struct Plan<'a> {
    forged: Message,
    victim: Seat<'a>,
    twin: Message,
    twin_at: Seat<'a>,
    /// The twin is delivered before the attack.
    twin_first: bool,
    body: Bytes,
}

/// What became of what the attacker put on a queue.
#[derive(Default)]
struct Findings {
    handed_out: bool,
    code: Option<&'static str>,
    dead_letter_reason: Option<String>,
    intact: bool,
}

impl Scene {
    fn new(stage: &Stage) -> Result<Self, CliError> {
        let now_ms = SystemClock::new().unix_ms();
        let at =
            |unix_ms| stage.client(REQUESTS).with_clock(Arc::new(ManualClock::at_unix_ms(unix_ms)));
        let with_own_key = |id: &str| {
            let keys = MemoryKeyring::generate(key_id(id)?).map_err(broken)?;
            stage.client(REQUESTS).with_key_provider(Arc::new(keys)).build().map_err(broken)
        };
        let globex = stage.client(GLOBEX_REQUESTS).with_logical_queue(REQUESTS);
        Ok(Self {
            attacker: Attacker::new(stage),
            initiator: stage.initiator.clone(),
            responder: stage.responder.clone(),
            answering: stage.responder.for_queue(ANSWERS).map_err(broken)?,
            answered: stage.initiator.for_queue(ANSWERS).map_err(broken)?,
            payments: stage.responder.for_queue(PAYMENTS).map_err(broken)?,
            globex: globex.with_tenant("globex").build().map_err(broken)?,
            stranger: with_own_key("strangers-key")?,
            impostor: with_own_key(KEY_B)?,
            past: at(now_ms.saturating_sub(ms(TOO_OLD))).build().map_err(broken)?,
            future: at(now_ms.saturating_add(ms(TOO_EARLY))).build().map_err(broken)?,
        })
    }

    async fn carry_out(&self, attack: &Attack, body: &Body) -> Result<AttackReport, CliError> {
        let Plan { forged, victim, twin, twin_at, twin_first, body } =
            self.plan(&attack.act, body).await?;
        let mut twin_opens = false;
        if twin_first {
            twin_opens = self.opens(twin_at, &twin, &body).await?;
        }
        let findings = self.deliver(victim, &forged).await?;
        if !twin_first {
            twin_opens = self.opens(twin_at, &twin, &body).await?;
        }
        let Findings { handed_out, code, dead_letter_reason, intact } = findings;
        Ok(AttackReport {
            name: attack.name,
            queue: victim.queue,
            expected: attack.code,
            refused: !handed_out
                && code == Some(attack.code)
                && dead_letter_reason.as_deref() == Some(attack.code)
                && intact,
            handed_out,
            code,
            dead_letter_reason,
            intact,
            twin_opens,
        })
    }

    /// What to put where. Every message in it was sealed for real, and taken off its queue.
    async fn plan(&self, act: &Act, body: &Body) -> Result<Plan<'_>, CliError> {
        let requests = Seat { queue: REQUESTS, reader: &self.responder };
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
            Act::MoveToAnotherQueue => {
                let twin = self.seal(&self.initiator, body).await?;
                let payments = Seat { queue: PAYMENTS, reader: &self.payments };
                plan(twin.clone(), payments, twin, requests)
            }
            Act::MoveToAnotherTenant => {
                let twin = self.seal(&self.globex, body).await?;
                let home = Seat { queue: GLOBEX_REQUESTS, reader: &self.globex };
                plan(twin.clone(), requests, twin, home)
            }
            Act::EditAnswer(change) => {
                let text = String::from_utf8_lossy(&body.text).into_owned();
                let twin = self.send(&self.answering, answer("a-request", text)).await?;
                let mut forged = twin.clone();
                change(&mut forged);
                let answers = Seat { queue: ANSWERS, reader: &self.answered };
                plan(forged, answers, twin, answers)
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
        self.send(sender, request(body, "github").with_session_id("session-1")).await
    }

    /// Sends by the library, and takes what it sent off the queue.
    async fn send(&self, sender: &QueueClient, message: Message) -> Result<Message, CliError> {
        sender.send(message).await.map_err(|failed| broken(failed.error))?;
        self.attacker.take(sender.queue()).await
    }

    /// Puts a forgery on a queue, lets its reader receive, and looks where the forgery went.
    async fn deliver(&self, victim: Seat<'_>, forged: &Message) -> Result<Findings, CliError> {
        let (_, dead_before) = self.attacker.stored(victim.queue)?;
        self.attacker.put(victim.queue, forged.clone()).await?;
        let mut findings = Findings::default();
        for received in victim.reader.receive(10, WAIT).await.map_err(broken)? {
            match received {
                Ok(message) => {
                    findings.handed_out = true;
                    message.complete().await.map_err(broken)?;
                }
                Err(rejected) => findings.code = Some(rejected.error.code()),
            }
        }
        let (left, mut dead) = self.attacker.stored(victim.queue)?;
        if let Some(letter) = dead.pop()
            && left.is_empty()
            && dead.len() == dead_before.len()
        {
            findings.intact = letter.message == *forged;
            findings.dead_letter_reason = letter.metadata.dead_letter.and_then(|info| info.reason);
        }
        Ok(findings)
    }

    /// Whether the untouched message opens to what was sealed.
    async fn opens(&self, at: Seat<'_>, twin: &Message, body: &Bytes) -> Result<bool, CliError> {
        self.attacker.put(at.queue, twin.clone()).await?;
        let mut received = at.reader.receive(1, WAIT).await.map_err(broken)?;
        match received.pop() {
            Some(Ok(message)) => {
                let is_the_same = message.message.is_encrypted() && message.body() == body;
                message.complete().await.map_err(broken)?;
                Ok(is_the_same)
            }
            _ => Ok(false),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
