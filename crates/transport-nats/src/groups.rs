//! Ordered groups: partitions that hand out one message at a time, asked in turn.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sealmq_queue_core::TransportError;
use tokio::time::{Instant, timeout};

use crate::channel::Channel;
use crate::held::Held;
use crate::pull::pull;
use crate::stop::Stop;

/// How long a partition may take to say that it has nothing. One whose message is in flight says
/// nothing at all until then.
const LOOK: Duration = Duration::from_millis(25);

/// How long to wait for other partitions once one has a message.
const LINGER: Duration = Duration::from_millis(5);

/// Up to `max` messages of a queue of ordered groups, one of each partition, beginning with the
/// partition whose turn it is.
///
/// # Errors
/// As [`pull`], unless another partition has messages.
pub(crate) async fn pull_groups(
    partitions: &[Arc<Channel>],
    turn: usize,
    max: usize,
    wait: Duration,
    stop: Stop,
) -> Result<Held, TransportError> {
    stop.check()?;
    let deadline = Instant::now() + wait.min(Duration::from_secs(86_400));
    let mut held = Held::none(&partitions[0]);
    let (later, sooner) = partitions.split_at(turn % partitions.len());
    let order: Vec<&Arc<Channel>> = sooner.iter().chain(later).collect();
    let one_of = |channel, wait| pull(channel, 1, wait, stop.clone());

    // No more are asked at a time than messages are wanted: what came on top would count as
    // delivered.
    for some in order.chunks(max.max(1)) {
        let pulled = join_all(some.iter().map(|channel| one_of(channel, LOOK))).await;
        let mut failed = Ok(());
        for outcome in pulled {
            match outcome {
                Ok(mut more) => held.messages.append(&mut more.messages),
                Err(error) => failed = Err(error),
            }
        }
        if !held.messages.is_empty() {
            return Ok(held);
        }
        failed?;
    }

    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() || max == 0 {
        return Ok(held);
    }
    let mut waiting: FuturesUnordered<_> =
        order.iter().map(|channel| one_of(channel, left)).collect();
    while held.messages.len() < max {
        let patience = if held.messages.is_empty() { Duration::MAX } else { LINGER };
        match timeout(patience, waiting.next()).await {
            Ok(Some(Ok(mut more))) => held.messages.append(&mut more.messages),
            Ok(Some(Err(error))) if held.messages.is_empty() => return Err(error),
            _ => break,
        }
    }
    Ok(held)
}
