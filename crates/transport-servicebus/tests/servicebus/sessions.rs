//! Sessions: exclusive, in order, renewed, lost, let go, and their states.

use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Message, Receiver, ReceiverOptions, SessionSelector, Transport, TransportErrorKind as Kind,
};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{LAG, PATIENCE, QUIET, Queue, body, kind, many, nothing, one, settle_kind};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(1);

async fn send_to(queue: &Queue, session: &str, bodies: &[&str]) {
    let messages =
        bodies.iter().map(|body| Message::new(body.to_string()).with_session_id(session));
    queue.send_all(messages.collect()).await;
}

async fn accept(
    queue: &Queue,
    session: SessionSelector,
    wait: Duration,
) -> Result<Option<Box<dyn Receiver>>, Kind> {
    let options = ReceiverOptions::default();
    let accepted = queue.transport.accept_session(&queue.name, session, wait, options).await;
    accepted.map_err(|error| error.kind().clone())
}

fn named(id: &str) -> SessionSelector {
    SessionSelector::Named(id.to_owned())
}

#[tokio::test]
async fn a_session_is_held_by_one() {
    let queue = Queue::of_sessions("exclusive", LONG).await;
    let holder = queue.session("one").await;
    let session = holder.session().unwrap();
    assert_eq!((session.id(), session.lock_duration()), ("one", LONG));
    let started = Instant::now();
    assert_eq!(accept(&queue, named("one"), QUIET).await.err(), Some(Kind::SessionLocked));
    assert!(started.elapsed() >= QUIET && started.elapsed() < QUIET + LAG);
    queue.session("two").await.close().await.unwrap();
    let waiting = accept(&queue, named("one"), PATIENCE);
    let letting_go = async {
        sleep(QUIET).await;
        holder.close().await.unwrap();
    };
    let (next, ()) = tokio::join!(waiting, letting_go);
    assert!(next.unwrap().is_some(), "it is accepted as soon as it is free");
}

#[tokio::test]
async fn the_next_session_has_messages_and_is_free() {
    let queue = Queue::of_sessions("next", LONG).await;
    let started = Instant::now();
    let none = accept(&queue, SessionSelector::Next, Duration::from_millis(600)).await.unwrap();
    assert!(none.is_none());
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(550) && took < LAG, "{took:?}");
    assert!(accept(&queue, SessionSelector::Next, Duration::ZERO).await.unwrap().is_none());

    send_to(&queue, "held", &["h"]).await;
    send_to(&queue, "free", &["f"]).await;
    let _holder = queue.session("held").await;
    let next = accept(&queue, SessionSelector::Next, PATIENCE).await.unwrap().unwrap();
    assert_eq!(next.session().unwrap().id(), "free");
    assert_eq!(body(&one(&*next).await), "f");
}

