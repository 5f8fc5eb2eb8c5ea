//! Sealed and plaintext queues side by side: each queue has its own policy, on one connection.
//!
//! ```sh
//! cargo run -p sealmq --example sealed_and_plaintext
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealmq::local::MemoryKeyring;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{CryptoConfig, Message, QueueClient, Transport};

const WAIT: Duration = Duration::from_secs(2);

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let broker = MemoryTransport::new();
    for queue in ["payments", "telemetry"] {
        broker.create_queue(queue, QueueSettings::default())?;
    }
    let transport: Arc<dyn Transport> = Arc::new(broker.connect_again());
    let keys = MemoryKeyring::generate("payments-2026-01".parse()?)?;

    let payments = QueueClient::builder("payments")
        .with_transport(Arc::clone(&transport))
        .with_key_provider(Arc::new(keys))
        .with_crypto(CryptoConfig::strict())
        .with_environment("example")
        .with_tenant("acme")
        .build()?;
    // No keys and the default policy: nothing is sealed, and each send says so in log and metrics.
    let telemetry = QueueClient::builder("telemetry").with_transport(transport).build()?;

    payments.send(Message::new("pay 10 EUR")).await?;
    telemetry.send(Message::new("cpu 17 %")).await?;

    assert!(take(&payments).await?, "payments are sealed");
    assert!(!take(&telemetry).await?, "telemetry is not");

    // What somebody slips into the sealed queue without sealing it is not handed out.
    let intruder = QueueClient::builder("payments").with_transport(Arc::new(broker)).build()?;
    intruder.send(Message::new("pay 10,000 EUR")).await?;
    for received in payments.receive(1, WAIT).await? {
        let rejected = received.err().ok_or("a plaintext was accepted")?;
        println!("payments refuses a plaintext: {}", rejected.error);
    }
    Ok(())
}

/// Takes one message and says whether it was sealed.
async fn take(queue: &QueueClient) -> Result<bool, Box<dyn Error>> {
    let received = queue.receive(1, WAIT).await?.pop().ok_or("nothing came")?;
    let message = received.map_err(|rejected| rejected.error)?;
    let sealed = message.message.is_encrypted();
    println!("{}: {:?}, sealed: {sealed}", queue.queue(), message.body());
    message.complete().await.map_err(|failed| failed.error)?;
    Ok(sealed)
}
