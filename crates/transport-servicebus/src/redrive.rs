//! Bringing dead letters back: a copy is sent to the queue, then the dead letter is completed.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::{ReceiveMode, Settlement, Settler, TransportError};
use tokio::time::Instant;

use crate::entity::Entity;
use crate::hub::Hub;
use crate::open;
use crate::receiver::ServiceBusReceiver;
use crate::sender;
use crate::settler::{LockSettler, Locked};
use crate::wire::{self, Purpose};

/// Dead letters that are under way at once.
const AT_ONCE: usize = 50;
/// How long the broker has to send what is there; the first time it takes longer.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_millis(500);

/// Moves up to `max` dead letters, and says how many. After an error midway it says how many were
/// moved until then; the next call meets the error again.
pub(crate) async fn redrive(
    hub: &Arc<Hub>,
    queue: &Entity,
    max: usize,
) -> Result<usize, TransportError> {
    let dead_letters = queue.dead_letters();
    let receiver = open::open(hub, &dead_letters, ReceiveMode::PeekLock, 0).await?;
    let mut moved = 0;
    let mut wait = FIRST_WAIT;
    let outcome = loop {
        if moved >= max {
            break Ok(());
        }
        match move_some(hub, queue, &receiver, (max - moved).min(AT_ONCE), wait).await {
            Ok(0) => break Ok(()),
            Ok(count) => moved += count,
            Err((count, error)) => {
                moved += count;
                break Err(error);
            }
        }
        wait = WAIT;
    };
    // What could not be given back is receivable when its lock has run out.
    let _ = sealmq_queue_core::Receiver::close(&receiver).await;
    match outcome {
        Err(error) if moved == 0 => Err(error),
        Ok(()) | Err(_) => Ok(moved),
    }
}

async fn move_some(
    hub: &Arc<Hub>,
    queue: &Entity,
    receiver: &ServiceBusReceiver,
    max: usize,
    wait: Duration,
) -> Result<usize, (usize, TransportError)> {
    let arrived = receiver.next(max, wait).await.map_err(|error| (0, error))?;
    let copies = arrived.iter().map(|arrived| {
        let incoming = &arrived.incoming;
        wire::copy(&incoming.original, &incoming.broker, Purpose::Redrive)
    });
    let copies = copies.enumerate().collect();
    let mut sent = sender::send_now(hub, queue, copies).await;
    sent.sort_by_key(|(at, _)| *at);

    let (mut moved, mut first_error) = (0, None);
    for (arrived, (_, outcome)) in arrived.into_iter().zip(sent) {
        let lock = arrived.lock_left();
        let locked = Locked { duration: lock, ends_at: Instant::now() + lock };
        let settler = LockSettler::new(
            Arc::clone(receiver.channel()),
            Some(crate::pump::LinkDelivery { info: arrived.info, epoch: arrived.epoch }),
            arrived.token,
            locked,
            arrived.incoming.broker,
            arrived.incoming.original,
        );
        let settlement = match outcome {
            Ok(_) => Settlement::Complete,
            Err(_) => Settlement::Abandon { delay: Duration::ZERO },
        };
        let settled = settler.settle(settlement).await;
        match outcome.and(settled.map(drop)) {
            Ok(()) => moved += 1,
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) => Err((moved, error)),
        None => Ok(moved),
    }
}
