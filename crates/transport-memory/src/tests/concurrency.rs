//! Many tasks at once: nothing is lost and nothing comes twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

const SENDERS: usize = 20;
const RECEIVERS: usize = 20;
const EACH: usize = 250;

fn real_time(settings: QueueSettings) -> MemoryTransport {
    MemoryTransport::builder().queue("q", settings).build().unwrap()
}

async fn produce(transport: MemoryTransport, sender: usize) {
    for n in 0..EACH {
        let group = format!("group-{}", n % 7);
        send(&transport, [grouped(&group, &format!("{sender}-{n}"))]).await;
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn run(settings: QueueSettings) {
    let transport = real_time(settings);
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let completed = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        tasks.push(tokio::spawn(produce(transport.clone(), sender)));
    }
    for receiver in 0..RECEIVERS {
        let (transport, seen) = (transport.clone(), Arc::clone(&seen));
        let completed = Arc::clone(&completed);
        tasks.push(tokio::spawn(async move {
            let queue = open(&transport).await;
            while completed.load(Ordering::Acquire) < SENDERS * EACH {
                // Every other receive is cancelled as soon as it waits.
                let wait = Duration::from_millis(if receiver % 2 == 0 { 100 } else { 1 });
                let Ok(deliveries) = tokio::time::timeout(wait, queue.recv(7, secs(5))).await
                else {
                    continue;
                };
                for (n, delivery) in deliveries.unwrap().into_iter().enumerate() {
                    if n % 3 == 2 && delivery.receipt.metadata().delivery_count == 1 {
                        delivery.receipt.abandon(NOW).await.unwrap();
                        continue;
                    }
                    let id = delivery.message.id.clone();
                    assert!(seen.lock().unwrap().insert(id), "completed twice");
                    delivery.receipt.complete().await.unwrap();
                    completed.fetch_add(1, Ordering::AcqRel);
                }
            }
        }));
    }
    for task in tasks {
        tokio::time::timeout(secs(60), task).await.expect("no task hangs").unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), SENDERS * EACH);
    assert!(transport.tap("q").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_tasks_on_one_queue_lose_nothing_and_see_nothing_twice() {
    run(QueueSettings::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_tasks_on_ordered_groups_lose_nothing_and_see_nothing_twice() {
    run(QueueSettings::default().with_kind(QueueKind::OrderedGroups)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn waiting_receivers_are_woken_for_every_single_message() {
    let transport = real_time(QueueSettings::default());
    let received = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..RECEIVERS {
        let (transport, received) = (transport.clone(), Arc::clone(&received));
        tasks.push(tokio::spawn(async move {
            let queue = open(&transport).await;
            // No timeout helps here: a wake that is lost leaves the last message lying.
            while let Ok(deliveries) = queue.recv(1, Duration::MAX).await {
                for delivery in deliveries {
                    let _ = delivery.receipt.complete().await;
                    received.fetch_add(1, Ordering::AcqRel);
                }
            }
        }));
    }
    for n in 0..2000 {
        send_ids(&transport, &[&format!("m{n}")]).await;
        if n % 10 == 0 {
            while received.load(Ordering::Acquire) <= n {
                tokio::task::yield_now().await;
            }
        }
    }
    let all = async {
        while received.load(Ordering::Acquire) < 2000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(30), all).await.expect("every message is received");
    transport.close().await.unwrap();
    for task in tasks {
        tokio::time::timeout(secs(30), task).await.expect("close wakes them").unwrap();
    }
}
