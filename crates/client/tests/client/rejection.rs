//! Messages that are not handed out: each on its own, settled by the client or handed to the caller.

use sealmq_client::{ProcessorOptions, QueueClient, RejectionOutcome};
use sealmq_crypto_core::KeyErrorKind;
use sealmq_queue_core::{Feature, Message, SessionSelector};
use sealmq_transport_memory::{MemoryTransport, QueueKind, QueueSettings};

use crate::support::{
    Call, Events, Fault, FaultyTransport, LOCK, SECOND, SwitchedKeys, World, next_opened,
    next_rejected, nothing_comes, sealing, take_texts, text, with_body,
};

/// Ten sealed messages, of which those of these numbers were tampered with.
async fn ten_with_bad_ones(world: &World, client: &QueueClient, bad: &[usize]) {
    for n in 0..10 {
        client.send(Message::new(format!("{n}")).with_session_id("s")).await.unwrap();
    }
    let stored: Vec<_> = world.stored().into_iter().map(|stored| stored.message).collect();
    for _ in 0..10 {
        steal_any(world).await;
    }
    for (n, message) in stored.into_iter().enumerate() {
        let mut body = message.body.to_vec();
        if bad.contains(&n) {
            *body.last_mut().unwrap() ^= 1;
        }
        world.inject(with_body(message, body)).await;
    }
}

