//! Closing: nothing stays locked for nobody, and closed means closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Message, Receiver, ReceiverOptions, Source, Transport, TransportErrorKind,
};

use crate::support::proxy::{Answer, Proxy};
use crate::support::*;

async fn open_ahead(transport: &impl Transport, queue: &str) -> Box<dyn Receiver> {
    let options = ReceiverOptions::default().with_prefetch(10);
    transport.open(&Source::queue(queue), options).await.unwrap()
}

#[tokio::test]
async fn closing_gives_back_what_was_fetched_ahead_in_one_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open_ahead(&transport, &queue).await;
    send(&transport, &queue, numbered(10)).await;
    let held = one(&*receiver).await;
    receiver.close().await.unwrap();
    assert_eq!(proxy.count("ChangeMessageVisibilityBatch"), 1);
    held.receipt.complete().await.unwrap();
    let next = open(&standard().await, &queue).await;
    assert_eq!(exactly(&*next, 9).await.len(), 9);
    receiver.close().await.unwrap();
    let error = receiver.recv(1, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::Closed);
}

#[tokio::test]
async fn dropping_a_receiver_gives_back_what_was_fetched_ahead() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open_ahead(&transport, &queue).await;
    send(&transport, &queue, numbered(5)).await;
    let held = one(&*receiver).await;
    drop(receiver);
    let next = open(&transport, &queue).await;
    assert_eq!(exactly(&*next, 4).await.len(), 4);
    held.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn closing_lets_the_poll_end_and_gives_back_what_it_brings() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let cut_off = Duration::from_millis(200);
    assert!(tokio::time::timeout(cut_off, receiver.recv(5, 5 * SECOND)).await.is_err());
    let send_late = async {
        tokio::time::sleep(cut_off).await;
        send(&transport, &queue, numbered(2)).await;
    };
    let start = Instant::now();
    let (closed, ()) = tokio::join!(receiver.close(), send_late);
    closed.unwrap();
    assert!(start.elapsed() < LAG, "as soon as the poll ends");
    let next = open(&transport, &queue).await;
    assert_eq!(exactly(&*next, 2).await.len(), 2);
}

#[tokio::test]
async fn closing_leaves_a_long_poll_that_gives_back_what_it_brings() {
    let proxy = Proxy::start().await;
    let transport = proxy.polling_long().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open_ahead(&transport, &queue).await;
    let cut_off = Duration::from_millis(200);
    assert!(tokio::time::timeout(cut_off, receiver.recv(5, 20 * SECOND)).await.is_err());
    let start = Instant::now();
    receiver.close().await.unwrap();
    drop(receiver);
    transport.close().await.unwrap();
    assert!(start.elapsed() < 15 * SECOND, "a poll takes 20 s: {:?}", start.elapsed());
    let others = standard().await;
    send(&others, &queue, numbered(2)).await; // to the poll that is left
    let next = open(&others, &queue).await;
    assert_eq!(exactly(&*next, 2).await.len(), 2);
    assert_eq!(proxy.count("ReceiveMessage"), 1);
    assert_eq!(proxy.count("ChangeMessageVisibilityBatch"), 1, "the poll got them first");
}

#[tokio::test]
async fn closing_ends_a_pending_recv() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let start = Instant::now();
    let pending = async {
        let received = receiver.recv(1, 2 * LAG).await;
        (received, start.elapsed())
    };
    let close_later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        receiver.close().await.unwrap();
    };
    let ((received, took), ()) = tokio::join!(pending, close_later);
    assert_eq!(received.unwrap_err().kind(), &TransportErrorKind::Closed);
    assert!(took < LAG, "{took:?}");
}

#[tokio::test]
async fn a_closed_connection_does_nothing_any_more() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open_ahead(&transport, &queue).await;
    send(&transport, &queue, numbered(3)).await;
    let held = one(&*receiver).await;
    transport.health().await.unwrap();
    transport.close().await.unwrap();
    transport.close().await.unwrap();
    let closed = TransportErrorKind::Closed;
    assert_eq!(refusal(&transport, &queue, Message::new("late")).await, closed);
    assert_eq!(receiver.recv(1, PATIENCE).await.unwrap_err().kind(), &closed);
    assert_eq!(held.receipt.complete().await.unwrap_err().error.kind(), &closed);
    let opened = transport.open(&Source::queue(&queue), ReceiverOptions::default()).await;
    assert_eq!(opened.err().unwrap().kind(), &closed);
    assert_eq!(transport.health().await.unwrap_err().kind(), &closed);
    assert_eq!(transport.depth(&Source::queue(&queue)).await.unwrap_err().kind(), &closed);
    assert_eq!(transport.redrive(&queue, 1).await.unwrap_err().kind(), &closed);
    let next = open(&standard().await, &queue).await;
    assert_eq!(exactly(&*next, 2).await.len(), 2, "the connection gave them back");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ten_times_at_once_is_fine() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver: Arc<dyn Receiver> = Arc::from(open_ahead(&transport, &queue).await);
    send(&transport, &queue, numbered(10)).await;
    one(&*receiver).await;
    let closing = (0..10).map(|_| {
        let (receiver, transport) = (Arc::clone(&receiver), transport.clone());
        tokio::spawn(async move {
            receiver.close().await.unwrap();
            transport.close().await.unwrap();
        })
    });
    for closed in closing.collect::<Vec<_>>() {
        closed.await.unwrap();
    }
}

#[tokio::test]
async fn closing_says_when_it_could_not_give_back() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open_ahead(&transport, &queue).await;
    send(&transport, &queue, numbered(3)).await;
    one(&*receiver).await;
    proxy.answer("ChangeMessageVisibilityBatch", Answer::Reset);
    let error = receiver.close().await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::Unavailable);
    receiver.close().await.unwrap();
}
