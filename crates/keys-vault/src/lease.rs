//! What a server grants for a time: renewed before it ends, replaced where it cannot be.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{KeyError, KeyErrorKind};
use tokio::sync::{Mutex, Notify};

use crate::timer::Timer;

/// The shortest time between two attempts to renew. What lives no longer than that is not renewed
/// but replaced.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The longest time between two attempts to renew that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long something is granted for. Without a time to live it never ends, or nothing is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) time_to_live: Option<Duration>,
    /// What ends it earlier: the time left to that on which it depends.
    pub(crate) bound: Option<Duration>,
    pub(crate) renewable: bool,
}

impl Lease {
    pub(crate) fn new(seconds: u64, renewable: bool) -> Self {
        let time_to_live = (seconds > 0).then(|| Duration::from_secs(seconds));
        Self { time_to_live, bound: None, renewable }
    }
}

/// Something that was granted.
pub(crate) struct Grant<T> {
    pub(crate) item: T,
    pub(crate) lease: Lease,
}

/// Who grants, renews and replaces one kind of thing.
#[async_trait]
pub(crate) trait Grantor: Send + Sync + 'static {
    type Item: Send + Sync + 'static;

    /// What it is, for the log.
    const NAME: &'static str;

    async fn grant(&self) -> Result<Grant<Self::Item>, KeyError>;

    async fn renew(&self, item: &Self::Item) -> Result<Lease, KeyError>;

    /// Whether this one is to be renewed, and not replaced at the same time.
    fn renews(&self, _item: &Self::Item) -> bool {
        true
    }

    /// Whether there can be another one when this one ends.
    fn grants_again(&self) -> bool {
        true
    }

    /// Told of what was replaced: it goes on until this moment of the timer.
    fn replaced(&self, _former: Held<Self::Item>, _now: Duration) {}
}

/// What is in use.
pub(crate) struct Held<T> {
    pub(crate) item: Arc<T>,
    pub(crate) generation: u64,
    /// What it was granted for: a renewal that gives much less is the last one.
    granted: Option<Duration>,
    renewable: bool,
    since: Duration,
    pub(crate) ends_at: Option<Duration>,
    renew_at: Option<Duration>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { item: Arc::clone(&self.item), ..*self }
    }
}

/// One thing that is granted for a time, kept fresh. Nothing is held once it was closed.
pub(crate) struct Leased<G: Grantor> {
    pub(crate) grantor: G,
    timer: Arc<dyn Timer>,
    held: RwLock<Option<Held<G::Item>>>,
    /// One grant at a time; those who wait for it find the new one.
    granting: Mutex<()>,
    /// Told whenever the time of the next renewal may have changed.
    pub(crate) changed: Arc<Notify>,
}

impl<G: Grantor> Leased<G> {
    /// The first grant.
    ///
    /// # Errors
    /// Those of the grantor.
    pub(crate) async fn begin(grantor: G, timer: Arc<dyn Timer>) -> Result<Arc<Self>, KeyError> {
        let grant = grantor.grant().await?;
        let (held, granting, changed) = Default::default();
        let leased = Self { grantor, timer, held, granting, changed };
        leased.hold(grant, 1);
        Ok(Arc::new(leased))
    }

    /// What is in use, whether it has ended or not.
    ///
    /// # Errors
    /// `Denied` when this was closed.
    pub(crate) fn held(&self) -> Result<Held<G::Item>, KeyError> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    /// What is in use. If that has ended it is replaced first, where that is possible.
    ///
    /// # Errors
    /// As [`Leased::replace`].
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Held<G::Item>, KeyError> {
        let held = self.held()?;
        let ended = held.ends_at.is_some_and(|end| self.timer.now() >= end);
        if ended && self.grantor.grants_again() {
            return self.replace(held.generation).await;
        }
        Ok(held)
    }

    /// Another one than that of this generation; the one in use, if it is another one already.
    ///
    /// It goes on when the caller goes away: what was granted must not be lost.
    ///
    /// # Errors
    /// Those of the grantor; `Denied` when this was closed.
    pub(crate) async fn replace(
        self: &Arc<Self>,
        generation: u64,
    ) -> Result<Held<G::Item>, KeyError> {
        let leased = Arc::clone(self);
        let granting = tokio::spawn(async move {
            let _one_at_a_time = leased.granting.lock().await;
            let former = leased.held()?;
            if former.generation != generation {
                return Ok(former);
            }
            let grant = leased.grantor.grant().await?;
            let held = leased.hold(grant, generation + 1);
            leased.grantor.replaced(former, leased.timer.now());
            Ok(held)
        });
        granting.await.unwrap_or_else(|_| {
            let context = format!("the runtime ended while {} was asked for", G::NAME);
            Err(KeyError::new(KeyErrorKind::Unavailable, context))
        })
    }

