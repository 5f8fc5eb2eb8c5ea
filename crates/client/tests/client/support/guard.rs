//! A replay guard that can be switched off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    Clock, DeliveryIdentity, MemoryReplayGuard, Nonce, ReplayError, ReplayGuard, Reservation,
};

pub(crate) struct SwitchedGuard {
    guard: MemoryReplayGuard,
    down: AtomicBool,
    silent: AtomicBool,
    answers_lost: AtomicBool,
    commits_to_fail: AtomicUsize,
}

impl SwitchedGuard {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            guard: MemoryReplayGuard::new().with_clock(clock),
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            answers_lost: AtomicBool::new(false),
            commits_to_fail: AtomicUsize::new(0),
        })
    }

    /// Whether every call fails from now on.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Whether no call that begins from now on returns.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Whether it reserves what it is asked for, from now on, and never says so.
    pub(crate) fn lose_answers(&self, lose: bool) {
        self.answers_lost.store(lose, Ordering::SeqCst);
    }

    /// The next so many commits fail.
    pub(crate) fn fail_commits(&self, count: usize) {
        self.commits_to_fail.store(count, Ordering::SeqCst);
    }

    async fn pass(&self) -> Result<(), ReplayError> {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        match self.down.load(Ordering::SeqCst) {
            true => Err(ReplayError::new("switched off by the test")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl ReplayGuard for SwitchedGuard {
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        self.pass().await?;
        let answer = self.guard.reserve(nonce, identity, lease, retention).await;
        if self.answers_lost.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        self.pass().await?;
        self.guard.extend(nonce, identity, lease).await
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        self.pass().await?;
        let fail_one = |left: usize| left.checked_sub(1);
        if self.commits_to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail_one).is_ok() {
            return Err(ReplayError::new("one of the commits that the test lets fail"));
        }
        self.guard.commit(nonce, identity).await
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        self.pass().await?;
        self.guard.release(nonce, identity).await
    }

    async fn health(&self) -> Result<(), ReplayError> {
        self.pass().await
    }
}
