//! A key of its own for each service, from a store of its own: here one keyring file each.
//!
//! ```sh
//! cargo run -p sealmq --example key_per_service
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealmq::local::{FileKeyring, FileKeyringConfig, Passphrase};
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{CryptoConfig, Message, QueueClient};

const WAIT: Duration = Duration::from_secs(2);

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let broker = MemoryTransport::new();
    for service in ["invoices", "returns"] {
        broker.create_queue(service, QueueSettings::default())?;
        let keys = store_of(folder.path(), service).await?;
        let client = QueueClient::builder(service)
            .with_transport(Arc::new(broker.connect_again()))
            .with_key_management(format!("{service}-kek"), Arc::new(keys))
            .with_crypto(CryptoConfig::strict())
            .with_environment("example")
            .with_tenant(service)
            .build()?;
        client.send(Message::new(format!("for {service} alone"))).await?;
        let received = client.receive(1, WAIT).await?.pop().ok_or("nothing came")?;
        let message = received.map_err(|rejected| rejected.error)?;
        println!("{service} opened {:?} with its own key", message.body());
        message.complete().await.map_err(|failed| failed.error)?;
    }

    // Whoever takes one service's file and passphrase has the keys of that service, and no other's.
    let stolen = folder.path().join("invoices.keyring");
    let opened = FileKeyring::open(FileKeyringConfig::new(stolen), passphrase("returns")?).await;
    println!("another passphrase opens nothing: {}", opened.err().ok_or("it opened")?);
    Ok(())
}

async fn store_of(folder: &Path, service: &str) -> Result<FileKeyring, Box<dyn Error>> {
    let config = FileKeyringConfig::new(folder.join(format!("{service}.keyring")));
    Ok(FileKeyring::create(config, passphrase(service)?).await?)
}

/// From a secret store, a file or the environment; never from the source.
fn passphrase(service: &str) -> Result<Passphrase, Box<dyn Error>> {
    Ok(Passphrase::new(format!("the passphrase of {service}, twenty characters or more"))?)
}
