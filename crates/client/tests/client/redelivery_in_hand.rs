//! A copy that its broker delivers again while an earlier delivery of it is still worked on: one
//! handler at a time, and none once the work is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{HandlerError, Processor, QueueClient};
use sealmq_crypto_core::CryptoConfig;
use sealmq_queue_core::TransportErrorKind;
use sealmq_transport_memory::StoredStatus;

use crate::key_outage_processing::limited;
use crate::processor_concurrency::{options, send_numbers};
use crate::replay::tracking;
use crate::support::{
    Call, Fault, FaultyTransport, LOCK, MINUTE, Metrics, SECOND, World, next_opened, sealing,
};

/// How long a handler works. Its lock cannot be renewed after half a lock, and the message comes
/// again after one.
const WORK: Duration = Duration::from_secs(3 * LOCK.as_secs());

/// A queue with one message, whose first lock is lost.
struct LostLock {
    world: World,
    client: QueueClient,
    begun: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl LostLock {
    async fn of_a_client_with(config: CryptoConfig) -> Arc<Self> {
        let world = World::with_queue(limited(3));
        let transport = FaultyTransport::new(&world.broker);
        let client = world.over(transport.clone(), config).build().unwrap();
        send_numbers(&client, 1).await;
        transport.fail(Call::Extend, 1, Fault::Refused(TransportErrorKind::LockLost));
        let [begun, running, most] = [const { AtomicUsize::new(0) }; 3];
        Arc::new(Self { world, client, begun, running, most })
    }

    /// Two handlers side by side. The first `failures` times they fail.
    fn process(self: &Arc<Self>, failures: usize) -> Processor {
        let this = Arc::clone(self);
        self.client.process(options(2), move |_| {
            let this = Arc::clone(&this);
            async move {
                let nth = this.begun.fetch_add(1, Ordering::SeqCst);
                let running = this.running.fetch_add(1, Ordering::SeqCst) + 1;
                this.most.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(WORK).await;
                this.running.fetch_sub(1, Ordering::SeqCst);
                if nth < failures { Err(HandlerError::retry()) } else { Ok(()) }
            }
        })
    }

    /// How often a handler began, and how many of them worked at once.
    fn handled(&self) -> (usize, usize) {
        (self.begun.load(Ordering::SeqCst), self.most.load(Ordering::SeqCst))
    }

    fn assert_nothing_is_left(&self) {
        assert!(self.world.stored().is_empty() && self.world.dead().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_settled_and_not_handled_again_when_the_work_is_done() {
    let lost = LostLock::of_a_client_with(tracking()).await;
    let processor = lost.process(0);
    tokio::time::sleep(WORK - SECOND).await;
    assert_eq!(lost.handled(), (1, 1));
    assert_eq!(
        lost.world.stored()[0].metadata.delivery_count,
        2,
        "the broker has delivered it again"
    );
    tokio::time::sleep(MINUTE).await;
    assert_eq!(lost.handled(), (1, 1));
    lost.assert_nothing_is_left();
    processor.stop(MINUTE).await;
}

/// The control: nothing is known of what was done.
#[tokio::test(start_paused = true)]
async fn without_tracking_two_handlers_work_on_it_at_once() {
    let lost = LostLock::of_a_client_with(sealing()).await;
    let processor = lost.process(0);
    tokio::time::sleep(3 * WORK).await;
    assert_eq!(lost.handled(), (2, 2));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_handled_after_work_that_failed() {
    let lost = LostLock::of_a_client_with(tracking()).await;
    let processor = lost.process(1);
    tokio::time::sleep(3 * WORK).await;
    assert_eq!(lost.handled(), (2, 1), "one after the other");
    lost.assert_nothing_is_left();
    processor.stop(MINUTE).await;
}

/// Nothing is wrong with keys or with the message.
#[tokio::test(start_paused = true)]
async fn that_it_waits_is_no_error() {
    let ((), metrics) = Metrics::of(async {
        let lost = LostLock::of_a_client_with(tracking()).await;
        let processor = lost.process(0);
        tokio::time::sleep(2 * WORK).await;
        lost.assert_nothing_is_left();
        processor.stop(MINUTE).await;
    })
    .await;
    assert!(metrics.all().iter().all(|metric| metric.name != "queue_crypto_errors_total"));
    assert!(metrics.all().iter().any(|metric| metric.name == "queue_lock_lost_total"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_it_back_while_the_work_goes_on() {
    let lost = LostLock::of_a_client_with(tracking()).await;
    let processor = lost.process(0);
    tokio::time::sleep(2 * LOCK).await;
    let stopping = tokio::spawn(processor.stop(10 * MINUTE));
    tokio::time::sleep(SECOND).await;
    assert_ne!(lost.world.stored()[0].status, StoredStatus::Locked, "it is another consumer's");
    assert_eq!(stopping.await.unwrap().cancelled, 0);
    assert_eq!(lost.handled(), (1, 1));
}

/// Whoever receives by hand has nothing that could keep it: what they do with it is for them.
#[tokio::test(start_paused = true)]
async fn a_receive_hands_it_out_again() {
    let lost = LostLock::of_a_client_with(tracking()).await;
    let first = next_opened(&lost.client).await;
    tokio::time::sleep(LOCK).await;
    let again = next_opened(&lost.client).await;
    assert_eq!(first.message.metadata.broker_id, again.message.metadata.broker_id);
    again.complete().await.unwrap();
    lost.assert_nothing_is_left();
}
