//! Sessions: one holder at a time, its messages in order, sealed like any other.

use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, SessionClient};
use sealmq_queue_core::{Feature, Message, SessionSelector, TransportErrorKind};
use sealmq_transport_memory::{MemoryTransport, QueueKind, QueueSettings};

use crate::replay::tracking;
use crate::support::{LOCK, QUEUE, SECOND, World, sealing, text};

pub(crate) fn world_of_sessions() -> World {
    let settings = QueueSettings::default().with_max_deliveries(None);
    World::with_queue(settings.with_kind(QueueKind::Sessions))
}

pub(crate) async fn accept(client: &QueueClient, id: &str) -> SessionClient {
    let named = SessionSelector::Named(id.into());
    client.accept_session(named, SECOND).await.unwrap().unwrap()
}

async fn send(client: &QueueClient, session: &str, bodies: &[&str]) {
    for body in bodies {
        let message = Message::new(body.to_string()).with_session_id(session);
        client.send(message).await.unwrap();
    }
}

async fn take_all(session: &SessionClient) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let received = session.receive(10, SECOND).await.unwrap();
        if received.is_empty() {
            return texts;
        }
        for message in received {
            let message = message.unwrap();
            assert!(message.message.is_encrypted());
            texts.push(text(&message));
            message.complete().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_gives_its_own_messages_in_order() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["a1", "a2"]).await;
    send(&client, "b", &["b1"]).await;
    send(&client, "a", &["a3"]).await;
    let a = accept(&client, "a").await;
    assert_eq!(a.id().unwrap(), "a");
    assert_eq!(take_all(&a).await, ["a1", "a2", "a3"]);
    assert_eq!(take_all(&accept(&client, "b").await).await, ["b1"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_held_by_one_receiver_at_a_time() {
    let world = world_of_sessions();
    let (one, other) = (world.sealing(), world.sealing());
    send(&one, "a", &["body"]).await;
    let held = accept(&one, "a").await;
    let named = SessionSelector::Named("a".into());
    let error = other.accept_session(named, SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &ClientErrorKind::Transport(TransportErrorKind::SessionLocked));
    assert!(other.accept_session(SessionSelector::Next, SECOND).await.unwrap().is_none());
    held.close().await.unwrap();
    assert_eq!(take_all(&accept(&other, "a").await).await, ["body"]);
}

#[tokio::test(start_paused = true)]
async fn different_sessions_are_held_side_by_side() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["in a"]).await;
    send(&client, "b", &["in b"]).await;
    let next = || client.accept_session(SessionSelector::Next, SECOND);
    let (first, second) = (next().await.unwrap().unwrap(), next().await.unwrap().unwrap());
    assert_ne!(first.id().unwrap(), second.id().unwrap());
    assert_eq!(take_all(&second).await.len() + take_all(&first).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_message_comes_again_before_the_ones_behind_it() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["first", "second"]).await;
    let session = accept(&client, "a").await;
    let first = session.receive(1, SECOND).await.unwrap().remove(0).unwrap();
    first.abandon(Duration::ZERO).await.unwrap();
    assert_eq!(take_all(&session).await, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_renewed_lasts() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["body"]).await;
    let session = accept(&client, "a").await;
    assert_eq!(session.lock_duration().unwrap(), LOCK);
    for _ in 0..5 {
        tokio::time::sleep(LOCK / 2).await;
        session.renew().await.unwrap();
    }
    assert_eq!(take_all(&session).await, ["body"]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_was_lost_says_so_and_the_next_holder_gets_everything() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["body"]).await;
    let session = accept(&client, "a").await;
    let held = session.receive(1, SECOND).await.unwrap().remove(0).unwrap();
    tokio::time::sleep(LOCK).await;
    let lost = ClientErrorKind::Transport(TransportErrorKind::LockLost);
    assert_eq!(session.renew().await.unwrap_err().kind(), &lost);
    assert_eq!(session.receive(1, SECOND).await.unwrap_err().kind(), &lost);
    assert_eq!(session.state().await.unwrap_err().kind(), &lost);
    assert_eq!(held.complete().await.unwrap_err().error.kind(), &lost);
    assert_eq!(take_all(&accept(&client, "a").await).await, ["body"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_moved_to_another_session_is_refused() {
    let world = world_of_sessions();
    let client = world.sealing();
    send(&client, "a", &["for a"]).await;
    let mut moved = world.the_stored();
    moved.session_id = Some("b".into());
    world.inject(moved).await;
    let session = accept(&client, "b").await;
    let rejected = session.receive(1, SECOND).await.unwrap().remove(0).unwrap_err();
    assert_eq!(rejected.error.code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn replays_are_refused_in_sessions_too() {
    let world = world_of_sessions();
    let client = world.with_keys(sealing().with_nonce_tracking(true)).build().unwrap();
    send(&client, "a", &["once"]).await;
    world.inject(world.the_stored()).await;
    let session = accept(&client, "a").await;
    let first = session.receive(1, SECOND).await.unwrap().remove(0).unwrap();
    first.complete().await.unwrap();
    let second = session.receive(1, SECOND).await.unwrap().remove(0).unwrap_err();
    assert_eq!(second.error.code(), "replayed");
}

/// The hold is renewed, and not the reservation of each message: it lapses while its handler works.
/// The control: where replays are not tracked, the copy is handed out.
#[tokio::test(start_paused = true)]
async fn a_copy_is_refused_for_as_long_as_its_message_is_worked_on() {
    for (config, outcome) in [(tracking(), Err("replayed")), (sealing(), Ok("pay 10 EUR"))] {
        let world = world_of_sessions();
        let client = world.with_keys(config).build().unwrap();
        send(&client, "a", &["pay 10 EUR"]).await;
        let copied = world.the_stored();
        let session = accept(&client, "a").await;
        let at_work = session.receive(1, SECOND).await.unwrap().remove(0).unwrap();
        for _ in 0..5 {
            tokio::time::sleep(LOCK / 2).await;
            session.renew().await.unwrap();
        }
        world.inject(copied).await;
        let copy = session.receive(1, SECOND).await.unwrap().remove(0);
        let seen = copy.as_ref().map(text).map_err(|rejected| rejected.error.code());
        assert_eq!(seen, outcome.map(str::to_owned));
        at_work.complete().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_sessions_says_so() {
    let broker = MemoryTransport::builder().without(Feature::Sessions);
    let broker = broker.without(Feature::SessionState).queue(QUEUE, QueueSettings::default());
    let world = World::with_broker(broker.build().unwrap());
    let client = world.sealing();
    let error = client.accept_session(SessionSelector::Next, SECOND).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        ClientErrorKind::Transport(TransportErrorKind::Unsupported { .. })
    ));
}
