//! A key service that is out while a processor runs: messages are kept, and use up no deliveries.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{Processor, ProcessorOptions, QueueClient};
use sealmq_crypto_core::{CryptoConfig, KeyErrorKind, ReplayGuard};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::{
    Feature, Message, ReceiveMode, ReceiverOptions, Transport, TransportErrorKind,
};
use sealmq_transport_memory::{MemoryTransport, QueueSettings, StoredMessage};

use crate::processor_concurrency::{Work, options};
use crate::replay::tracking;
use crate::support::{
    CANARY, Call, Events, Fault, FaultyTransport, LOCK, MINUTE, Metrics, QUEUE, SECOND,
    SwitchedGuard, SwitchedKms, World, sealing,
};

pub(crate) const OUTAGE: Duration = Duration::from_secs(10 * 60);

/// A queue that dead-letters after so many deliveries.
pub(crate) fn limited(deliveries: u32) -> QueueSettings {
    QueueSettings::default().with_max_deliveries(deliveries)
}

pub(crate) fn lasting() -> CryptoConfig {
    sealing().with_max_age(60 * MINUTE)
}

/// Sealed messages in a queue, and a service without any key in memory, whose source of keys is
/// out.
pub(crate) struct Outage {
    pub(crate) world: World,
    kms: MemoryKms,
    pub(crate) switched: Arc<SwitchedKms>,
    pub(crate) work: Arc<Work>,
}

impl Outage {
    pub(crate) async fn begin(settings: QueueSettings, messages: usize) -> Self {
        Self::begin_in(World::with_queue(settings), messages).await
    }

    async fn begin_in(world: World, messages: usize) -> Self {
        let kms = MemoryKms::new();
        let switched = SwitchedKms::new(&kms);
        switched.switch.fail(KeyErrorKind::Unavailable);
        let outage = Self { world, kms, switched, work: Arc::default() };
        outage.send(0..messages).await;
        outage
    }

    /// Sends from a sender of its own, and so with a DEK of its own.
    pub(crate) async fn send(&self, messages: Range<usize>) {
        let sender = self.world.keyless(lasting());
        let sender = sender.with_key_management("main", Arc::new(self.kms.clone()));
        let message = |n| Message::with_id(format!("m-{n}"), format!("{CANARY} {n}"));
        for sent in sender.build().unwrap().send_batch(messages.map(message).collect()).await {
            sent.unwrap();
        }
    }

    fn client(&self) -> QueueClient {
        self.client_over(self.world.broker.connect_again(), ReceiverOptions::default())
    }

    fn client_over(
        &self,
        transport: impl Transport + 'static,
        receiver: ReceiverOptions,
    ) -> QueueClient {
        let client = self.world.keyless_over(transport, lasting()).with_receiver_options(receiver);
        client.with_key_management("main", self.switched.clone()).build().unwrap()
    }

    pub(crate) fn start(&self, options: ProcessorOptions) -> Processor {
        self.work.start(&self.client(), options, SECOND)
    }

    fn end(&self) {
        self.switched.switch.fail(None);
    }

    /// How often the message was delivered that was delivered most often.
    pub(crate) fn most_deliveries(&self) -> u32 {
        let counts = self.world.stored().into_iter().map(|stored| stored.metadata.delivery_count);
        counts.max().unwrap_or(0)
    }

    pub(crate) async fn assert_all_are_done(&self, messages: usize, processor: Processor) {
        assert_eq!(self.work.done(), messages);
        let mut done = self.work.done.lock().unwrap().clone();
        done.sort();
        done.dedup();
        assert_eq!(done.len(), messages, "each of them once");
        assert!(self.world.stored().is_empty() && self.world.dead().is_empty());
        processor.stop(MINUTE).await;
    }
}

/// Even of a queue that dead-letters whatever comes back once.
#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_dead_letters_nothing() {
    let outage = Outage::begin(limited(1), 100).await;
    let processor = outage.start(options(4));
    tokio::time::sleep(OUTAGE).await;
    assert_eq!((outage.work.done(), outage.world.stored().len()), (0, 100));
    assert_eq!(outage.most_deliveries(), 1);
    let calls = outage.switched.switch.calls();
    assert!(calls < 100 * 40, "each message is tried ever more rarely: {calls} calls");
    outage.end();
    tokio::time::sleep(2 * MINUTE).await;
    outage.assert_all_are_done(100, processor).await;
}

