//! A key service or a replay store that does not answer at all: it is waited for, and by nobody
//! else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoError, CryptoProvider, EncryptedMessage, EncryptionContext,
    KeyErrorKind, KeyringPolicy, NamedKeys, OpenedMessage, ReplayGuard,
};
use sealmq_queue_core::Message;
use sealmq_transport_memory::{QueueKind, QueueSettings};

use crate::key_outage_processing::{OUTAGE, Outage, lasting, limited};
use crate::processor_concurrency::{Work, options, send_numbers};
use crate::replay::tracking;
use crate::sessions::accept;
use crate::support::{Events, LOCK, MINUTE, SECOND, SwitchedGuard, World};

/// Messages of as many senders, and a key service that takes every call and answers none.
async fn silence(settings: QueueSettings, messages: usize) -> Outage {
    let outage = Outage::begin(settings, 0).await;
    for n in 0..messages {
        outage.send(n..n + 1).await;
    }
    outage.switched.switch.fail(None);
    outage.switched.switch.hang();
    outage
}

#[tokio::test(start_paused = true)]
async fn messages_whose_key_is_not_answered_use_up_no_deliveries() {
    let short = Duration::from_secs(2);
    for settings in [limited(1), limited(1).with_lock_duration(short)] {
        let silence = silence(settings, 40).await;
        let processor = silence.start(options(4));
        tokio::time::sleep(OUTAGE).await;
        assert_eq!((silence.work.done(), silence.world.dead().len()), (0, 0));
        assert_eq!(silence.most_deliveries(), 1);
        silence.switched.switch.answer();
        tokio::time::sleep(MINUTE).await;
        silence.assert_all_are_done(40, processor).await;
    }
}

