//! The broker's clock: real, paused with tokio, or moved by hand.

use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

/// An instant on the broker's clock: nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// Before everything.
    pub(crate) const ZERO: Self = Self(0);
    /// After everything.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The instant `duration` later; `NEVER` when that is too far off to count.
    pub(crate) fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long after `earlier` this is; zero if it is before.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The clock that locks, delays, windows and waits of a broker run by.
///
/// # Contract
/// - Clones are the same clock: advancing one advances all.
/// - Everything a broker times runs by its one clock, the `wait` of a receive included.
/// - Wall-clock times in delivery metadata are the time the clock was made plus what has passed
///   on it since.
#[derive(Clone)]
pub struct MemoryClock {
    made_at: SystemTime,
    source: TimeSource,
}

#[derive(Clone)]
enum TimeSource {
    Tokio(Instant),
    Manual(Arc<watch::Sender<Tick>>),
}

impl MemoryClock {
    /// Tokio's clock: real time, and `tokio::time::pause` stops it.
    ///
    /// Waiting by this clock needs a tokio runtime with its timer enabled.
    pub fn tokio() -> Self {
        Self { made_at: SystemTime::now(), source: TimeSource::Tokio(Instant::now()) }
    }

    /// A clock that stands still until [`MemoryClock::advance`] is called; it needs no runtime.
    pub fn manual() -> Self {
        Self {
            made_at: SystemTime::now(),
            source: TimeSource::Manual(Arc::new(watch::Sender::new(Tick::ZERO))),
        }
    }

    /// Moves a manual clock on and wakes what was waiting for the time passed over. A tokio clock
    /// moves by itself: there this does nothing.
    pub fn advance(&self, by: Duration) {
        if let TimeSource::Manual(time) = &self.source {
            time.send_modify(|now| *now = now.after(by));
        }
    }

    pub(crate) fn now(&self) -> Tick {
        match &self.source {
            TimeSource::Tokio(start) => Tick::ZERO.after(start.elapsed()),
            TimeSource::Manual(time) => *time.borrow(),
        }
    }

    pub(crate) fn wall(&self, at: Tick) -> Option<SystemTime> {
        self.made_at.checked_add(at.since(Tick::ZERO))
    }

    pub(crate) async fn sleep_until(&self, at: Tick) {
        match &self.source {
            TimeSource::Tokio(start) => {
                let deadline = start.checked_add(at.since(Tick::ZERO));
                match deadline.filter(|_| at != Tick::NEVER) {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => future::pending().await,
                }
            }
            TimeSource::Manual(time) => {
                // The sender lives in `self`, so waiting ends only when the time has come.
                let _ = time.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }
}

impl Default for MemoryClock {
    /// [`MemoryClock::tokio`].
    fn default() -> Self {
        Self::tokio()
    }
}

impl fmt::Debug for MemoryClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.source {
            TimeSource::Tokio(_) => "tokio",
            TimeSource::Manual(_) => "manual",
        };
        f.debug_struct("MemoryClock")
            .field("kind", &kind)
            .field("elapsed", &self.now().since(Tick::ZERO))
            .finish_non_exhaustive()
    }
}
