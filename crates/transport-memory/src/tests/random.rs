//! Long random runs against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use sealmq_queue_core::{ReceiveMode, SessionSelector};

use super::*;
use crate::{StoredMessage, StoredStatus};

/// Xorshift: the same run for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        let bound = u64::try_from(from.len()).unwrap();
        (bound > 0).then(|| from.swap_remove(usize::try_from(self.below(bound)).unwrap()))
    }
}

struct Run {
    transport: MemoryTransport,
    kind: QueueKind,
    random: Random,
    receivers: Vec<Box<dyn Receiver>>,
    deliveries: Vec<Delivery>,
    sent: usize,
    defers: bool,
}

impl Run {
    async fn new(kind: QueueKind, seed: u64) -> Self {
        let settings = QueueSettings::default()
            .with_kind(kind)
            .with_max_deliveries(4)
            .with_max_messages(300)
            .with_dead_letter_expired(seed.is_multiple_of(2));
        let transport = broker(settings);
        let mut receivers = Vec::new();
        if kind != QueueKind::Sessions {
            let deleting = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
            receivers.push(open(&transport).await);
            receivers.push(transport.open(&Source::queue("q"), deleting).await.unwrap());
        }
        let random = Random(seed * 2 + 1);
        Self {
            transport,
            kind,
            random,
            receivers,
            deliveries: Vec::new(),
            sent: 0,
            defers: !seed.is_multiple_of(3),
        }
    }

    async fn step(&mut self) {
        match self.random.below(12) {
            0..3 => self.send().await,
            3..6 => self.receive().await,
            6..10 => self.settle().await,
            10 => advance(&self.transport, Duration::from_millis(self.random.below(9000))),
            _ => self.other().await,
        }
    }

    async fn send(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..=self.random.below(20) {
            self.sent += 1;
            let mut message = message(&format!("m{}", self.sent));
            if self.kind != QueueKind::Standard {
                message = message.with_session_id(format!("g{}", self.random.below(6)));
            }
            if self.random.below(4) == 0 {
                message = message.with_time_to_live(secs(self.random.below(60)));
            }
            if self.random.below(4) == 0 {
                message = message.with_delay(secs(self.random.below(20)));
            }
            batch.push(message);
        }
        self.transport.send("q", batch).await;
    }

    async fn receive(&mut self) {
        if self.kind == QueueKind::Sessions && self.random.below(2) == 0 {
            let options = ReceiverOptions::default();
            let accept = self.transport.accept_session("q", SessionSelector::Next, NOW, options);
            self.receivers.extend(accept.await.unwrap());
        }
        let Some(receiver) = self.random.pick(&mut self.receivers) else { return };
        let max = usize::try_from(self.random.below(12)).unwrap();
        let Ok(deliveries) = receiver.recv(max, NOW).await else { return };
        assert!(deliveries.len() <= max);
        let settleable = |d: &Delivery| d.receipt.metadata().lock_duration.is_some();
        self.deliveries.extend(deliveries.into_iter().filter(settleable));
        let number = self.random.below(u64::try_from(self.sent).unwrap() + 1);
        self.deliveries.extend(receiver.recv_deferred(number).await.unwrap().filter(settleable));
        if self.kind == QueueKind::Sessions && self.random.below(4) == 0 {
            receiver.close().await.unwrap();
        } else {
            self.receivers.push(receiver);
        }
    }

    async fn settle(&mut self) {
        for _ in 0..self.random.below(8) {
            let Some(delivery) = self.random.pick(&mut self.deliveries) else { return };
            let receipt = delivery.receipt;
            // A lock that was lost is as good a case as any.
            let _ = match self.random.below(9) {
                0 => receipt.abandon(NOW).await.err(),
                1 => receipt.abandon(secs(self.random.below(9))).await.err(),
                2 => receipt.dead_letter("r", "d").await.err(),
                3 if self.defers => receipt.defer().await.err(),
                4 => {
                    let _ = receipt.extend(secs(1 + self.random.below(40))).await;
                    None
                }
                _ => receipt.complete().await.err(),
            };
        }
    }