#[tokio::test]
async fn a_session_hands_out_its_own_messages_in_order() {
    let queue = Queue::of_sessions("order", LONG).await;
    for number in 0..10 {
        send_to(&queue, "mine", &[&format!("m{number}")]).await;
        send_to(&queue, "other", &["x"]).await;
    }
    let receiver = queue.session("mine").await;
    for number in 0..10 {
        let delivery = one(&*receiver).await;
        assert_eq!(body(&delivery), format!("m{number}"));
        assert_eq!(delivery.receipt.metadata().lock_duration, Some(LONG));
        delivery.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_renewed_session_stays_held() {
    let queue = Queue::of_sessions("renew", SHORT).await;
    send_to(&queue, "one", &["m"]).await;
    let holder = queue.session("one").await;
    let held = one(&*holder).await;
    for _ in 0..2 {
        sleep(SHORT / 2).await;
        holder.session().unwrap().renew().await.unwrap();
        sleep(SHORT / 2).await;
        held.receipt.extend(SHORT).await.unwrap(); // a delivery is locked with its session
    }
    assert_eq!(accept(&queue, named("one"), SHORT / 4).await.err(), Some(Kind::SessionLocked));
    held.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_lost_session_says_so_and_harms_nobody() {
    let queue = Queue::of_sessions("lost", SHORT).await;
    send_to(&queue, "one", &["m"]).await;
    let holder = queue.session("one").await;
    let held = one(&*holder).await;
    sleep(SHORT + QUIET).await;
    let next = queue.session("one").await;
    let again = one(&*next).await;
    assert_eq!(again.message.id, held.message.id);
    let session = holder.session().unwrap();
    assert_eq!(kind(session.renew().await), Some(Kind::LockLost));
    assert_eq!(kind(session.state().await), Some(Kind::LockLost));
    assert_eq!(kind(session.set_state(Some("s".into())).await), Some(Kind::LockLost));
    assert_eq!(kind(holder.recv(1, QUIET).await), Some(Kind::LockLost));
    assert_eq!(settle_kind(held.receipt.complete().await), Some(Kind::LockLost));
    again.receipt.complete().await.unwrap();
    holder.close().await.unwrap();
}

#[tokio::test]
async fn the_state_of_a_session_is_kept() {
    let queue = Queue::of_sessions("state", LONG).await;
    let state: Vec<u8> = (0..=255).collect();
    let first = queue.session("one").await;
    let session = first.session().unwrap();
    assert_eq!(session.state().await.unwrap(), None);
    session.set_state(Some(state.clone().into())).await.unwrap();
    first.close().await.unwrap();
    assert_eq!(kind(session.state().await), Some(Kind::LockLost), "it was let go");
    let second = queue.session("one").await;
    let session = second.session().unwrap();
    assert_eq!(session.state().await.unwrap(), Some(state.into()));
    session.set_state(None).await.unwrap();
    assert_eq!(session.state().await.unwrap(), None);
    let limit = queue.transport.capabilities().limits.max_message_bytes;
    let too_large = kind(session.set_state(Some(vec![0; limit + 1].into())).await);
    assert!(matches!(too_large, Some(Kind::TooLarge { .. })), "{too_large:?}");
}

#[tokio::test]
async fn a_closed_session_is_held_until_its_deliveries_are_settled() {
    let queue = Queue::of_sessions("closing", LONG).await;
    send_to(&queue, "one", &["a", "b", "c"]).await;
    let holder = queue.session("one").await;
    let mut held = many(&*holder, 2).await;
    holder.close().await.unwrap();
    assert_eq!(kind(holder.recv(1, QUIET).await), Some(Kind::Closed));
    assert_eq!(accept(&queue, named("one"), QUIET).await.err(), Some(Kind::SessionLocked));
    held.remove(0).receipt.complete().await.unwrap();
    drop(held); // not settled: it comes again
    let next = queue.session("one").await;
    let rest = many(&*next, 2).await;
    assert!(rest.iter().map(body).eq(["b", "c"]));
}

#[tokio::test]
async fn a_session_is_let_go_when_its_receiver_is_dropped() {
    let queue = Queue::of_sessions("dropped", LONG).await;
    drop(queue.session("one").await);
    queue.session("one").await;
}

#[tokio::test]
async fn a_cancelled_accept_holds_no_session() {
    let queue = Queue::of_sessions("cancelled", LONG).await;
    for _ in 0..5 {
        let accepting = accept(&queue, SessionSelector::Next, PATIENCE);
        assert!(tokio::time::timeout(Duration::from_millis(50), accepting).await.is_err());
    }
    send_to(&queue, "one", &["m"]).await;
    sleep(QUIET).await;
    let next = accept(&queue, SessionSelector::Next, PATIENCE).await.unwrap().unwrap();
    assert_eq!(next.session().unwrap().id(), "one");
}

#[tokio::test]
async fn a_queue_of_sessions_wants_sessions_and_others_do_not() {
    let queue = Queue::of_sessions("wants", LONG).await;
    let failure =
        queue.transport.send(&queue.name, vec![Message::new("m")]).await.remove(0).unwrap_err();
    assert_eq!(failure.error.kind(), &Kind::InvalidInput { field: "session_id" });
    let opened = queue.transport.open(&queue.source(), Default::default()).await;
    assert_eq!(kind(opened), Some(Kind::InvalidInput { field: "source" }));
    let plain = Queue::new("plain").await;
    let accepted = accept(&plain, SessionSelector::Next, PATIENCE).await.err();
    assert_eq!(accepted, Some(Kind::InvalidInput { field: "queue" }));
}

#[tokio::test]
async fn a_message_of_a_session_is_deferred_and_dead_lettered() {
    let queue = Queue::of_sessions("outcomes", LONG).await;
    send_to(&queue, "one", &["aside", "poison"]).await;
    let holder = queue.session("one").await;
    let mut held = many(&*holder, 2).await;
    let number = held[0].receipt.metadata().sequence_number.unwrap();
    held.remove(0).receipt.defer().await.unwrap();
    held.remove(0).receipt.dead_letter("Broken", "").await.unwrap();
    let deferred = holder.recv_deferred(number).await.unwrap().expect("it comes");
    deferred.receipt.complete().await.unwrap();
    let dead_letters = queue.transport.open(&queue.dead_letters(), Default::default()).await;
    let dead = one(&*dead_letters.unwrap()).await;
    assert_eq!(dead.message.session_id.as_deref(), Some("one"));
    holder.close().await.unwrap();
    assert_eq!(queue.transport.redrive(&queue.name, 1).await.unwrap_or(0), 0, "it is locked");
}

#[tokio::test]
async fn a_session_whose_link_is_lost_is_lost() {
    let queue = Queue::of_sessions("link-lost", LONG).await;
    send_to(&queue, "one", &["m"]).await;
    let holder = queue.session("one").await;
    let held = one(&*holder).await;
    queue.fault("detach-links", json!({})).await;
    sleep(QUIET).await;
    assert_eq!(kind(holder.recv(1, QUIET).await), Some(Kind::LockLost));
    assert_eq!(kind(holder.session().unwrap().renew().await), Some(Kind::LockLost));
    let next = queue.session("one").await;
    assert_eq!(body(&one(&*next).await), "m");
    assert_eq!(settle_kind(held.receipt.complete().await), Some(Kind::LockLost));
}
