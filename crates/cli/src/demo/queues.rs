//! The queues of the demo: their names, made before it and removed after it.

use std::sync::Arc;
use std::time::Duration;

use sealmq::transport::new_message_id;
use sealmq::{Feature, ReceiverOptions, Source, Transport, TransportError, TransportErrorKind};

use super::terms::broken;
use crate::broker::Broker;
use crate::error::CliError;

/// What the names of queues begin with that are there for longer than a run.
pub(super) const USUAL_PREFIX: &str = "demo";

/// How long a look into a queue waits where looking is receiving.
const GLANCE: Duration = Duration::from_secs(1);

/// The names.
#[derive(Debug, Clone)]
pub(super) struct Queues {
    /// Requests go here.
    pub(super) requests: String,
    /// Answers go here.
    pub(super) answers: String,
    /// A queue that neither is meant for.
    pub(super) payments: String,
    /// Where another tenant's requests go.
    pub(super) globex_requests: String,
}

impl Queues {
    /// The names with this in front.
    pub(super) fn named(prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}-{rest}");
        Self {
            requests: name("webhooks"),
            answers: name("answers"),
            payments: name("payments"),
            globex_requests: name("globex-webhooks"),
        }
    }

    /// Names that no other run has: the end of a UUID is random.
    pub(super) fn of_this_run() -> Self {
        let id = new_message_id();
        let random = id.get(id.len().saturating_sub(8)..).unwrap_or(&id);
        Self::named(&format!("{USUAL_PREFIX}-{random}"))
    }

    /// All of them.
    pub(super) fn all(&self) -> [&str; 4] {
        [&self.requests, &self.answers, &self.payments, &self.globex_requests]
    }

    /// Those that initiator and responder use.
    pub(super) fn of_the_roles(&self) -> [&str; 2] {
        [&self.requests, &self.answers]
    }
}

/// What somebody may put in front of the names, on every broker there is.
pub(super) fn check_prefix(prefix: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match (1..=40).contains(&prefix.len()) && prefix.bytes().all(plain) {
        true => Ok(prefix.to_owned()),
        false => Err("1 to 40 of A-Z a-z 0-9 - _".to_owned()),
    }
}

/// Makes the queues. What was made is removed if one of them cannot be.
pub(super) async fn create(broker: &dyn Broker, queues: &[&str]) -> Result<(), CliError> {
    for (index, queue) in queues.iter().enumerate() {
        if let Err(error) = broker.create_queue(queue).await {
            let _ = remove(broker, &queues[..index]).await; // the first error is what matters
            let failed = format!("cannot make queue {queue}, {}", broker.describe());
            return Err(CliError::failed(failed).because(error));
        }
    }
    Ok(())
}

/// Removes the queues, whether or not some of them cannot be.
pub(super) async fn remove(broker: &dyn Broker, queues: &[&str]) -> Result<(), CliError> {
    let mut outcome = Ok(());
    for queue in queues {
        match broker.remove_queue(queue).await {
            Err(error) if *error.kind() != TransportErrorKind::NotFound => {
                let failed = CliError::failed(format!("cannot remove queue {queue}"));
                outcome = Err(failed.because(error));
            }
            _ => {}
        }
    }
    outcome
}

/// Those of the queues that do not exist.
pub(super) async fn missing<'a>(
    transport: &dyn Transport,
    queues: &[&'a str],
) -> Result<Vec<&'a str>, CliError> {
    let mut missing = Vec::new();
    for queue in queues {
        match ask_for(transport, &Source::queue(*queue)).await {
            Ok(()) => {}
            Err(error) if *error.kind() == TransportErrorKind::NotFound => missing.push(*queue),
            Err(error) => {
                return Err(
                    CliError::failed(format!("cannot look into queue {queue}")).because(error)
                );
            }
        }
    }
    Ok(missing)
}

/// An error if there is no such queue; takes nothing out of it.
async fn ask_for(transport: &dyn Transport, source: &Source) -> Result<(), TransportError> {
    if transport.capabilities().has(Feature::Peek) {
        transport.peek(source, 0, 1).await.map(|_| ())
    } else {
        transport.depth(source).await.map(|_| ())
    }
}

/// The error that says which queues somebody has to make, and how.
pub(super) fn are_missing(broker: &dyn Broker, missing: &[&str]) -> CliError {
    let commands: Vec<String> =
        missing.iter().map(|queue| format!("\n  {}", broker.how_to_create(queue))).collect();
    let mut commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    commands.dedup();
    CliError::usage(format!(
        "there is no queue {} at {}; make them, or name others with --queues PREFIX:{}",
        missing.join(", "),
        broker.describe(),
        commands.concat()
    ))
}

/// Refuses queues that are not there, and queues that somebody uses: the demo takes whatever it
/// finds.
pub(super) async fn require_fit(broker: &dyn Broker, queues: &[&str]) -> Result<(), CliError> {
    let transport = connect(broker).await?;
    let missing = missing(&*transport, queues).await?;
    if !missing.is_empty() {
        return Err(are_missing(broker, &missing));
    }
    for queue in queues {
        for source in [Source::queue(*queue), Source::dead_letter(*queue)] {
            if stands_in(&*transport, &source).await.map_err(broken)? {
                return Err(CliError::usage(format!(
                    "{source} is not empty: the demo takes whatever it finds, so give it queues \
                     of its own"
                )));
            }
        }
    }
    transport.close().await.map_err(broken)
}

/// Whether a message stands in a source, left as it is.
pub(super) async fn stands_in(
    transport: &dyn Transport,
    source: &Source,
) -> Result<bool, TransportError> {
    if transport.capabilities().has(Feature::Peek) {
        return Ok(!transport.peek(source, 0, 1).await?.is_empty());
    }
    let receiver = transport.open(source, ReceiverOptions::default()).await?;
    let mut received = receiver.recv(1, GLANCE).await?;
    let found = received.pop();
    let is_there = found.is_some();
    if let Some(delivery) = found {
        delivery.receipt.abandon(Duration::ZERO).await.map_err(|failed| failed.error)?;
    }
    receiver.close().await?;
    Ok(is_there)
}

/// A connection, or the error that names the broker.
pub(super) async fn connect(broker: &dyn Broker) -> Result<Arc<dyn Transport>, CliError> {
    broker.connect().await.map_err(|error| {
        CliError::failed(format!("cannot connect to {}", broker.describe())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_share_names() {
        let (first, second) = (Queues::of_this_run(), Queues::of_this_run());
        assert_ne!(first.requests, second.requests);
        assert_eq!(first.requests.len(), "demo-12345678-webhooks".len());
    }

    #[test]
    fn prefixes_fit_every_broker() {
        assert!(check_prefix("team-a_1").is_ok());
        for bad in ["", "a.b", "a/b", "a b", "\u{e9}", &"x".repeat(41)] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
