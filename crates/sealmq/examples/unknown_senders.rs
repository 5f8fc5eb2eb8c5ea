//! A receiver that needs no configuration about its senders: each message brings its wrapped key.
//!
//! ```sh
//! cargo run -p sealmq --example unknown_senders
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealmq::local::MemoryKms;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{CryptoConfig, Message, QueueClient};

const WAIT: Duration = Duration::from_secs(2);

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let broker = MemoryTransport::new();
    broker.create_queue("orders", QueueSettings::default())?;
    // The key service knows who may wrap and unwrap. In production it is Vault, KMS, an HSM, ….
    let service = MemoryKms::new();

    // Senders come and go. Each has DEKs of its own making, which travel wrapped in its messages.
    for sender in ["web", "mobile", "a service that was deployed this morning"] {
        let client = client(&broker, &service)?;
        client.send(Message::new(format!("an order from {sender}"))).await?;
    }

    // The receiver knows the name of its queue and its key service, and nothing of any sender.
    let receiver = client(&broker, &service)?;
    let mut opened = 0;
    while opened < 3 {
        for received in receiver.receive(10, WAIT).await? {
            let message = received.map_err(|rejected| rejected.error)?;
            println!("opened: {:?}", message.body());
            message.complete().await.map_err(|failed| failed.error)?;
            opened += 1;
        }
    }
    Ok(())
}

fn client(broker: &MemoryTransport, service: &MemoryKms) -> Result<QueueClient, Box<dyn Error>> {
    let client = QueueClient::builder("orders")
        .with_transport(Arc::new(broker.connect_again()))
        .with_key_management("orders-kek", Arc::new(service.clone()))
        .with_crypto(CryptoConfig::strict())
        .with_environment("example")
        .with_tenant("acme")
        .build()?;
    Ok(client)
}
