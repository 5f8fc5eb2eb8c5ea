//! One key service of a keyring: its alias, its calls, whether others are asked before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_lock::Semaphore;
use futures_util::future::BoxFuture;

use super::events::Surroundings;
use crate::keys::{KekAlias, KeyError, KeyManagementService};

/// How long others are asked first after a call failed.
const AVOIDED: Duration = Duration::from_secs(30);

/// A key service under the alias that frames name it by.
pub(super) struct Kek {
    pub(super) alias: KekAlias,
    pub(super) service: Arc<dyn KeyManagementService>,
    /// For the calls under way at once: those that one service leaves unanswered take no place from
    /// those of another.
    places: Semaphore,
    avoided_until: Mutex<Option<Duration>>,
}

impl Kek {
    pub(super) fn new(
        alias: KekAlias,
        service: Arc<dyn KeyManagementService>,
        most_calls: usize,
    ) -> Self {
        let places = Semaphore::new(most_calls);
        Self { alias, service, places, avoided_until: Mutex::default() }
    }

    /// Runs one call to the service when there is a place for it, and reports it.
    pub(super) async fn call<T>(
        &self,
        around: &Surroundings,
        operation: &'static str,
        call: BoxFuture<'_, Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        let _place = self.places.acquire().await;
        let result = around.measured(self.service.name(), operation, call).await;
        let is_out = result.as_ref().is_err_and(KeyError::is_retryable);
        let until = is_out.then(|| around.clock.monotonic().saturating_add(AVOIDED));
        *self.avoided_until() = until;
        result
    }

    /// Whether others are to be asked first. One caller in a while is told that it is not so, and
    /// finds out.
    pub(super) fn is_avoided(&self, now: Duration) -> bool {
        let mut avoided_until = self.avoided_until();
        match *avoided_until {
            Some(until) if now < until => true,
            Some(_) => {
                *avoided_until = Some(now.saturating_add(AVOIDED));
                false
            }
            None => false,
        }
    }

    fn avoided_until(&self) -> MutexGuard<'_, Option<Duration>> {
        self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
