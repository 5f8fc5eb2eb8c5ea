//! Sessions: one holder each, order kept, holds that are renewed, let go and lost.

use bytes::Bytes;
use sealmq_queue_core::{Session, SessionSelector, TransportError};

use super::*;
use crate::tests::wakeups::pending;

async fn accept(
    transport: &MemoryTransport,
    selector: SessionSelector,
) -> Result<Option<Box<dyn Receiver>>, TransportError> {
    transport.accept_session("q", selector, NOW, ReceiverOptions::default()).await
}

async fn next(transport: &MemoryTransport) -> Option<Box<dyn Receiver>> {
    accept(transport, SessionSelector::Next).await.unwrap()
}

async fn named(transport: &MemoryTransport, id: &str) -> Box<dyn Receiver> {
    accept(transport, SessionSelector::Named(id.into())).await.unwrap().unwrap()
}

fn held(receiver: &dyn Receiver) -> &dyn Session {
    receiver.session().unwrap()
}

async fn two_sessions() -> MemoryTransport {
    let transport = of_kind(QueueKind::Sessions);
    let messages = [("s", "s1"), ("t", "t1"), ("s", "s2")];
    send(&transport, messages.map(|(session, id)| grouped(session, id))).await;
    transport
}

#[tokio::test]
async fn each_session_has_one_holder_who_sees_its_messages_in_order() {
    let transport = two_sessions().await;
    let s = next(&transport).await.unwrap();
    let t = next(&transport).await.unwrap();
    assert!(next(&transport).await.is_none());
    assert_eq!((held(&*s).id(), held(&*t).id()), ("s", "t"));
    assert_eq!(recv_ids(&*s).await, ["s1", "s2"]);
    assert_eq!(recv_ids(&*t).await, ["t1"]);
    let busy = accept(&transport, SessionSelector::Named("s".into())).await.err().unwrap();
    assert_eq!(busy.kind(), &TransportErrorKind::SessionLocked);
}

#[tokio::test]
async fn a_lost_hold_takes_everything_with_it() {
    let transport = two_sessions().await;
    let stale = next(&transport).await.unwrap();
    let delivery = recv_one(&*stale).await;
    assert_eq!(delivery.receipt.metadata().lock_duration, Some(secs(30)));
    advance(&transport, secs(30));

    let lost = TransportErrorKind::LockLost;
    assert_eq!(delivery.receipt.complete().await.unwrap_err().error.kind(), &lost);
    assert_eq!(stale.recv(1, NOW).await.unwrap_err().kind(), &lost);
    assert_eq!(stale.recv_deferred(1).await.unwrap_err().kind(), &lost);
    assert_eq!(held(&*stale).renew().await.unwrap_err().kind(), &lost);
    assert_eq!(held(&*stale).set_state(None).await.unwrap_err().kind(), &lost);

    let current = named(&transport, "s").await;
    assert_eq!(held(&*stale).renew().await.unwrap_err().kind(), &lost);
    let again = recv(&*current, 10).await;
    assert_eq!(ids(&again), ["s1", "s2"], "what was in flight is first again");
    assert_eq!(again[0].receipt.metadata().delivery_count, 2);
}

#[tokio::test]
async fn renewing_the_session_or_extending_a_delivery_keeps_both() {
    let transport = two_sessions().await;
    let s = named(&transport, "s").await;
    let delivery = recv_one(&*s).await;
    advance(&transport, secs(29));
    held(&*s).renew().await.unwrap();
    advance(&transport, secs(29));
    delivery.receipt.extend(secs(60)).await.unwrap();
    delivery.receipt.extend(secs(1)).await.unwrap();
    advance(&transport, secs(59));
    delivery.receipt.complete().await.unwrap();
    advance(&transport, secs(1));
    held(&*s).renew().await.unwrap_err();
}

#[tokio::test]
async fn closing_lets_the_session_go_with_its_last_delivery() {
    let transport = two_sessions().await;
    let s = named(&transport, "s").await;
    let delivery = recv_one(&*s).await;
    s.close().await.unwrap();
    accept(&transport, SessionSelector::Named("s".into())).await.err().unwrap();
    delivery.receipt.complete().await.unwrap();
    assert_eq!(recv_ids(&*named(&transport, "s").await).await, ["s2"]);

    let t = named(&transport, "t").await;
    t.close().await.unwrap();
    assert_eq!(held(&*next(&transport).await.unwrap()).id(), "t");
}

#[tokio::test]
async fn a_retry_with_a_delay_keeps_the_session_in_order() {
    let transport = two_sessions().await;
    let s = named(&transport, "s").await;
    recv_one(&*s).await.receipt.abandon(secs(5)).await.unwrap();
    assert!(recv(&*s, 10).await.is_empty());
    s.close().await.unwrap();
    assert_eq!(held(&*next(&transport).await.unwrap()).id(), "t", "s has nothing to give yet");
    advance(&transport, secs(5));
    let s = next(&transport).await.unwrap();
    assert_eq!(recv_ids(&*s).await, ["s1", "s2"]);
}

