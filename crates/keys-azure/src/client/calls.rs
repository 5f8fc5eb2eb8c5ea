//! Calls in time, and the first of them alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_core::error::ErrorKind;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Call, Failed};

/// How calls are made by one client of the SDK.
///
/// A client learns from the vault's first answer whom to ask for a token, and with each such answer
/// it forgets the token that it has. Of first calls that are made together one would find the token
/// gone that another has just got, and fail.
pub(crate) struct Calls {
    timeout: Duration,
    is_known: AtomicBool,
    first: Mutex<()>,
}

impl Calls {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, is_known: AtomicBool::new(false), first: Mutex::default() }
    }

    /// The outcome of a call, if it comes in time. A call can be several requests: for a token,
    /// without one, and with one.
    pub(crate) async fn within<T>(
        &self,
        call: &Call,
        work: impl Future<Output = azure_core::Result<T>>,
    ) -> Result<T, Failed> {
        let in_turn = async {
            let first = self.first().await;
            let outcome = work.await;
            if first.is_some() && is_answered(&outcome) {
                self.is_known.store(true, Ordering::Release);
            }
            outcome
        };
        match tokio::time::timeout(self.timeout, in_turn).await {
            Ok(outcome) => outcome.map_err(|error| call.failed(&error)),
            Err(_) => Err(call.timed_out()),
        }
    }

    /// The right to make the first call, as long as none was answered.
    async fn first(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_known.load(Ordering::Acquire) {
            return None;
        }
        let first = self.first.lock().await;
        (!self.is_known.load(Ordering::Acquire)).then_some(first)
    }
}

fn is_answered<T>(outcome: &azure_core::Result<T>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => matches!(error.kind(), ErrorKind::HttpResponse { .. }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use azure_core::http::StatusCode;

    use super::*;

    /// How many of eight calls that begin together are made at once, each with this outcome.
    async fn at_once(calls: &Calls, outcome: fn() -> azure_core::Result<()>) -> usize {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || async {
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::Relaxed);
            outcome()
        };
        let call = Call::new("asking");
        let all = (0..8).map(|_| calls.within(&call, work()));
        futures_util::future::join_all(all).await;
        most.into_inner()
    }

    #[tokio::test]
    async fn calls_are_made_one_by_one_until_one_is_answered() {
        let calls = Calls::new(Duration::from_secs(60));
        let lost = || Err(ErrorKind::Io.into_error());
        assert_eq!(at_once(&calls, lost).await, 1, "no answer tells nothing");
        // The first is answered, and the other seven are made at once.
        assert_eq!(at_once(&calls, || Ok(())).await, 7);
        assert_eq!(at_once(&calls, lost).await, 8);
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let calls = Calls::new(Duration::from_secs(60));
        let refused = || {
            let (status, error_code, raw_response) = (StatusCode::Forbidden, None, None);
            Err(ErrorKind::HttpResponse { status, error_code, raw_response }.into_error())
        };
        at_once(&calls, refused).await;
        assert_eq!(at_once(&calls, refused).await, 8);
    }
}
