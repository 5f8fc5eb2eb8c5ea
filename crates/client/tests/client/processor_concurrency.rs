//! Handlers side by side: as many as allowed and never more, and as many as are allowed now.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{HandlerError, IncomingMessage, Processor, ProcessorOptions, QueueClient};
use sealmq_queue_core::Message;

use crate::support::{Call, FaultyTransport, MINUTE, SECOND, World, sealing};

pub(crate) fn options(concurrency: usize) -> ProcessorOptions {
    ProcessorOptions::default().with_concurrency(concurrency)
}

pub(crate) async fn send_numbers(client: &QueueClient, count: usize) {
    let batch = (0..count).map(|n| Message::with_id(format!("m-{n}"), format!("{n}"))).collect();
    for sent in client.send_batch(batch).await {
        sent.unwrap();
    }
}

/// What handlers did.
#[derive(Default)]
pub(crate) struct Work {
    running: AtomicUsize,
    most: AtomicUsize,
    pub(crate) done: Mutex<Vec<String>>,
}

impl Work {
    /// Handlers that take so long.
    pub(crate) fn start(
        self: &Arc<Self>,
        client: &QueueClient,
        options: ProcessorOptions,
        takes: Duration,
    ) -> Processor {
        let work = Arc::clone(self);
        client.process(options, move |message: IncomingMessage| {
            let work = Arc::clone(&work);
            async move {
                let running = work.running.fetch_add(1, Ordering::SeqCst) + 1;
                work.most.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(takes).await;
                work.running.fetch_sub(1, Ordering::SeqCst);
                work.done.lock().unwrap().push(message.message.id.clone());
                Ok::<_, HandlerError>(())
            }
        })
    }

    pub(crate) fn done(&self) -> usize {
        self.done.lock().unwrap().len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// The most that ran at once since this was last asked.
    pub(crate) fn take_most(&self) -> usize {
        self.most.swap(self.running(), Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_handlers_run_as_allowed_and_never_more() {
    for concurrency in [1, 5, 40] {
        let (world, work) = (World::new(), Arc::new(Work::default()));
        let client = world.sealing();
        send_numbers(&client, 100).await;
        let processor = work.start(&client, options(concurrency), SECOND);
        tokio::time::sleep(200 * SECOND).await;
        assert_eq!(work.take_most(), concurrency);
        assert_eq!(work.done(), 100);
        assert!(world.stored().is_empty());
        processor.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_handler_at_a_time_is_the_default_and_keeps_the_order() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 20).await;
    let processor = work.start(&client, ProcessorOptions::default(), SECOND);
    tokio::time::sleep(30 * SECOND).await;
    processor.stop(MINUTE).await;
    let expected: Vec<_> = (0..20).map(|n| format!("m-{n}")).collect();
    assert_eq!(*work.done.lock().unwrap(), expected);
    assert_eq!(work.take_most(), 1);
}

/// What is locked and waits for a handler would lose its lock: no more is fetched than can start.
#[tokio::test(start_paused = true)]
async fn no_more_messages_are_fetched_than_handlers_can_take() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 50).await;
    let processor = work.start(&client, options(3), SECOND);
    tokio::time::sleep(SECOND / 2).await;
    let locked = world
        .stored()
        .iter()
        .filter(|m| m.status == sealmq_transport_memory::StoredStatus::Locked)
        .count();
    assert_eq!(locked, 3);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn concurrency_can_be_raised_and_lowered_while_it_runs() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 200).await;
    let processor = work.start(&client, options(2), SECOND);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(work.take_most(), 2);

    processor.set_concurrency(8);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(work.take_most(), 8);

    processor.set_concurrency(3);
    tokio::time::sleep(2 * SECOND).await; // those at work finish
    work.take_most();
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(work.take_most(), 3);
    assert_eq!(processor.stop(MINUTE).await.cancelled, 0);
}

#[tokio::test(start_paused = true)]
async fn no_concurrency_is_a_rest_from_which_it_can_be_raised() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 3).await;
    let processor = work.start(&client, options(0), SECOND);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.done(), 0);
    processor.set_concurrency(3);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(work.done(), 3);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_lets_handlers_finish_and_starts_none() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 10).await;
    let processor = work.start(&client, options(2), 10 * SECOND);
    tokio::time::sleep(SECOND).await;
    processor.pause();
    tokio::time::sleep(MINUTE).await;
    assert_eq!((work.done(), work.running()), (2, 0), "those at work finished");
    assert_eq!(world.stored().len(), 8);
    processor.resume();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.done(), 10);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_during_a_pause_waits_for_its_end() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    let processor = work.start(&client, options(2), SECOND);
    tokio::time::sleep(SECOND).await; // a receive is waiting for messages
    processor.pause();
    tokio::time::sleep(SECOND).await;
    send_numbers(&client, 1).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.done(), 0);
    assert_eq!(world.stored()[0].metadata.delivery_count, 0, "it was not even touched");
    processor.resume();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(work.done(), 1);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn two_processors_share_the_messages_and_each_is_handled_once() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let (one, other) = (world.sealing(), world.sealing());
    send_numbers(&one, 60).await;
    let processors = [work.start(&one, options(3), SECOND), work.start(&other, options(3), SECOND)];
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.take_most(), 6);
    for processor in processors {
        processor.stop(MINUTE).await;
    }
    let mut done = work.done.lock().unwrap().clone();
    done.sort();
    done.dedup();
    assert_eq!((done.len(), work.done()), (60, 60));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_no_larger_than_the_options_say() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    send_numbers(&client, 40).await;
    let mut options = options(40);
    options.batch = 10;
    let processor = work.start(&client, options, SECOND);
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(work.running(), 40);
    assert!(transport.calls(Call::Recv).len() >= 4);
    processor.stop(MINUTE).await;
}
