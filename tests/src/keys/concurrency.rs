//! Calls that happen at once, and calls that are dropped.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::outcome::{CaseResult, Stop};

/// Runs so many tasks that all begin together, and gives what each came to, in order.
pub(crate) async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> CaseResult<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let running: Vec<_> = (0..count)
        .map(|n| {
            let (barrier, task) = (Arc::clone(&barrier), task(n));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(count);
    for task in running {
        let ended = task.await.map_err(|panic| Stop::broken(format!("a task ends: {panic}")))?;
        outcomes.push(ended);
    }
    Ok(outcomes)
}

/// Begins the same call many times and drops it early and late: after its first step, and after
/// times that grow to some milliseconds. Some of them end before they are dropped.
pub(crate) async fn drop_midway<T, F: Future<Output = T>>(call: impl Fn() -> F) {
    for _ in 0..4 {
        call().now_or_never();
        tokio::task::yield_now().await;
    }
    for step in 0..8 {
        let _ = timeout(Duration::from_micros(50 << step), call()).await; // too late is fine, too
    }
}
