//! The metrics, by their exact names and labels; and no label that an attacker can choose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metrics_util::MetricKind;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, TenantId};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;

use crate::replay::tracking;
use crate::support::{
    LOCK, MINUTE, Metrics, QUEUE, SECOND, SwitchedKms, World, key_id, next_opened, next_rejected,
    sealing, take_texts, with_body,
};

fn encrypted(value: &'static str) -> [(&'static str, &'static str); 2] {
    [("queue", QUEUE), ("encrypted", value)]
}

#[tokio::test(start_paused = true)]
async fn sent_and_received_messages_are_counted_by_queue_and_seal() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let (sealing, plain) = (world.sealing(), world.plain());
        let batch = (0..5).map(|n| Message::new(format!("{n}"))).collect();
        sealing.send_batch(batch).await;
        plain.send(Message::new("plain")).await.unwrap();
        take_texts(&sealing, 6).await;
    })
    .await;
    for counter in ["queue_messages_sent_total", "queue_messages_received_total"] {
        assert_eq!(metrics.counter(counter, &encrypted("true")), 5, "{counter}");
        assert_eq!(metrics.counter(counter, &encrypted("false")), 1, "{counter}");
    }
}

#[tokio::test(start_paused = true)]
async fn whether_encryption_is_on_is_a_gauge_per_queue() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        world.sealing();
        world.plain().for_queue("unsealed").unwrap();
    })
    .await;
    let gauge = |queue| metrics.gauge("queue_crypto_enabled", &[("queue", queue)]);
    assert_eq!(gauge("unsealed"), Some(0.0));
    // The last client of a queue that was built in this process says how it is.
    assert_eq!(gauge(QUEUE), Some(0.0));

    let (_, metrics) = Metrics::of(async { World::new().sealing() }).await;
    assert_eq!(metrics.gauge("queue_crypto_enabled", &[("queue", QUEUE)]), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn errors_are_counted_by_their_stable_names() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let config = sealing().with_nonce_tracking(true);
        let client = world.with_keys(config).build().unwrap();
        let send = || async { client.send(Message::new("body")).await.unwrap() };
        // Tampering, three times.
        for _ in 0..3 {
            send().await;
            world.tamper(|message| message.id = "changed".into()).await;
            next_rejected(&client).await;
        }
        // A replay.
        send().await;
        let copied = world.the_stored();
        next_opened(&client).await.complete().await.unwrap();
        world.inject(copied).await;
        next_rejected(&client).await;
        // An old message.
        send().await;
        tokio::time::advance(600 * SECOND).await;
        next_rejected(&client).await;
        // A broken frame.
        world.inject(Message::new("QRE1\x01")).await;
        next_rejected(&client).await;
    })
    .await;
    let expected =
        [("authentication_failed", 3), ("replayed", 1), ("message_expired", 1), ("malformed", 1)];
    for (error_type, count) in expected {
        let labels = [("queue", QUEUE), ("error_type", error_type)];
        assert_eq!(metrics.counter("queue_crypto_errors_total", &labels), count, "{error_type}");
    }
    assert_eq!(metrics.counter("queue_messages_received_total", &encrypted("true")), 1);
}

#[tokio::test(start_paused = true)]
async fn sealing_and_opening_are_timed_per_message() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let client = world.sealing();
        let batch = (0..7).map(|n| Message::new(format!("{n}"))).collect();
        client.send_batch(batch).await;
        client.send(Message::new("alone")).await.unwrap();
        client.receive(8, SECOND).await.unwrap();
    })
    .await;
    for histogram in ["queue_seal_seconds", "queue_open_seconds"] {
        assert_eq!(metrics.samples(histogram, &[("queue", QUEUE)]), 8, "{histogram}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_gone_when_its_message_was_settled_is_counted() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let client = world.sealing();
        client.send(Message::new("body")).await.unwrap();
        let received = next_opened(&client).await;
        tokio::time::sleep(LOCK).await;
        received.complete().await.unwrap_err();
    })
    .await;
    assert_eq!(metrics.counter("queue_lock_lost_total", &[("queue", QUEUE)]), 1);
}

#[tokio::test(start_paused = true)]
async fn caches_and_calls_to_the_key_service_are_counted() {
    let ((), metrics) = Metrics::of(async {
        let (world, kms) = (World::new(), MemoryKms::new());
        let switched = SwitchedKms::new(&kms);
        let builder = || world.keyless(sealing()).with_key_management("main", switched.clone());
        let (sender, receiver) = (builder().build().unwrap(), builder().build().unwrap());
        for n in 0..10 {
            sender.send(Message::new(format!("{n}"))).await.unwrap();
        }
        for _ in 0..10 {
            next_opened(&receiver).await.complete().await.unwrap();
        }
        let other = world.with_keys(sealing()).with_logical_queue("elsewhere");
        let other = other.with_key_management("main", switched.clone()).build().unwrap();
        switched.switch.fail(KeyErrorKind::KeyNotFound);
        other.send(Message::new("body")).await.unwrap_err();
    })
    .await;
    let calls = |operation, outcome| {
        let labels = [("service", "switched"), ("operation", operation), ("outcome", outcome)];
        metrics.counter("queue_key_service_calls_total", &labels)
    };
    assert_eq!(calls("generate_dek", "ok"), 1);
    assert_eq!(calls("generate_dek", "error"), 1);
    assert_eq!(calls("decrypt_dek", "ok"), 1);
    let timed = |operation| {
        let labels = [("service", "switched"), ("operation", operation)];
        metrics.samples("queue_key_service_seconds", &labels)
    };
    assert_eq!((timed("generate_dek"), timed("decrypt_dek")), (2, 1));
    let cache = |result| metrics.counter("queue_key_cache_total", &[("result", result)]);
    assert_eq!((cache("hit"), cache("miss")), (9, 1), "the receiver fetched the key once");
}

