//! The observer: shows what the broker stores to someone without a key, and searches it for bodies.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sealmq::{Feature, Source, TransportError, TransportErrorKind};
use tokio::time::sleep;

use super::Setting;
use super::event::{Event, Summary};
use crate::demo::observer::Notes;
use crate::demo::roles::Acknowledgement;
use crate::demo::terms::broken;
use crate::error::CliError;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// The pause between two counts: some brokers let counting be paid for.
const COUNTING_PAUSE: Duration = Duration::from_millis(500);
/// The most messages that are looked at together.
const AT_ONCE: usize = 64;

/// Looks until somebody interrupts it, so many messages were seen as it was told to, or the queues
/// are gone. What initiator and responder exchange between two looks it does not see.
pub(super) async fn run(setting: &Setting<'_>) -> Result<(), CliError> {
    let mut notes = Notes::about(&setting.input.bodies);
    for body in &setting.input.bodies {
        let answer = Acknowledgement::of(Some(&body.event), &body.text);
        notes.needles.add(answer.map_err(CliError::failed)?.as_bytes());
    }
    notes.report.search.windows = notes.needles.len();
    let capabilities = setting.transport.capabilities();
    notes.report.peeks = capabilities.has(Feature::Peek);
    let watched = if notes.report.peeks {
        look(setting, &mut notes).await
    } else if capabilities.has(Feature::Depth) {
        let reason = "This transport has no peek: to read a message one has to receive it, which \
                      hides it\nfrom the others. The observer reads none, and shows how many wait.";
        setting.voice.say(&Event::Blind { reason })?;
        count(setting).await
    } else {
        return Err(CliError::failed("this transport lets nobody look into a queue"));
    };
    match watched {
        Err(Stop::Broker(error)) if *error.kind() != TransportErrorKind::NotFound => {
            return Err(broken(error));
        }
        Err(Stop::Output(error)) => return Err(error),
        _ => {}
    }
    let interrupted = setting.interrupt.happened();
    setting.voice.say(&Event::Ended(Summary::Observer { interrupted, report: &notes.report }))?;
    let (unsealed, found) = (notes.report.unsealed, notes.report.search.frames_with_a_window);
    match unsealed + found {
        0 => Ok(()),
        _ => Err(CliError::failed(format!(
            "{unsealed} messages were not sealed, {found} hold pieces of bodies in the clear"
        ))),
    }
}

/// Why watching ended early.
enum Stop {
    Broker(TransportError),
    Output(CliError),
}

impl From<TransportError> for Stop {
    fn from(error: TransportError) -> Self {
        Self::Broker(error)
    }
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Self {
        Self::Output(error)
    }
}

async fn look(setting: &Setting<'_>, notes: &mut Notes) -> Result<(), Stop> {
    let queues = setting.queues.of_the_roles();
    let sources = queues.map(|queue| [Source::queue(queue), Source::dead_letter(queue)]).concat();
    let mut next: HashMap<&Source, u64> = HashMap::new();
    let mut known = HashSet::new();
    loop {
        for source in &sources {
            let from = next.entry(source).or_default();
            for peeked in setting.transport.peek(source, *from, AT_ONCE).await? {
                let sequence_number = peeked.metadata.sequence_number;
                *from = sequence_number.map_or(*from, |number| number.saturating_add(1));
                if known.insert((source, peeked.metadata.broker_id)) {
                    let sample = notes.note(&source.to_string(), &peeked.message);
                    setting.voice.say(&Event::Seen(&sample))?;
                }
            }
            let enough = setting.count.is_some_and(|count| notes.report.messages_seen >= count);
            if enough || setting.interrupt.happened() {
                return Ok(());
            }
        }
        rest(setting, PAUSE).await;
    }
}

async fn count(setting: &Setting<'_>) -> Result<(), Stop> {
    let mut known: HashMap<&str, u64> = HashMap::new();
    while !setting.interrupt.happened() {
        for queue in setting.queues.of_the_roles() {
            let waiting = setting.transport.depth(&Source::queue(queue)).await?;
            if known.insert(queue, waiting) != Some(waiting) {
                setting.voice.say(&Event::Depth { queue, waiting })?;
            }
        }
        rest(setting, COUNTING_PAUSE).await;
    }
    Ok(())
}

async fn rest(setting: &Setting<'_>, pause: Duration) {
    tokio::select! {
        () = sleep(pause) => {}
        () = setting.interrupt.happens() => {}
    }
}