/// Takes one message away, from a queue with or without sessions.
async fn steal_any(world: &World) {
    use sealmq_queue_core::{ReceiverOptions, Source, Transport};
    let (broker, options) = (&world.broker, ReceiverOptions::default());
    let receiver = match broker.open(&Source::queue(crate::support::QUEUE), options.clone()).await {
        Ok(receiver) => receiver,
        Err(_) => {
            let next = SessionSelector::Next;
            let accepted = broker.accept_session(crate::support::QUEUE, next, SECOND, options);
            accepted.await.unwrap().unwrap()
        }
    };
    receiver.recv(1, SECOND).await.unwrap().remove(0).receipt.complete().await.unwrap();
    receiver.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bad_messages_do_not_fail_their_batch() {
    let world = World::new();
    let client = world.sealing();
    ten_with_bad_ones(&world, &client, &[0, 4, 9]).await;
    let received = client.receive(10, SECOND).await.unwrap();
    let seen: Vec<_> = received.iter().map(|r| r.as_ref().ok().map(text)).collect();
    let good = |n: usize| (![0, 4, 9].contains(&n)).then(|| n.to_string());
    assert_eq!(seen, (0..10).map(good).collect::<Vec<_>>(), "in order, each for itself");
    assert_eq!(world.dead().len(), 3);
}

/// Whoever can write to the queue chooses how many there are.
#[tokio::test(start_paused = true)]
async fn bad_messages_are_settled_side_by_side() {
    for processes in [false, true] {
        let world = World::new();
        let transport = FaultyTransport::new(&world.broker);
        transport.fail(Call::DeadLetter, 10, Fault::Slow(SECOND));
        let client = world.over(transport, sealing()).build().unwrap();
        ten_with_bad_ones(&world, &client, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
        let handled = async |_| Ok(());
        let options = ProcessorOptions::default().with_concurrency(10);
        let _processor = processes.then(|| client.process(options, handled));
        if !processes {
            let receiving = client.receive(10, SECOND);
            let received = tokio::time::timeout(2 * SECOND, receiving).await.unwrap().unwrap();
            assert!(received.iter().all(Result::is_err));
        }
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(world.dead().len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_does_not_block_its_session() {
    let world = World::with_queue(QueueSettings::default().with_kind(QueueKind::Sessions));
    let client = world.sealing();
    ten_with_bad_ones(&world, &client, &[0, 1, 5]).await;
    let session = client.accept_session(SessionSelector::Next, SECOND).await.unwrap().unwrap();
    let mut texts = Vec::new();
    loop {
        let received = session.receive(1, SECOND).await.unwrap();
        if received.is_empty() {
            break;
        }
        for message in received.into_iter().flatten() {
            texts.push(text(&message));
            message.complete().await.unwrap();
        }
    }
    assert_eq!(texts, ["2", "3", "4", "6", "7", "8", "9"]);
    assert_eq!(world.dead().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_does_not_block_its_ordered_group() {
    let world = World::with_queue(QueueSettings::default().with_kind(QueueKind::OrderedGroups));
    let client = world.sealing();
    ten_with_bad_ones(&world, &client, &[0]).await;
    next_rejected(&client).await;
    assert_eq!(take_texts(&client, 9).await[0], "1");
}

#[tokio::test(start_paused = true)]
async fn with_manual_rejection_the_receipt_is_handed_out() {
    let world = World::new();
    let client = world.with_keys(sealing()).with_manual_rejection().build().unwrap();
    ten_with_bad_ones(&world, &client, &[0]).await;
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.error.code(), "authentication_failed");
    assert_eq!(rejected.outcome, RejectionOutcome::Unsettled);
    assert!(world.dead().is_empty(), "the client leaves it to the caller");
    let receipt = rejected.receipt.unwrap();
    assert_eq!(receipt.metadata().broker_id, rejected.metadata.broker_id);
    receipt.dead_letter("my_reason", "in my words").await.unwrap();
    assert_eq!(world.the_dead().1, "my_reason");
}

#[tokio::test(start_paused = true)]
async fn with_manual_rejection_an_outage_is_the_callers_to_settle_as_well() {
    let world = World::new();
    world.sealing().send(Message::new("body")).await.unwrap();
    let keys = SwitchedKeys::new(&world.keys);
    let builder = world.keyless(sealing()).with_key_provider(keys.clone());
    let client = builder.with_manual_rejection().build().unwrap();
    keys.switch.fail(KeyErrorKind::Unavailable);
    let rejected = next_rejected(&client).await;
    assert!(rejected.error.is_retryable());
    rejected.receipt.unwrap().abandon(5 * SECOND).await.unwrap();
    nothing_comes(&client).await;
    keys.switch.fail(None);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(next_opened(&client).await.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_a_bad_message_stays_and_its_receipt_is_handed_out() {
    let events = Events::record();
    let builder = MemoryTransport::builder().without(Feature::DeadLetter);
    let queue = QueueSettings::default().with_max_deliveries(None);
    let broker = builder.without(Feature::Redrive).queue(crate::support::QUEUE, queue);
    let world = World::with_broker(broker.build().unwrap());
    let client = world.sealing();
    ten_with_bad_ones(&world, &client, &[0]).await;
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.outcome, RejectionOutcome::Unsettled);
    assert_eq!(world.stored().len(), 10);
    assert!(events.named("Rejected message not settled").is_empty(), "it was not even tried");
    rejected.receipt.unwrap().complete().await.unwrap();
    assert_eq!(take_texts(&client, 9).await.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn without_delayed_abandon_an_outage_gives_the_message_back_at_once() {
    let broker = MemoryTransport::builder().without(Feature::DelayedAbandon);
    let queue = QueueSettings::default().with_max_deliveries(None);
    let broker = broker.queue(crate::support::QUEUE, queue).build().unwrap();
    let world = World::with_broker(broker);
    world.sealing().send(Message::new("body")).await.unwrap();
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    keys.switch.fail(KeyErrorKind::Unavailable);
    let rejected = next_rejected(&client).await;
    let delay = std::time::Duration::ZERO;
    assert_eq!(rejected.outcome, RejectionOutcome::Abandoned { delay });
    keys.switch.fail(None);
    assert_eq!(next_opened(&client).await.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn while_the_dead_letter_queue_is_out_a_bad_message_stays_in_its_queue() {
    let events = Events::record();
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    ten_with_bad_ones(&world, &client, &[0]).await;
    transport.fail(Call::DeadLetter, 4, Fault::unreachable());
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.outcome, RejectionOutcome::Unsettled);
    assert!(rejected.receipt.is_some());
    events.the("Rejected message not settled");
    drop(rejected);
    take_texts(&client, 9).await;
    tokio::time::sleep(LOCK).await;
    assert_eq!(next_rejected(&client).await.outcome, RejectionOutcome::DeadLettered);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_shows_where_it_came_from() {
    let world = World::new();
    let client = world.sealing();
    ten_with_bad_ones(&world, &client, &[0]).await;
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.message.session_id.as_deref(), Some("s"));
    assert_eq!(rejected.metadata.delivery_count, 1);
    assert!(!rejected.metadata.broker_id.is_empty());
    let description = world.dead()[0].metadata.dead_letter.clone().unwrap().description;
    assert_eq!(description.unwrap(), "the message could not be authenticated");
}
