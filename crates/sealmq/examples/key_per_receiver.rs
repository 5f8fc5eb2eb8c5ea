//! One sender, a key for each receiver: what is meant for one can be opened by no other.
//!
//! ```sh
//! cargo run -p sealmq --example key_per_receiver
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealmq::local::MemoryKeyring;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{CryptoConfig, Message, QueueClient};

const WAIT: Duration = Duration::from_secs(2);

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let broker = MemoryTransport::new();
    for queue in ["billing", "shipping"] {
        broker.create_queue(queue, QueueSettings::default())?;
    }
    // Each receiver has a keyring that nobody but the sender shares.
    let billing_keys = MemoryKeyring::generate("billing-2026-01".parse()?)?;
    let shipping_keys = MemoryKeyring::generate("shipping-2026-01".parse()?)?;

    // The sender has one client for each receiver: the queue decides about the key.
    let to_billing = client(&broker, "billing", &billing_keys)?;
    let to_shipping = client(&broker, "shipping", &shipping_keys)?;
    to_billing.send(Message::new("card 4111…")).await?;
    to_shipping.send(Message::new("Baker Street 221b")).await?;

    let billing = client(&broker, "billing", &billing_keys)?;
    assert_eq!(open_one(&billing).await?, "card 4111…");

    // Billing reads the queue of shipping, which its broker lets it: it opens nothing.
    let nosy = client(&broker, "shipping", &billing_keys)?;
    for received in nosy.receive(1, WAIT).await? {
        let rejected = received.err().ok_or("a message was opened with another's key")?;
        println!("billing cannot open what is for shipping: {}", rejected.error);
    }
    Ok(())
}

fn client(
    broker: &MemoryTransport,
    queue: &str,
    keys: &MemoryKeyring,
) -> Result<QueueClient, Box<dyn Error>> {
    let client = QueueClient::builder(queue)
        .with_transport(Arc::new(broker.connect_again()))
        .with_key_provider(Arc::new(keys.clone()))
        .with_crypto(CryptoConfig::strict())
        .with_environment("example")
        .with_tenant("acme")
        .build()?;
    Ok(client)
}

async fn open_one(client: &QueueClient) -> Result<String, Box<dyn Error>> {
    let received = client.receive(1, WAIT).await?.pop().ok_or("nothing came")?;
    let message = received.map_err(|rejected| rejected.error)?;
    let body = String::from_utf8(message.body().to_vec())?;
    message.complete().await.map_err(|failed| failed.error)?;
    println!("{} opened: {body}", client.queue());
    Ok(body)
}
