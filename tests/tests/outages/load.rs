//! A sender and a handler without a pause, and what became of each message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{ClientErrorKind, Processor, ProcessorOptions, QueueClient};
use sealmq_queue_core::{Message, Source, Transport};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::stage::depth;

/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Default)]
pub(crate) struct Counts {
    sent: AtomicUsize,
    /// What the sends that failed said. Each was tried again with the same message.
    failures: Mutex<Vec<ClientErrorKind>>,
    /// How often each message came to the handler.
    handled: Mutex<BTreeMap<String, u32>>,
    stop: AtomicBool,
}

/// Messages under way, until they are asked to end.
pub(crate) struct Load {
    sender: JoinHandle<()>,
    handler: Processor,
    counts: Arc<Counts>,
}

impl Load {
    pub(crate) fn on(sender: QueueClient, receiver: &QueueClient) -> Self {
        let counts = Arc::<Counts>::default();
        let for_handler = Arc::clone(&counts);
        let options = ProcessorOptions::default().with_concurrency(4);
        let handler = receiver.process(options, move |incoming| {
            let body = String::from_utf8(incoming.body().to_vec()).unwrap();
            *for_handler.handled.lock().unwrap().entry(body).or_default() += 1;
            async { Ok(()) }
        });
        let sender = tokio::spawn(send(sender, Arc::clone(&counts)));
        Self { sender, handler, counts }
    }

    pub(crate) fn failures(&self) -> Vec<ClientErrorKind> {
        self.counts.failures.lock().unwrap().clone()
    }

    fn handled(&self) -> usize {
        self.counts.handled.lock().unwrap().len()
    }

    /// Waits until this is so, while the sender goes on.
    pub(crate) async fn until(&self, what: &str, so: impl Fn() -> bool) {
        let waiting = async {
            while !so() {
                assert!(!self.sender.is_finished(), "a send failed for good");
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect(what);
    }

    /// Waits until so many more messages were sent, and handled.
    pub(crate) async fn goes_on(&self, messages: usize) {
        let (sent, handled) = (self.counts.sent.load(Ordering::Relaxed), self.handled());
        self.until("messages are sent and handled", || {
            self.counts.sent.load(Ordering::Relaxed) >= sent + messages
                && self.handled() >= handled + messages
        })
        .await;
    }

    /// Ends it. Each message was handled, once, however often it was sent and delivered; and there
    /// is no dead letter.
    pub(crate) async fn end(self, broker: &dyn Transport, queue: &str) {
        self.counts.stop.store(true, Ordering::Relaxed);
        self.sender.await.expect("no send failed for good");
        let sent = self.counts.sent.load(Ordering::Relaxed);
        let (dead_letters, waiting) = (Source::dead_letter(queue), Source::queue(queue));
        let drained = async {
            while self.counts.handled.lock().unwrap().len() < sent
                || depth(broker, &waiting).await > 0
            {
                let dead = depth(broker, &dead_letters).await;
                assert_eq!(dead, 0, "nothing is dead-lettered for an outage");
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, drained).await.expect("every message is handled: none is lost");
        self.handler.stop(PATIENCE).await;
        assert_eq!(depth(broker, &dead_letters).await, 0);
        let handled = self.counts.handled.lock().unwrap();
        assert_eq!(handled.len(), sent, "and none came that was not sent");
        let again: Vec<_> = handled.iter().filter(|(_, times)| **times > 1).collect();
        assert!(again.is_empty(), "handled more than once: {again:?}");
    }
}

/// Sends one after the other; what failed is sent again, as its sender would do it.
async fn send(client: QueueClient, counts: Arc<Counts>) {
    for n in 0.. {
        if counts.stop.load(Ordering::Relaxed) {
            return;
        }
        let mut message = Message::new(format!("message {n}"));
        while let Err(failed) = client.send(message).await {
            assert!(failed.error.is_retryable(), "{:?}", failed.error);
            counts.failures.lock().unwrap().push(failed.error.kind().clone());
            message = *failed.message;
            sleep(Duration::from_millis(50)).await;
        }
        counts.sent.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(2)).await;
    }
}
