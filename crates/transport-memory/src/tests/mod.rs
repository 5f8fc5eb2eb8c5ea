//! The state machine's edges, by a clock moved by hand.

mod bounds;
mod concurrency;
mod groups;
mod imitation;
mod locks;
mod random;
mod sessions;
mod time;
mod wakeups;

use std::time::Duration;

use sealmq_queue_core::{
    Delivery, Message, Receiver, ReceiverOptions, SendReport, Source, Transport, TransportErrorKind,
};

use crate::{MemoryClock, MemoryTransport, QueueKind, QueueSettings};

const NOW: Duration = Duration::ZERO;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A broker with the one queue "q", whose clock stands still.
fn broker(settings: QueueSettings) -> MemoryTransport {
    let builder = MemoryTransport::builder().clock(MemoryClock::manual());
    builder.queue("q", settings).build().unwrap()
}

fn of_kind(kind: QueueKind) -> MemoryTransport {
    broker(QueueSettings::default().with_kind(kind))
}

fn advance(transport: &MemoryTransport, by: Duration) {
    transport.clock().advance(by);
}

async fn open(transport: &MemoryTransport) -> Box<dyn Receiver> {
    transport.open(&Source::queue("q"), ReceiverOptions::default()).await.unwrap()
}

async fn open_dead(transport: &MemoryTransport) -> Box<dyn Receiver> {
    transport.open(&Source::dead_letter("q"), ReceiverOptions::default()).await.unwrap()
}

fn message(id: &str) -> Message {
    Message::with_id(id, "body")
}

fn grouped(group: &str, id: &str) -> Message {
    message(id).with_session_id(group)
}

async fn send(transport: &MemoryTransport, messages: impl IntoIterator<Item = Message>) {
    for result in transport.send("q", messages.into_iter().collect()).await {
        result.unwrap();
    }
}

async fn send_ids(transport: &MemoryTransport, ids: &[&str]) {
    send(transport, ids.iter().map(|id| message(id))).await;
}

/// What can be received right now.
async fn recv(receiver: &dyn Receiver, max: usize) -> Vec<Delivery> {
    receiver.recv(max, NOW).await.unwrap()
}

async fn recv_one(receiver: &dyn Receiver) -> Delivery {
    let mut deliveries = recv(receiver, 1).await;
    deliveries.pop().expect("a message to receive")
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.message.id.as_str()).collect()
}

async fn recv_ids(receiver: &dyn Receiver) -> Vec<String> {
    let deliveries = recv(receiver, usize::MAX).await;
    deliveries.into_iter().map(|delivery| delivery.message.id).collect()
}

fn failures(report: SendReport) -> Vec<Option<TransportErrorKind>> {
    report.into_iter().map(|sent| sent.err().map(|failure| failure.error.kind().clone())).collect()
}

fn reason(delivery: &Delivery) -> &str {
    let info = delivery.receipt.metadata().dead_letter.as_ref().unwrap();
    info.reason.as_deref().unwrap()
}
