//! Real brokers: messages through the client, sealed and plaintext in turn, and beside the bare SDK.
//!
//! Sealed and plaintext run in rounds, one after the other, so that what disturbs the machine for a
//! while disturbs both alike; a ratio is the median of the rounds' own ratios.

mod bare_nats;
mod lane;
mod rounds;

use std::sync::Arc;

use sealmq_contract_tests::backends::{memory, nats, servicebus, sqs};
use sealmq_contract_tests::runner::Time;
use sealmq_contract_tests::transport::{Backend, Harness, QueueSpec};
use serde_json::{Value, json};

use self::bare_nats::BareNats;
pub use self::lane::Failure;
use self::lane::{ClientLane, Lane};
use self::rounds::{Measured, measure};

/// Bytes of each body.
const BODY_BYTES: usize = 1024;

/// A broker under measurement.
struct Broker {
    /// As in the names of the ratios.
    key: &'static str,
    /// Messages of one round of throughput, and of latency.
    messages: (usize, usize),
    backend: Box<dyn Backend>,
}

fn brokers() -> Vec<Broker> {
    vec![
        Broker {
            key: "memory",
            messages: (20_000, 2_000),
            backend: Box::new(memory::MemoryBackend::full()),
        },
        Broker {
            key: "nats_jetstream",
            messages: (4_000, 400),
            backend: Box::new(nats::JetStreamBackend::new()),
        },
        Broker { key: "sqs", messages: (400, 40), backend: Box::new(sqs::SqsBackend::standard()) },
        Broker {
            key: "servicebus",
            messages: (600, 60),
            backend: Box::new(servicebus::ServiceBusBackend),
        },
    ]
}

/// Measures every broker and gives rows and ratios as one JSON object.
///
/// # Errors
/// What kept a queue or a client from being made.
pub async fn report() -> Result<Value, Failure> {
    let (mut rows, mut ratios) = (Vec::new(), serde_json::Map::new());
    for broker in brokers() {
        let harness = broker.backend.harness(Time::Real).await.map_err(stopped)?;
        let mut lanes = vec![
            client_lane(harness.as_ref(), "plaintext").await?,
            client_lane(harness.as_ref(), "sealed").await?,
        ];
        if broker.key == "nats_jetstream" {
            lanes.push(Box::new(BareNats::new().await?));
        }
        let measured = measure(&lanes, broker.messages).await?;
        for (lane, measured) in lanes.iter().zip(&measured) {
            rows.extend(rows_of(&broker, lane.name(), measured));
        }
        let (plaintext, sealed) = (&measured[0], &measured[1]);
        let mut add = |name: String, ratio: f64| ratios.insert(name, json!(ratio));
        add(
            format!("{}_sealed_throughput_vs_plaintext", broker.key),
            sealed.throughput_to(plaintext),
        );
        add(format!("{}_sealed_p50_vs_plaintext", broker.key), sealed.p50_to(plaintext));
        add(format!("{}_sealed_p99_vs_plaintext", broker.key), sealed.p99_to(plaintext));
        if let Some(bare) = measured.get(2) {
            add(format!("{}_client_throughput_vs_bare", broker.key), plaintext.throughput_to(bare));
        }
    }
    Ok(json!({ "rows": rows, "ratios": ratios }))
}

async fn client_lane(harness: &dyn Harness, name: &'static str) -> Result<Box<dyn Lane>, Failure> {
    let spec = QueueSpec {
        kind: harness.default_kind(),
        lock: harness.timing().long_lock,
        max_deliveries: None,
        deduplicates: false,
        max_messages: None,
    };
    let queue = format!("bench-{name}-{}", sealmq::transport::new_message_id());
    let queue = harness.create_queue(&queue, &spec).await.map_err(stopped)?;
    let transport = harness.transport().await.map_err(stopped)?;
    Ok(Box::new(ClientLane::new(name, Arc::clone(&transport), &queue)?))
}

fn rows_of(broker: &Broker, subject: &str, measured: &Measured) -> Vec<Value> {
    let row = |operation: &str, micros: f64| {
        json!({
            "body": format!("{BODY_BYTES} B"),
            "body_bytes": BODY_BYTES,
            "operation": format!("{}: {operation}", broker.key),
            "subject": subject,
            "micros": micros,
        })
    };
    vec![
        row("time per message, ten at once, eight under way", measured.micros_per_message()),
        row("latency, median", measured.p50_micros()),
        row("latency, 99th percentile", measured.p99_micros()),
    ]
}

/// The suites' own error, as one of the standard library's.
fn stopped(stop: sealmq_contract_tests::outcome::Stop) -> Failure {
    format!("{stop:?}").into()
}