#[tokio::test]
async fn too_many_lost_holds_dead_letter_what_was_in_flight() {
    let settings = QueueSettings::default().with_kind(QueueKind::Sessions).with_max_deliveries(1);
    let transport = broker(settings);
    send(&transport, ["1", "2", "3"].map(|id| grouped("s", id))).await;
    let s = next(&transport).await.unwrap();
    assert_eq!(recv(&*s, 2).await.len(), 2);
    advance(&transport, secs(30));
    let dead = open_dead(&transport).await;
    assert_eq!(recv_ids(&*dead).await, ["1", "2"]);
    assert_eq!(recv_ids(&*next(&transport).await.unwrap()).await, ["3"]);
}

#[tokio::test]
async fn the_state_outlives_the_hold() {
    let transport = of_kind(QueueKind::Sessions);
    let s = named(&transport, "s").await;
    assert_eq!(held(&*s).state().await.unwrap(), None);
    let blob = Bytes::from_static(b"\0state");
    held(&*s).set_state(Some(blob.clone())).await.unwrap();
    s.close().await.unwrap();
    assert_eq!(transport.tap_session_states("q").unwrap(), [("s".to_owned(), blob.clone())]);
    let s = named(&transport, "s").await;
    assert_eq!(held(&*s).state().await.unwrap(), Some(blob));
    held(&*s).set_state(None).await.unwrap();
    assert!(transport.tap_session_states("q").unwrap().is_empty());
}

#[tokio::test]
async fn deferred_messages_belong_to_their_session() {
    let transport = two_sessions().await;
    let (s, t) = (named(&transport, "s").await, named(&transport, "t").await);
    recv_one(&*s).await.receipt.defer().await.unwrap();
    assert!(t.recv_deferred(1).await.unwrap().is_none());
    let deferred = s.recv_deferred(1).await.unwrap().unwrap();
    advance(&transport, secs(30));
    deferred.receipt.complete().await.unwrap_err();
    let s = named(&transport, "s").await;
    assert_eq!(recv_ids(&*s).await, ["s2"]);
    let deferred = s.recv_deferred(1).await.unwrap().unwrap();
    deferred.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn those_who_wait_for_a_session_wake_when_it_is_free() {
    let transport = two_sessions().await;
    let s = named(&transport, "s").await;
    let options = ReceiverOptions::default();
    let selector = SessionSelector::Named("s".into());
    let mut by_close = transport.accept_session("q", selector.clone(), secs(9), options.clone());
    let mut in_vain = transport.accept_session("q", selector.clone(), secs(9), options.clone());
    assert!(pending(&mut by_close).await && pending(&mut in_vain).await);
    s.close().await.unwrap();
    let s = by_close.await.unwrap().unwrap();
    assert!(pending(&mut in_vain).await);
    advance(&transport, secs(9));
    let error = in_vain.await.err().unwrap();
    assert_eq!(error.kind(), &TransportErrorKind::SessionLocked);

    let mut by_expiry = transport.accept_session("q", selector, secs(60), options.clone());
    assert!(pending(&mut by_expiry).await);
    let mut losing = s.recv(10, secs(60));
    assert_eq!(ids(&losing.await.unwrap()), ["s1", "s2"]);
    losing = s.recv(10, secs(60));
    assert!(pending(&mut losing).await);
    advance(&transport, secs(21));
    assert_eq!(losing.await.unwrap_err().kind(), &TransportErrorKind::LockLost);
    assert!(by_expiry.await.unwrap().is_some());

    let next = SessionSelector::Next;
    let mut arrival = transport.accept_session("q", next, secs(9), options);
    assert_eq!(held(&*arrival.await.unwrap().unwrap()).id(), "t");
    arrival =
        transport.accept_session("q", SessionSelector::Next, secs(9), ReceiverOptions::default());
    assert!(pending(&mut arrival).await);
    send(&transport, [grouped("u", "u1")]).await;
    assert_eq!(held(&*arrival.await.unwrap().unwrap()).id(), "u");
}

#[tokio::test]
async fn sessions_and_plain_receiving_do_not_mix() {
    let transport = of_kind(QueueKind::Sessions);
    let opened = transport.open(&Source::queue("q"), ReceiverOptions::default()).await;
    let invalid = |field| TransportErrorKind::InvalidInput { field };
    assert_eq!(opened.err().unwrap().kind(), &invalid("source"));
    let transport = broker(QueueSettings::default());
    let accepted = accept(&transport, SessionSelector::Next).await;
    assert_eq!(accepted.err().unwrap().kind(), &invalid("queue"));
    let transport = of_kind(QueueKind::Sessions);
    let accepted = accept(&transport, SessionSelector::Named(String::new())).await;
    assert_eq!(accepted.err().unwrap().kind(), &invalid("session_id"));
}
