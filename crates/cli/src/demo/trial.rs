//! Carries the attacks out, and reads in the dead-letter queues what became of each.

use sealmq::transport::TransportError;
use sealmq::{Bytes, Message, QueueClient, RejectionOutcome, Source};
use serde::Serialize;

use super::attacks::{ATTACKS, Attack};
use super::input::Body;
use super::outsider::Put;
use super::queues::stands_in;
use super::scene::{Plan, Scene};
use super::stage::Stage;
use super::terms::{WAIT, broken};
use crate::error::CliError;
use crate::output::Progress;

/// What became of one attack.
#[derive(Debug, Serialize)]
pub(super) struct AttackReport {
    pub(super) name: &'static str,
    pub(super) queue: String,
    pub(super) expected: &'static str,
    /// Why nobody can do that on this transport; what follows then says nothing.
    pub(super) impossible: Option<String>,
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

/// What became of all of them.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) attacks: Vec<AttackReport>,
    /// Queues and dead-letter queues in which messages stand when all is over.
    pub(super) not_empty: Vec<String>,
}

/// Carries out every attack, on one body after the other. The attackers have seen `old_frame`, a
/// frame from before the rotation.
pub(super) async fn attack(
    stage: &Stage<'_>,
    bodies: &[Body],
    old_frame: Option<Bytes>,
) -> Result<Outcome, CliError> {
    let old_frame = old_frame.ok_or_else(|| broken("nobody has seen a sealed message"))?;
    let scene = Scene::new(stage, old_frame)?;
    let mut outcome = Outcome::default();
    let mut progress = Progress::new("attacks", ATTACKS.len());
    for (attack, body) in ATTACKS.iter().zip(bodies.iter().cycle()) {
        outcome.attacks.push(carry_out(&scene, attack, body).await?);
        progress.at(outcome.attacks.len());
    }
    for queue in stage.queues.all() {
        for source in [Source::queue(queue), Source::dead_letter(queue)] {
            if stands_in(&*scene.attacker.transport, &source).await.map_err(broken)? {
                outcome.not_empty.push(source.to_string());
            }
        }
    }
    Ok(outcome)
}

async fn carry_out(scene: &Scene, attack: &Attack, body: &Body) -> Result<AttackReport, CliError> {
    let plan = scene.plan(&attack.act, body).await?;
    let mut report = AttackReport {
        name: attack.name,
        queue: plan.victim.queue().to_owned(),
        expected: attack.code,
        impossible: None,
        refused: false,
        handed_out: false,
        code: None,
        dead_letter_reason: None,
        intact: false,
        twin_opens: false,
    };
    if plan.twin_first {
        report.twin_opens = twin_opens(scene, &plan).await?;
    }
    match put(scene, plan.victim, &plan.forged).await? {
        Put::Done => deliver(scene, &plan, &mut report).await?,
        Put::Impossible(reason) => report.impossible = Some(reason),
    }
    if !plan.twin_first {
        report.twin_opens = twin_opens(scene, &plan).await?;
    }
    report.refused = report.impossible.is_none()
        && !report.handed_out
        && report.code == Some(attack.code)
        && report.dead_letter_reason.as_deref() == Some(attack.code)
        && report.intact;
    Ok(report)
}

async fn put(scene: &Scene, at: &QueueClient, message: &Message) -> Result<Put, CliError> {
    scene.attacker.put(at.queue(), message).await.map_err(broken)
}

/// Lets the reader of a queue receive what was put there, and takes it from where it went.
async fn deliver(
    scene: &Scene,
    plan: &Plan<'_>,
    report: &mut AttackReport,
) -> Result<(), CliError> {
    let mut dead_letters = 0;
    for received in plan.victim.receive(10, WAIT).await.map_err(broken)? {
        match received {
            Ok(message) => {
                report.handed_out = true;
                message.complete().await.map_err(broken)?;
            }
            Err(rejected) => {
                report.code = Some(rejected.error.code());
                dead_letters += usize::from(rejected.outcome == RejectionOutcome::DeadLettered);
            }
        }
    }
    if dead_letters != 1 {
        return Ok(()); // nothing to wait for; what else there is will be found at the end
    }
    let source = Source::dead_letter(plan.victim.queue());
    if let Some(letter) = scene.attacker.take(&source, WAIT).await.map_err(broken)? {
        report.intact = is_the_same(&letter.message, &plan.forged);
        report.dead_letter_reason = letter.dead_letter.and_then(|info| info.reason);
    }
    Ok(())
}

/// Whether nothing of a message was changed. How long it may live is not compared: brokers fill in
/// what the queue is set to.
fn is_the_same(found: &Message, put: &Message) -> bool {
    let mut found = found.clone();
    found.time_to_live = put.time_to_live;
    found == *put
}

/// Whether the untouched message opens to what was sealed.
async fn twin_opens(scene: &Scene, plan: &Plan<'_>) -> Result<bool, CliError> {
    if let Put::Impossible(reason) = put(scene, plan.twin_at, &plan.twin).await? {
        return Err(broken(TransportError::invalid_input("message", reason)));
    }
    let mut received = plan.twin_at.receive(1, WAIT).await.map_err(broken)?;
    match received.pop() {
        Some(Ok(message)) => {
            let is_the_same = message.message.is_encrypted() && *message.body() == plan.body;
            message.complete().await.map_err(broken)?;
            Ok(is_the_same)
        }
        _ => Ok(false),
    }
}
