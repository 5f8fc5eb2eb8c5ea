//! What a keyring tells and needs: an observer for metrics, a spawner for background work.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::keys::{KekVersion, KeyError};

/// Something an operator may want to count.
#[non_exhaustive]
#[derive(Debug, Clone, Copy)]
pub enum KeyEvent<'a> {
    /// A key was there already.
    CacheHit,
    /// A key had to be fetched.
    CacheMiss,
    /// A call to a key store or key service ended.
    ServiceCall {
        /// Which service.
        service: &'a str,
        /// Which operation, in the words of the trait.
        operation: &'static str,
        /// Whether it succeeded.
        ok: bool,
        /// How long it took.
        elapsed: Duration,
    },
    /// A new key seals from now on.
    SealingKeyChanged {
        /// The key id, or the alias of the first KEK.
        label: &'a str,
        /// The version of that first KEK, as its service reads it off the wrapped DEK; none for a
        /// named key.
        kek_version: Option<KekVersion>,
    },
}

/// Receives what happens in a keyring; must be quick and must not block.
pub trait KeyObserver: Send + Sync {
    /// Something happened.
    fn observe(&self, event: KeyEvent<'_>);
}

/// A future that runs on its own.
pub type BackgroundTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs futures in the background, on whatever runtime the program has.
pub trait Spawn: Send + Sync {
    /// Runs the task to its end, unless the runtime goes first.
    fn spawn(&self, task: BackgroundTask);
}

/// What the parts of a keyring share.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Option<Arc<dyn KeyObserver>>,
    pub(super) spawner: Option<Arc<dyn Spawn>>,
}

impl Surroundings {
    pub(super) fn observe(&self, event: KeyEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }

    /// Runs one call to a service and reports it.
    pub(super) async fn measured<T>(
        &self,
        service: &str,
        operation: &'static str,
        call: BoxFuture<'_, Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        let started = self.clock.monotonic();
        let result = call.await;
        let elapsed = self.clock.monotonic().saturating_sub(started);
        self.observe(KeyEvent::ServiceCall { service, operation, ok: result.is_ok(), elapsed });
        result
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("clock", &self.clock).finish_non_exhaustive()
    }
}