/// The control: what goes back is delivered again, and after so many times it is dead.
#[tokio::test(start_paused = true)]
async fn messages_that_go_back_use_up_their_deliveries() {
    let no_lock_is_renewed = options(4).with_renew_locks(false);
    for gives_back in [options(4).with_hold(0), no_lock_is_renewed] {
        let outage = Outage::begin(limited(10), 100).await;
        let processor = outage.start(gives_back);
        tokio::time::sleep(OUTAGE).await;
        assert_eq!((outage.world.stored().len(), outage.world.dead().len()), (0, 100));
        processor.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_renews_no_locks_gets_its_messages_back() {
    let broker = MemoryTransport::builder().queue(QUEUE, limited(10)).without(Feature::ExtendLock);
    let world = World::with_broker(broker.build().unwrap());
    let outage = Outage::begin_in(world, 1).await;
    let processor = outage.start(options(1));
    tokio::time::sleep(SECOND).await;
    assert!(outage.most_deliveries() > 1);
    processor.stop(MINUTE).await;
}

/// More messages than are kept: the rest stays with the broker.
#[tokio::test(start_paused = true)]
async fn a_long_queue_survives_an_outage_of_ten_minutes_too() {
    let outage = Outage::begin(limited(1), 10_000).await;
    // No whole number of batches: the last one has to be smaller.
    let processor = outage.start(options(100).with_hold(250));
    tokio::time::sleep(OUTAGE).await;
    assert_eq!((outage.world.stored().len(), outage.world.dead().len()), (10_000, 0));
    let delivered = |stored: &StoredMessage| stored.metadata.delivery_count > 0;
    assert_eq!(outage.world.stored().iter().filter(|s| delivered(s)).count(), 250);
    outage.end();
    tokio::time::sleep(5 * MINUTE).await;
    outage.assert_all_are_done(10_000, processor).await;
}

/// Where abandoning cannot wait, the same message would come again at once.
#[tokio::test(start_paused = true)]
async fn and_so_it_does_where_messages_go_back_without_a_delay() {
    let broker =
        MemoryTransport::builder().queue(QUEUE, limited(1)).without(Feature::DelayedAbandon);
    let world = World::with_broker(broker.build().unwrap());
    let outage = Outage::begin_in(world, 500).await;
    let processor = outage.start(options(8));
    tokio::time::sleep(OUTAGE).await;
    assert_eq!((outage.world.stored().len(), outage.world.dead().len()), (500, 0));
    outage.end();
    tokio::time::sleep(5 * MINUTE).await;
    outage.assert_all_are_done(500, processor).await;
}

/// Both the message that is kept and the probe that the rest waits for.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_out_is_asked_ever_more_rarely() {
    let outage = Outage::begin(limited(1), 5).await;
    let processor = outage.start(options(1).with_hold(1));
    tokio::time::sleep(OUTAGE).await;
    let calls = outage.switched.switch.calls();
    assert!((40..100).contains(&calls), "some thirty times each: {calls}");
    outage.end();
    tokio::time::sleep(2 * MINUTE).await;
    outage.assert_all_are_done(5, processor).await;
}

/// One key is out and another is not: its messages pass, however many wait.
#[tokio::test(start_paused = true)]
async fn an_outage_of_one_key_does_not_block_messages_of_others() {
    let settings = QueueSettings::default().with_max_deliveries(None);
    let outage = Outage::begin(settings, 300).await;
    let client = outage.world.with_keys(lasting());
    let client = client.with_key_management("main", outage.switched.clone()).build().unwrap();
    let processor = outage.work.start(&client, options(4).with_hold(16), SECOND);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(outage.work.done(), 0);
    crate::processor_concurrency::send_numbers(&outage.world.sealing(), 300).await;
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(outage.work.done(), 300);
    assert_eq!((outage.world.stored().len(), outage.world.dead().len()), (300, 0));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn kept_messages_stay_locked_for_others() {
    let outage = Outage::begin(limited(1), 5).await;
    let processor = outage.start(options(1));
    tokio::time::sleep(SECOND).await;
    let other = outage.world.keyless(lasting());
    let other = other.with_key_management("main", Arc::new(outage.kms.clone())).build().unwrap();
    for _ in 0..10 {
        assert!(other.receive(10, LOCK).await.unwrap().is_empty());
    }
    outage.end();
    tokio::time::sleep(2 * MINUTE).await;
    outage.assert_all_are_done(5, processor).await;
}

/// A lock that is lost means that somebody else may have the message: it is not begun.
#[tokio::test(start_paused = true)]
async fn a_message_whose_lock_is_lost_is_let_go() {
    let outage = Outage::begin(limited(3), 1).await;
    let transport = FaultyTransport::new(&outage.world.broker);
    transport.fail(Call::Extend, 1, Fault::Refused(TransportErrorKind::LockLost));
    let client = outage.client_over(transport.clone(), ReceiverOptions::default());
    let processor = outage.work.start(&client, options(1), SECOND);
    tokio::time::sleep(LOCK + SECOND).await;
    assert_eq!(transport.calls(Call::Abandon).len(), 0, "nothing is settled without a lock");
    assert_eq!(outage.most_deliveries(), 2, "it came again, and is kept again");
    outage.end();
    tokio::time::sleep(MINUTE).await;
    outage.assert_all_are_done(1, processor).await;
}

/// What opens at once still goes to as many handlers as allowed, and no more.
#[tokio::test(start_paused = true)]
async fn kept_messages_are_handled_as_handlers_become_free() {
    let outage = Outage::begin(limited(1), 50).await;
    let processor = outage.start(options(3));
    tokio::time::sleep(MINUTE).await;
    processor.pause();
    outage.end();
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(outage.work.done(), 0, "a pause begins no handler, and loses no message");
    processor.resume();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(outage.work.take_most(), 3);
    outage.assert_all_are_done(50, processor).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_kept_messages_back_at_once() {
    let outage = Outage::begin(limited(2), 5).await;
    for paused in [false, true] {
        let processor = outage.start(options(1));
        tokio::time::sleep(MINUTE).await;
        if paused {
            // Some have been opened by now, and wait for a handler.
            processor.pause();
            outage.end();
            tokio::time::sleep(2 * MINUTE).await;
        }
        let started = tokio::time::Instant::now();
        assert_eq!(processor.stop(OUTAGE).await.cancelled, 0);
        assert!(started.elapsed() < SECOND);
        if paused {
            // They were delivered twice now and given back twice.
            assert_eq!((outage.work.done(), outage.world.dead().len()), (0, 5));
        } else {
            assert_eq!((outage.world.stored().len(), outage.world.dead().len()), (5, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_kept_messages_back() {
    let outage = Outage::begin(limited(2), 5).await;
    let client = outage.client();
    let _processor = outage.work.start(&client, options(1), SECOND);
    tokio::time::sleep(MINUTE).await;
    outage.end();
    let report = client.shutdown(SECOND).await.unwrap();
    assert_eq!((report.cancelled, report.unsettled), (0, 0));
    tokio::time::sleep(MINUTE).await;
    let processor = outage.start(options(5));
    tokio::time::sleep(MINUTE).await;
    outage.assert_all_are_done(5, processor).await;
}

/// It is the key that decides: what is found to be wrong then is dead-lettered with its reason.
#[tokio::test(start_paused = true)]
async fn a_kept_message_that_can_never_be_opened_is_dead_lettered() {
    let outage = Outage::begin(limited(1), 1).await;
    outage.world.tamper(|message| message.id = "changed".into()).await;
    let processor = outage.start(options(1));
    tokio::time::sleep(MINUTE).await;
    assert!(outage.world.dead().is_empty());
    outage.end();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(outage.world.the_dead().1, "authentication_failed");
    assert_eq!(outage.work.done(), 0);
    processor.stop(MINUTE).await;
}

/// A service that says how long it wants to be left alone is left alone that long.
#[tokio::test(start_paused = true)]
async fn kept_messages_ask_as_rarely_as_the_service_wants() {
    let outage = Outage::begin(limited(1), 1).await;
    let asks_for = Some(17 * SECOND);
    outage.switched.switch.fail(KeyErrorKind::Throttled { retry_after: asks_for });
    let processor = outage.start(options(1));
    tokio::time::sleep(SECOND).await;
    let at_first = outage.switched.switch.calls();
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(outage.switched.switch.calls(), at_first);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(outage.switched.switch.calls(), at_first + 1);
    processor.stop(MINUTE).await;
}

/// The age is judged when a message opens: one that was delayed on purpose must not pass.
#[tokio::test(start_paused = true)]
async fn a_kept_message_that_grew_too_old_is_refused() {
    let outage = Outage::begin(limited(1), 1).await;
    let processor = outage.start(options(1));
    tokio::time::sleep(61 * MINUTE).await;
    outage.end();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(outage.world.the_dead().1, "message_expired");
    processor.stop(MINUTE).await;
}

/// A replay store that is out says nothing about a message either, and a replay is found later.
#[tokio::test(start_paused = true)]
async fn an_outage_of_the_replay_store_dead_letters_nothing() {
    let world = World::with_queue(limited(1));
    let guard = SwitchedGuard::new(world.clock.clone());
    guard.set_down(true);
    let config = tracking().with_max_age(60 * MINUTE);
    let client = world.with_keys(config).with_replay_guard(guard.clone() as Arc<dyn ReplayGuard>);
    let (client, work) = (client.build().unwrap(), Arc::new(Work::default()));
    world.sealing().send(Message::new("once")).await.unwrap();
    let copied = world.the_stored();
    world.inject(copied).await;
    let processor = work.start(&client, options(2), SECOND);
    tokio::time::sleep(OUTAGE).await;
    assert_eq!((work.done(), world.dead().len()), (0, 0));
    guard.set_down(false);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((work.done(), world.the_dead().1.as_str()), (1, "replayed"));
    processor.stop(MINUTE).await;
}

/// A message that left the broker when it was received exists nowhere but here.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_go_back_is_kept_too() {
    let events = Events::record();
    let outage = Outage::begin(limited(1), 3).await;
    let destructive = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let client = outage.client_over(outage.world.broker.connect_again(), destructive.clone());
    let processor = outage.work.start(&client, options(1), SECOND);
    tokio::time::sleep(OUTAGE).await;
    assert!(outage.world.stored().is_empty());
    outage.end();
    tokio::time::sleep(2 * MINUTE).await;
    outage.assert_all_are_done(3, processor).await;

    outage.switched.switch.fail(KeyErrorKind::Unavailable);
    let client = outage.client_over(outage.world.broker.connect_again(), destructive);
    let processor = outage.work.start(&client, options(1), SECOND);
    outage.send(0..1).await;
    tokio::time::sleep(MINUTE).await;
    processor.stop(MINUTE).await;
    events.the("Message lost: it could not be opened, and its broker has forgotten it");
}

#[tokio::test(start_paused = true)]
async fn kept_messages_are_seen_in_the_metrics() {
    let held = |metrics: &Metrics| metrics.gauge("queue_messages_held", &[("queue", QUEUE)]);
    for ends in [false, true] {
        let ((), metrics) = Metrics::of(async {
            let outage = Outage::begin(limited(1), 7).await;
            let processor = outage.start(options(1));
            tokio::time::sleep(MINUTE).await;
            if ends {
                outage.end();
                tokio::time::sleep(2 * MINUTE).await;
                outage.assert_all_are_done(7, processor).await;
            } else {
                std::mem::forget(processor);
            }
        })
        .await;
        assert_eq!(held(&metrics), Some(if ends { 0.0 } else { 7.0 }));
        let labels = [("queue", QUEUE), ("error_type", "key_unavailable")];
        assert!(metrics.counter("queue_crypto_errors_total", &labels) >= 7 * 5);
    }
}