    fn hold(&self, grant: Grant<G::Item>, generation: u64) -> Held<G::Item> {
        let Grant { item, lease } = grant;
        let (ends_at, renew_at) = self.times(&lease);
        let held = Held {
            item: Arc::new(item),
            generation,
            granted: lease.time_to_live,
            renewable: lease.renewable,
            since: self.timer.now(),
            ends_at,
            renew_at,
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        self.changed.notify_one();
        held
    }

    /// When a lease that begins now ends, and when two thirds of it are over.
    fn times(&self, lease: &Lease) -> (Option<Duration>, Option<Duration>) {
        let now = self.timer.now();
        let time = lease.time_to_live.into_iter().chain(lease.bound).min();
        let renew_in = time.map(|time| (time * 2 / 3).max(SHORTEST_WAIT));
        (time.map(|time| now + time), renew_in.map(|time| now + time))
    }

    /// How long ago this was granted.
    pub(crate) fn age(&self, held: &Held<G::Item>) -> Duration {
        self.timer.now().saturating_sub(held.since)
    }

    /// How long this still lives; nothing if that is not known.
    pub(crate) fn left(&self, held: &Held<G::Item>) -> Option<Duration> {
        held.ends_at.map(|end| end.saturating_sub(self.timer.now()))
    }

    /// How long until [`Leased::renew`] has something to do; nothing if it never has.
    pub(crate) fn next_renewal(&self) -> Option<Duration> {
        let renew_at = self.held().ok()?.renew_at?;
        Some(renew_at.saturating_sub(self.timer.now()))
    }

    /// Renews it or, where that is not possible or gives little time, replaces it.
    pub(crate) async fn renew(self: &Arc<Self>) {
        let Ok(held) = self.held() else { return };
        if let Err(error) = self.renewed(&held).await {
            tracing::warn!(%error, "{} could not be renewed", G::NAME);
            self.try_again_later(&held);
        }
    }

    async fn renewed(self: &Arc<Self>, held: &Held<G::Item>) -> Result<(), KeyError> {
        if held.renewable && self.grantor.renews(&held.item) {
            match self.grantor.renew(&held.item).await {
                Ok(lease) => {
                    // The server says 0 of what is about to end, and not of what never ends.
                    let time = lease.time_to_live.unwrap_or_default();
                    let much = held.granted.unwrap_or_default() / 3;
                    if (time >= much && time > SHORTEST_WAIT) || !self.grantor.grants_again() {
                        self.prolong(held, Lease { time_to_live: Some(time), ..lease });
                        return Ok(());
                    }
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => tracing::info!(%error, "{} is replaced instead of renewed", G::NAME),
            }
        }
        if !self.grantor.grants_again() {
            let context = format!("{} cannot be renewed", G::NAME);
            return Err(KeyError::new(KeyErrorKind::Denied, context));
        }
        self.replace(held.generation).await.map(drop)
    }

    fn prolong(&self, held: &Held<G::Item>, lease: Lease) {
        let (ends_at, renew_at) = self.times(&lease);
        self.update(Held { renewable: lease.renewable, ends_at, renew_at, ..held.clone() });
    }

    /// A third of what is left, within bounds; never again once it has ended for good.
    fn try_again_later(&self, held: &Held<G::Item>) {
        let now = self.timer.now();
        let left = held.ends_at.unwrap_or(now).saturating_sub(now);
        let for_good = left.is_zero() && !self.grantor.grants_again();
        let wait = (left / 3).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let renew_at = (!for_good).then(|| now + wait);
        self.update(Held { renew_at, ..held.clone() });
    }

    /// Unless it was replaced in the meantime.
    fn update(&self, new: Held<G::Item>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.generation == new.generation) {
            *held = Some(new);
        }
        drop(held);
        self.changed.notify_one();
    }

    /// Forgets what is held, and gives it out for the last time. What is being granted is waited
    /// for, so that nothing is granted afterwards.
    pub(crate) async fn close(&self) -> Option<Held<G::Item>> {
        let _none_under_way = self.granting.lock().await;
        let held = self.held.write().unwrap_or_else(PoisonError::into_inner).take();
        self.changed.notify_one();
        held
    }
}

fn closed() -> KeyError {
    KeyError::new(KeyErrorKind::Denied, "the client was closed")
}