/// A key service that takes its time keeps the order of a queue with one handler.
#[tokio::test(start_paused = true)]
async fn an_answer_within_a_second_is_waited_for() {
    for (after, is_first) in [(SECOND / 2, true), (2 * SECOND, false)] {
        let silence = silence(limited(1), 1).await;
        let client = silence.world.with_keys(lasting());
        let client = client.with_key_management("main", silence.switched.clone()).build().unwrap();
        silence.world.sealing().send(Message::with_id("other", "of another key")).await.unwrap();
        let processor = silence.work.start(&client, options(1), SECOND);
        tokio::time::sleep(after).await;
        silence.switched.switch.answer();
        tokio::time::sleep(MINUTE).await;
        let done = silence.work.done.lock().unwrap().clone();
        assert_eq!((done.len(), done[0] == "m-0"), (2, is_first), "{after:?}: {done:?}");
        processor.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_none_is_kept_an_answer_is_waited_for_as_long_as_it_takes() {
    let silence = silence(limited(1), 5).await;
    let processor = silence.start(options(5).with_hold(0));
    tokio::time::sleep(10 * SECOND).await;
    silence.switched.switch.answer();
    tokio::time::sleep(MINUTE).await;
    silence.assert_all_are_done(5, processor).await;
}

/// The control: their locks run out while the service is waited for.
#[tokio::test(start_paused = true)]
async fn where_none_is_kept_their_locks_run_out() {
    let silence = silence(limited(1), 40).await;
    let processor = silence.start(options(4).with_hold(0));
    tokio::time::sleep(OUTAGE).await;
    silence.switched.switch.answer();
    tokio::time::sleep(MINUTE).await;
    assert!(!silence.world.dead().is_empty());
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_other_keys_pass_them() {
    let silence = silence(limited(1), 40).await;
    let client = silence.world.with_keys(lasting());
    let client = client.with_key_management("main", silence.switched.clone()).build().unwrap();
    let processor = silence.work.start(&client, options(4), SECOND);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(silence.work.done(), 0);
    send_numbers(&silence.world.sealing(), 300).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(silence.work.done(), 300);
    // In the same batch too, after a moment.
    silence.send(40..41).await;
    send_numbers(&silence.world.sealing(), 4).await;
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(silence.work.done(), 304);
    silence.switched.switch.answer();
    tokio::time::sleep(MINUTE).await;
    assert_eq!((silence.work.done(), silence.world.stored().len()), (345, 0));
    assert!(silence.world.dead().is_empty());
    processor.stop(MINUTE).await;
}

/// Of a batch some open at once: they are not lost to the one that takes long.
#[tokio::test(start_paused = true)]
async fn a_receive_renews_the_locks_of_its_batch_while_it_waits() {
    let silence = silence(limited(1), 2).await;
    let client = silence.world.with_keys(lasting());
    let client = client.with_key_management("main", silence.switched.clone()).build().unwrap();
    silence.world.sealing().send(Message::with_id("other", "of another key")).await.unwrap();
    let receiving = tokio::spawn(async move { client.receive(3, SECOND).await.unwrap() });
    tokio::time::sleep(3 * LOCK).await;
    assert!(silence.world.stored().len() == 3 && !receiving.is_finished());
    silence.switched.switch.answer();
    let received = receiving.await.unwrap();
    assert_eq!(received.len(), 3);
    for message in received {
        message.unwrap().complete().await.unwrap();
    }
    assert!(silence.world.stored().is_empty() && silence.world.dead().is_empty());
}

/// As above, of a session that several senders write to.
#[tokio::test(start_paused = true)]
async fn a_session_is_held_while_its_keys_are_waited_for() {
    let silence = silence(limited(1).with_kind(QueueKind::Sessions), 0).await;
    silence.switched.switch.answer();
    let sender = silence.world.keyless(lasting());
    let sender = sender.with_key_management("main", silence.switched.clone()).build().unwrap();
    sender.send(Message::new("body").with_session_id("a")).await.unwrap();
    silence.switched.switch.hang();
    let receiver = silence.world.keyless(lasting());
    let receiver = receiver.with_key_management("main", silence.switched.clone()).build().unwrap();
    let session = accept(&receiver, "a").await;
    let receiving = async {
        let received = session.receive(1, SECOND).await.unwrap().remove(0).unwrap();
        received.complete().await.unwrap();
    };
    let answering = async {
        tokio::time::sleep(3 * LOCK).await;
        silence.switched.switch.answer();
    };
    tokio::join!(receiving, answering);
    assert!(silence.world.stored().is_empty() && silence.world.dead().is_empty());
}

/// One call for a DEK, whoever waits for it: the batch, and then each of its messages.
#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_is_not_made_again() {
    let silence = silence(limited(1), 1).await;
    silence.send(1..20).await;
    let before = silence.switched.switch.calls();
    let processor = silence.start(options(20));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(silence.switched.switch.calls() - before, 2, "one for each of two DEKs");
    silence.switched.switch.answer();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(silence.switched.switch.calls() - before, 2);
    silence.assert_all_are_done(20, processor).await;
}

/// Waiting is no failure; what comes of it is said once for each message, however often it is
/// tried again.
#[tokio::test(start_paused = true)]
async fn a_message_that_waits_is_reported_once_it_could_not_be_opened() {
    let events = Events::record();
    let reports = || events.named("Message could not be opened for now").len();
    let silence = silence(limited(1), 3).await;
    let processor = silence.start(options(1));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(reports(), 0);
    silence.switched.switch.fail(KeyErrorKind::Unavailable);
    silence.switched.switch.answer();
    tokio::time::sleep(OUTAGE).await;
    assert_eq!(reports(), 3);
    silence.switched.switch.fail(None);
    tokio::time::sleep(MINUTE).await;
    silence.assert_all_are_done(3, processor).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_answer_and_gives_the_messages_back() {
    let silence = silence(limited(2), 5).await;
    let processor = silence.start(options(1));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(silence.switched.switch.waiting(), 5);
    let started = tokio::time::Instant::now();
    processor.stop(MINUTE).await;
    assert!(started.elapsed() < SECOND);
    assert_eq!((silence.world.stored().len(), silence.world.dead().len()), (5, 0));
    tokio::time::sleep(SECOND).await;
    assert_eq!(silence.switched.switch.waiting(), 0, "no call is left behind");
    silence.switched.switch.answer();
    let processor = silence.start(options(5));
    tokio::time::sleep(MINUTE).await;
    silence.assert_all_are_done(5, processor).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_store_that_does_not_answer_uses_up_no_deliveries() {
    let world = World::with_queue(limited(2));
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = world.with_keys(tracking().with_max_age(60 * MINUTE));
    let client = client.with_replay_guard(guard.clone() as Arc<dyn ReplayGuard>).build().unwrap();
    send_numbers(&world.sealing(), 40).await;
    guard.set_silent(true);
    let work = Arc::new(Work::default());
    let processor = work.start(&client, options(4), SECOND);
    // Those that ask meanwhile are never answered.
    tokio::time::sleep(3 * LOCK).await;
    assert_eq!((work.done(), world.dead().len()), (0, 0));
    let stopping = tokio::time::Instant::now();
    processor.stop(MINUTE).await;
    assert!(stopping.elapsed() <= 2 * SECOND, "nor does it hold up a stop");
    guard.set_silent(false);
    let processor = work.start(&client, options(40), SECOND);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((work.done(), world.stored().len(), world.dead().len()), (40, 0, 0));
    processor.stop(MINUTE).await;
}

/// A provider of which the service opens a batch in one call, slowly.
struct Remote {
    provider: AesGcmCryptoProvider,
    shares: bool,
    calls: AtomicUsize,
}

impl Remote {
    fn new(world: &World, shares: bool) -> Arc<Self> {
        let keys = Arc::new(world.keys.clone());
        let named = NamedKeys::new(keys, &KeyringPolicy::default()).unwrap();
        let provider = AesGcmCryptoProvider::builder().named_keys(named).clock(world.clock.clone());
        let (provider, calls) = (provider.build().unwrap(), AtomicUsize::new(0));
        Arc::new(Self { provider, shares, calls })
    }
}

#[async_trait]
impl CryptoProvider for Remote {
    async fn encrypt(
        &self,
        body: &[u8],
        context: &EncryptionContext,
    ) -> Result<EncryptedMessage, CryptoError> {
        self.provider.encrypt(body, context).await
    }

    async fn decrypt(
        &self,
        message: EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError> {
        self.provider.decrypt(message, context).await
    }

    async fn decrypt_batch(
        &self,
        messages: Vec<(EncryptedMessage, &EncryptionContext)>,
    ) -> Vec<Result<OpenedMessage, CryptoError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(10 * SECOND).await;
        self.provider.decrypt_batch(messages).await
    }

    fn max_overhead_bytes(&self) -> usize {
        self.provider.max_overhead_bytes()
    }

    fn batches_share_calls(&self) -> bool {
        self.shares
    }
}

/// Where a service opens the bodies, a batch that takes long is not opened message by message
/// beside it. The control: where each is opened by itself, it is.
#[tokio::test(start_paused = true)]
async fn a_batch_that_one_call_opens_is_waited_for() {
    let mut calls = Vec::new();
    for shares in [true, false] {
        let (world, work) = (World::with_queue(limited(1)), Arc::new(Work::default()));
        let remote = Remote::new(&world, shares);
        send_numbers(&world.sealing(), 20).await;
        let client = world.keyless(lasting()).with_crypto_provider(remote.clone());
        let processor = work.start(&client.build().unwrap(), options(20), SECOND);
        tokio::time::sleep(MINUTE).await;
        assert!(work.done() == 20 && world.stored().is_empty() && world.dead().is_empty());
        calls.push(remote.calls.load(Ordering::SeqCst));
        processor.stop(MINUTE).await;
    }
    let [batches, more] = calls[..] else { unreachable!() };
    assert!(batches <= 4, "{batches}");
    assert_eq!(more, batches + 20);
}
