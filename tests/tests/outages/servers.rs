//! OpenBao, PostgreSQL and NATS are killed and started again, each and then together, or hang.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{ClientErrorKind, Processor, ProcessorOptions, QueueClient};
use sealmq_crypto_core::CryptoErrorKind;
use sealmq_queue_core::{Bytes, Message, Source, TransportErrorKind};
use sealmq_transport_nats::{NatsQueueSettings, NatsTransport};

use crate::load::Load;
use crate::stage::Server::{self, Nats, Postgres, Vault};
use crate::stage::{ACK_WAIT, QUEUE, Servers, depth};

/// What a send may say while these are away.
fn is_expected(kind: &ClientErrorKind, away: &[Server]) -> bool {
    match kind {
        ClientErrorKind::Crypto(CryptoErrorKind::KeyUnavailable) => {
            away.contains(&Vault) || away.contains(&Postgres)
        }
        ClientErrorKind::Transport(TransportErrorKind::Unavailable) => away.contains(&Nats),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_die_and_come_back_lose_no_message_and_need_no_new_client() {
    let mut servers = Servers::start().await;
    let (sender, receiver) = (servers.client().await, servers.client().await);
    let load = Load::on(sender, &receiver);
    load.goes_on(20).await;
    let outages: [&[Server]; 4] = [&[Vault], &[Postgres], &[Nats], &[Vault, Postgres, Nats]];
    for away in outages {
        let before = load.failures().len();
        servers.kill(away).await;
        load.until("a send fails", || load.failures().len() > before + 1).await;
        servers.start_again(away).await;
        load.goes_on(20).await;
        let failures = &load.failures()[before..];
        assert!(failures.iter().all(|kind| is_expected(kind, away)), "{away:?}: {failures:?}");
    }
    load.end(&servers.broker().await, QUEUE).await;
}

/// Messages under many DEKs, in a queue that dead-letters what is delivered a second time.
struct OnlyOnce {
    broker: NatsTransport,
    receiver: QueueClient,
    handled: Arc<Mutex<BTreeSet<(Bytes, u32)>>>,
}

impl OnlyOnce {
    const QUEUE: &str = "once";
    const MESSAGES: usize = 40;

    async fn sealed(servers: &Servers, key_services: &[Server]) -> Self {
        let broker = servers.broker().await;
        let settings = NatsQueueSettings::default().with_ack_wait(ACK_WAIT);
        broker.create_queue(Self::QUEUE, &settings.with_max_deliveries(1)).await.unwrap();
        let client =
            async || servers.client_with(key_services).await.for_queue(Self::QUEUE).unwrap();
        let (sender, receiver) = (client().await, client().await);
        for n in 0..Self::MESSAGES {
            sender.send(Self::message(n)).await.unwrap();
        }
        Self { broker, receiver, handled: Arc::default() }
    }

    fn message(n: usize) -> Message {
        Message::new(format!("waits {n}"))
    }

    fn receive(&self) -> Processor {
        let handled = Arc::clone(&self.handled);
        self.receiver.process(ProcessorOptions::default(), move |message| {
            handled
                .lock()
                .unwrap()
                .insert((message.body().clone(), message.metadata.delivery_count));
            async { Ok(()) }
        })
    }

    /// Longer than any lock lasts that is not renewed.
    async fn nothing_is_handled_for_long(&self) {
        tokio::time::sleep(3 * ACK_WAIT).await;
        assert!(self.handled.lock().unwrap().is_empty(), "no key service is there");
    }

    async fn each_is_handled_on_its_first_delivery(&self, processor: Processor) {
        let all = async {
            while self.handled.lock().unwrap().len() < Self::MESSAGES {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), all).await.expect("every message opens");
        assert_eq!(processor.stop(Duration::from_secs(10)).await.cancelled, 0);
        let all_once = (0..Self::MESSAGES).map(|n| (Self::message(n).body, 1)).collect();
        assert_eq!(*self.handled.lock().unwrap(), all_once);
        for source in [Source::queue(Self::QUEUE), Source::dead_letter(Self::QUEUE)] {
            assert_eq!(depth(&self.broker, &source).await, 0, "{source:?}");
        }
    }
}

/// No key service for longer than the locks last: each message is kept until it can be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_their_keys_and_use_up_no_delivery() {
    let mut servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault, Postgres]).await;
    servers.kill(&[Vault, Postgres]).await;
    let processor = queue.receive();
    queue.nothing_is_handled_for_long().await;
    servers.start_again(&[Vault, Postgres]).await;
    queue.each_is_handled_on_its_first_delivery(processor).await;
}

/// A server that hangs takes connections and requests, and answers none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_a_key_service_that_hangs_too() {
    let servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault]).await;
    servers.freeze(&[Vault]).await;
    let processor = queue.receive();
    queue.nothing_is_handled_for_long().await;
    servers.thaw(&[Vault]).await;
    queue.each_is_handled_on_its_first_delivery(processor).await;
}

/// Its requests time out after twice the time that locks last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_another_key_service_answers_one_that_hangs_is_passed_over() {
    let servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault, Postgres]).await;
    servers.freeze(&[Vault]).await;
    let processor = queue.receive();
    queue.each_is_handled_on_its_first_delivery(processor).await;
}