/// The proof that a rotation has reached a sender.
#[tokio::test(start_paused = true)]
async fn the_key_in_use_is_a_gauge_that_moves_with_a_rotation() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let client = world.sealing();
        client.send(Message::new("body")).await.unwrap();
        world.keys.rotate(key_id("orders-2")).unwrap();
        client.send(Message::new("body")).await.unwrap();
    })
    .await;
    let active = |id| metrics.gauge("queue_active_key", &[("key_id", id), ("kek_version", "")]);
    assert_eq!((active("orders-1"), active("orders-2")), (Some(0.0), Some(1.0)));
}

/// The same with a key service, whose alias stays: the version of its KEK is what moves, once the
/// DEK in use is due.
#[tokio::test(start_paused = true)]
async fn the_kek_version_in_use_is_a_gauge_that_moves_with_a_rotation() {
    for due in [false, true] {
        let ((), metrics) = Metrics::of(async {
            let (world, kms) = (World::new(), MemoryKms::new());
            let client = world.keyless(sealing()).with_tenant("acme");
            let client = client.with_key_management("main", Arc::new(kms.clone())).build().unwrap();
            client.send(Message::new("body")).await.unwrap();
            kms.rotate_kek(&TenantId::new("acme").unwrap()).await.unwrap();
            if due {
                tokio::time::advance(61 * MINUTE).await;
            }
            for _ in 0..2 {
                client.send(Message::new("body")).await.unwrap();
                tokio::task::yield_now().await; // the successor is fetched in the background
            }
        })
        .await;
        let active = |version| {
            let labels = [("key_id", "main"), ("kek_version", version)];
            metrics.gauge("queue_active_key", &labels)
        };
        let expected = if due { (Some(0.0), Some(1.0)) } else { (Some(1.0), None) };
        assert_eq!((active("1"), active("2")), expected, "due: {due}");
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_no_metrics_but_the_documented_ones() {
    let documented: BTreeMap<_, _> = [
        ("queue_messages_sent_total", (MetricKind::Counter, vec!["encrypted", "queue"])),
        ("queue_messages_received_total", (MetricKind::Counter, vec!["encrypted", "queue"])),
        ("queue_crypto_enabled", (MetricKind::Gauge, vec!["queue"])),
        ("queue_crypto_errors_total", (MetricKind::Counter, vec!["error_type", "queue"])),
        ("queue_seal_seconds", (MetricKind::Histogram, vec!["queue"])),
        ("queue_open_seconds", (MetricKind::Histogram, vec!["queue"])),
        ("queue_lock_lost_total", (MetricKind::Counter, vec!["queue"])),
        ("queue_handler_failures_total", (MetricKind::Counter, vec!["queue"])),
        ("queue_messages_held", (MetricKind::Gauge, vec!["queue"])),
        ("queue_replay_guard_occupancy", (MetricKind::Gauge, vec!["queue"])),
        ("queue_key_cache_total", (MetricKind::Counter, vec!["result"])),
        (
            "queue_key_service_calls_total",
            (MetricKind::Counter, vec!["operation", "outcome", "service"]),
        ),
        ("queue_key_service_seconds", (MetricKind::Histogram, vec!["operation", "service"])),
        ("queue_active_key", (MetricKind::Gauge, vec!["kek_version", "key_id"])),
    ]
    .into_iter()
    .collect();
    let (_, metrics) = Metrics::of(hostile_traffic(3)).await;
    for metric in metrics.all() {
        let labels = metric.labels.keys().map(String::as_str).collect();
        let expected = documented.get(metric.name.as_str()).cloned();
        assert_eq!(Some((metric.kind, labels)), expected, "{}", metric.name);
    }
}

/// Senders choose ids, sessions, types, attributes, key ids, aliases, versions and suites.
async fn hostile_traffic(messages: usize) {
    let world = World::new();
    let client = world.with_keys(tracking());
    let client = client.with_key_management("main", Arc::new(MemoryKms::new())).build().unwrap();
    world.sealing().send(Message::new("body")).await.unwrap();
    let named = world.steal().await;
    for n in 0..messages {
        let mut hostile = Message::with_id(format!("id-{n}"), format!("body-{n}"))
            .with_session_id(format!("session-{n}"))
            .with_message_type(format!("type-{n}"))
            .with_attribute(format!("name-{n}"), format!("value-{n}"))
            .with_attribute("traceparent", format!("trace-{n}"));
        world.inject(hostile.clone()).await;
        // A key id of the attacker's choice.
        let mut frame = named.body.to_vec();
        frame[43..51].copy_from_slice(format!("{n:08}").as_bytes());
        hostile.body = frame.into();
        world.inject(hostile.clone()).await;
        // A version, and a suite.
        for at in [4, 5] {
            let mut frame = named.body.to_vec();
            frame[at] = 0x80 | (n % 128) as u8;
            world.inject(with_body(hostile.clone(), frame)).await;
        }
    }
    for _ in 0..4 * messages {
        if let Ok(opened) = client.receive(1, SECOND).await.unwrap().remove(0) {
            opened.complete().await.unwrap();
        }
    }
    client.send(Message::new("body")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_value_of_an_attackers_choice_becomes_a_label() {
    async fn series(messages: usize) -> BTreeSet<String> {
        let ((), metrics) = Metrics::of(hostile_traffic(messages)).await;
        metrics.all().iter().map(|m| format!("{} {:?}", m.name, m.labels)).collect()
    }
    let (few, many) = (series(1).await, series(100).await);
    assert_eq!(few, many, "a hundred times the traffic makes not one series more");
    assert!(many.len() < 30, "{many:?}");
}