    async fn other(&mut self) {
        let number = self.random.below(u64::try_from(self.sent).unwrap() + 1);
        self.transport.cancel_scheduled("q", number).await.unwrap();
        let _ = self.transport.redrive("q", 3).await;
    }

    async fn check(&self) {
        let stored = self.transport.tap("q").unwrap();
        let queue = Source::queue("q");
        let (main, dead): (Vec<_>, Vec<_>) = stored.iter().partition(|m| m.source == queue);
        let ready = |side: &[&StoredMessage]| {
            u64::try_from(side.iter().filter(|m| m.status == StoredStatus::Ready).count()).unwrap()
        };
        assert_eq!(self.transport.depth(&queue).await.unwrap(), ready(&main));
        let dead_letters = Source::dead_letter("q");
        assert_eq!(self.transport.depth(&dead_letters).await.unwrap(), ready(&dead));
        assert!(main.len() <= 300);
        let ids: BTreeSet<_> = stored.iter().map(|m| &m.message.id).collect();
        assert_eq!(ids.len(), stored.len(), "one copy of each message");
        if self.kind == QueueKind::OrderedGroups && !self.defers {
            let locked = main.iter().filter(|m| m.status == StoredStatus::Locked);
            let mut groups: Vec<_> = locked.map(|m| &m.message.session_id).collect();
            groups.sort_unstable();
            assert!(groups.is_sorted_by(|a, b| a < b), "one in flight per group: {groups:?}");
        }
    }

    /// Everything that is left can still be received, and then nothing is left.
    async fn drain(mut self) {
        self.receivers.clear();
        let dead = open_dead(&self.transport).await;
        for _ in 0..300 {
            advance(&self.transport, secs(120));
            for stored in self.transport.tap("q").unwrap() {
                if stored.status == StoredStatus::Deferred {
                    self.complete_deferred(&stored).await;
                }
            }
            let mut deliveries = recv(&*dead, usize::MAX).await;
            deliveries.extend(self.receive_all().await);
            for delivery in deliveries {
                delivery.receipt.complete().await.unwrap();
            }
        }
        let left: BTreeMap<_, _> = self
            .transport
            .tap("q")
            .unwrap()
            .into_iter()
            .map(|m| (m.message.id, m.status))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    async fn receive_all(&mut self) -> Vec<Delivery> {
        if self.kind != QueueKind::Sessions {
            return recv(&*open(&self.transport).await, usize::MAX).await;
        }
        let mut all = Vec::new();
        let accept = || {
            let options = ReceiverOptions::default();
            self.transport.accept_session("q", SessionSelector::Next, NOW, options)
        };
        while let Some(session) = accept().await.unwrap() {
            all.extend(recv(&*session, usize::MAX).await);
        }
        all
    }

    async fn complete_deferred(&self, stored: &StoredMessage) {
        let options = ReceiverOptions::default();
        let receiver = if self.kind == QueueKind::Sessions {
            let named = SessionSelector::Named(stored.message.session_id.clone().unwrap());
            let accepted = self.transport.accept_session("q", named, NOW, options).await.unwrap();
            accepted.unwrap()
        } else {
            open(&self.transport).await
        };
        let number = stored.metadata.sequence_number.unwrap();
        let delivery = receiver.recv_deferred(number).await.unwrap().unwrap();
        delivery.receipt.complete().await.unwrap();
        receiver.close().await.unwrap();
    }
}

async fn runs(kind: QueueKind) {
    for seed in 1..=6 {
        let mut run = Run::new(kind, seed).await;
        for step in 0..1200 {
            run.step().await;
            if step % 8 == 0 {
                run.check().await;
            }
        }
        run.drain().await;
    }
}

#[tokio::test]
async fn a_standard_queue_keeps_its_books() {
    runs(QueueKind::Standard).await;
}

#[tokio::test]
async fn an_ordered_queue_keeps_its_books() {
    runs(QueueKind::OrderedGroups).await;
}

#[tokio::test]
async fn a_session_queue_keeps_its_books() {
    runs(QueueKind::Sessions).await;
}
