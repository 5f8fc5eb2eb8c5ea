//! Sending is retried in one place: the same frame, with jittered pauses, as often as the policy says.

use std::collections::BTreeSet;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, RetryPolicy};
use sealmq_queue_core::{Message, TransportErrorKind};
use sealmq_transport_memory::QueueSettings;

use crate::replay::tracking;
use crate::support::attack::rich_message;
use crate::support::{
    Call, Fault, FaultyTransport, MINUTE, SECOND, World, next_opened, next_rejected, nothing_comes,
    sealing,
};

fn prepared(world: &World, retry: RetryPolicy) -> (QueueClient, FaultyTransport) {
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).with_retry(retry).build().unwrap();
    (client, transport)
}

#[tokio::test(start_paused = true)]
async fn a_send_is_repeated_with_the_same_frame_until_it_succeeds() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default());
    transport.fail(Call::Send, 3, Fault::unreachable());
    client.send(rich_message()).await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 4);
    assert!(sent.windows(2).all(|pair| pair[0] == pair[1]), "byte for byte the same");
    assert_eq!(next_opened(&client).await.message.message, rich_message());
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_are_as_many_as_the_policy_says_and_no_more() {
    for attempts in [1, 2, 7] {
        let world = World::new();
        let policy = RetryPolicy::default().with_max_attempts(attempts);
        let (client, transport) = prepared(&world, policy);
        transport.fail(Call::Send, usize::MAX, Fault::unreachable());
        let failed = client.send(rich_message()).await.unwrap_err();
        assert_eq!(transport.calls(Call::Send).len(), attempts as usize);
        assert!(failed.error.is_retryable());
        assert_eq!(
            failed.error.kind(),
            &ClientErrorKind::Transport(TransportErrorKind::Unavailable)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_send_gives_the_plaintext_message_back_without_our_attribute() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default());
    transport.fail(Call::Send, usize::MAX, Fault::unreachable());
    let failed = client.send(rich_message()).await.unwrap_err();
    assert_eq!(*failed.message, rich_message());
    assert!(transport.sent()[0][0].attributes.contains_key("sealmq-bound"), "the control");
    transport.recover(Call::Send);
    client.send(*failed.message).await.unwrap();
    assert_eq!(next_opened(&client).await.message.message, rich_message());
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_the_longest_and_are_drawn_at_random() {
    let mut first_pauses = BTreeSet::new();
    for _ in 0..20 {
        let world = World::new();
        let policy = RetryPolicy::default().with_max_attempts(7).with_delays(SECOND, 10 * SECOND);
        let (client, transport) = prepared(&world, policy);
        transport.fail(Call::Send, usize::MAX, Fault::unreachable());
        client.send(Message::new("body")).await.unwrap_err();
        let pauses = transport.pauses(Call::Send);
        for (pause, longest) in pauses.iter().zip([1, 2, 4, 8, 10, 10]) {
            let longest = SECOND * longest;
            let timer = Duration::from_millis(1); // what tokio's timer rounds up to
            assert!(*pause >= longest / 2 && *pause <= longest + timer, "{pause:?} of {longest:?}");
        }
        first_pauses.insert(pauses[0]);
    }
    assert!(first_pauses.len() > 10, "clients that failed together do not come back together");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_later_is_not_repeated() {
    for kind in [
        TransportErrorKind::NotFound,
        TransportErrorKind::Denied,
        TransportErrorKind::TooLarge { size_bytes: 2, limit_bytes: 1 },
        TransportErrorKind::InvalidInput { field: "id" },
        TransportErrorKind::Unsupported { feature: "it" },
        TransportErrorKind::Closed,
    ] {
        let world = World::new();
        let (client, transport) = prepared(&world, RetryPolicy::default());
        transport.fail(Call::Send, 1, Fault::Refused(kind.clone()));
        let failed = client.send(rich_message()).await.unwrap_err();
        assert!(!failed.error.is_retryable());
        assert_eq!(transport.calls(Call::Send).len(), 1, "{kind:?}");
        assert_eq!(*failed.message, rich_message());
    }
}

/// A broker that says how long it wants to be left alone is left alone that long.
#[tokio::test(start_paused = true)]
async fn a_throttled_send_waits_as_long_as_the_broker_asks() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default());
    let throttled = TransportErrorKind::Throttled { retry_after: Some(7 * SECOND) };
    transport.fail(Call::Send, 2, Fault::Refused(throttled));
    client.send(rich_message()).await.unwrap();
    for pause in transport.pauses(Call::Send) {
        assert!(pause >= 7 * SECOND && pause < 10 * SECOND, "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_send_without_a_hint_backs_off() {
    let world = World::with_queue(QueueSettings::default().with_max_messages(1));
    let retry = RetryPolicy::default().with_max_attempts(10).with_delays(SECOND, MINUTE);
    let (client, transport) = prepared(&world, retry);
    client.send(Message::new("fills the queue")).await.unwrap();
    let sending = {
        let client = client.clone();
        tokio::spawn(async move { client.send(rich_message()).await.map_err(|f| f.error) })
    };
    tokio::time::sleep(5 * SECOND).await;
    next_opened(&client).await.complete().await.unwrap();
    sending.await.unwrap().unwrap();
    assert!(transport.calls(Call::Send).len() > 3);
    assert_eq!(next_opened(&client).await.message.message, rich_message());
}

/// The broker took the message and its answer was lost: the retry makes a copy, which whoever can
/// tell copies apart drops.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_a_copy_that_brokers_and_guards_recognise() {
    async fn sent_twice(world: &World) -> QueueClient {
        let transport = FaultyTransport::new(&world.broker);
        let client = world.over(transport.clone(), tracking()).build().unwrap();
        transport.fail(Call::Send, 1, Fault::AnswerLost(TransportErrorKind::Unavailable));
        client.send(rich_message()).await.unwrap();
        next_opened(&client).await.complete().await.unwrap();
        client
    }
    let deduplicating =
        World::with_queue(QueueSettings::default().with_deduplication_window(MINUTE));
    nothing_comes(&sent_twice(&deduplicating).await).await;

    let world = World::new();
    let client = sent_twice(&world).await;
    assert_eq!(next_rejected(&client).await.error.code(), "replayed");
}

#[tokio::test(start_paused = true)]
async fn plaintexts_are_repeated_alike() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.keyless_over(transport.clone(), Default::default()).build().unwrap();
    transport.fail(Call::Send, 2, Fault::unreachable());
    client.send(rich_message()).await.unwrap();
    assert_eq!(transport.sent(), vec![vec![rich_message()]; 3]);
    transport.fail(Call::Send, usize::MAX, Fault::unreachable());
    assert_eq!(*client.send(rich_message()).await.unwrap_err().message, rich_message());
}
