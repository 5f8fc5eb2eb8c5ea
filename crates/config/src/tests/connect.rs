//! From a file to messages.
#![cfg(all(unix, feature = "memory", feature = "local"))]

use std::time::Duration;

use sealmq_client::HealthStatus;
use sealmq_keys_local::{FileKeyring, Passphrase};
use sealmq_queue_core::Message;

use crate::Config;

/// A keyring with a named key, and the lines that lead to it.
async fn keyring(folder: &tempfile::TempDir) -> String {
    let (path, passphrase) = (folder.path().join("keyring"), folder.path().join("passphrase"));
    std::fs::write(&passphrase, "of the keyring\r\n").unwrap();
    let made =
        FileKeyring::create(path.as_path(), Passphrase::new("of the keyring".into()).unwrap());
    made.await.unwrap().rotate("k1".parse().unwrap()).await.unwrap();
    format!("[[keys]]\nkind = 'file'\npath = {path:?}\npassphrase = {{ file = {passphrase:?} }}\n")
}

const HEAD: &str = "environment = 'test'\ntenant = 'acme'\n[transport]\nkind = 'memory'\n";

#[tokio::test]
async fn a_file_leads_to_clients_that_send_and_receive_sealed_messages() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keyring(&folder).await;
    let queues = "[queues.orders]\nqueue = 'orders-v2'\nlogical_queue = 'orders'\n\
                  [queues.other]\nqueue = 'orders-v2'\nlogical_queue = 'orders'\ntenant = 'globex'\n";
    for alias in ["", "alias = 'main'\n"] {
        let config = Config::parse(&format!("{HEAD}{keys}{alias}{queues}")).unwrap();
        let service = config.connect().await.unwrap();
        let orders = service.queue("orders").unwrap();
        assert_eq!(orders.queue(), "orders-v2");
        orders.send(Message::new("one teapot")).await.unwrap();
        let received = orders.receive(1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
        let message = received.unwrap();
        assert_eq!(message.body().as_ref(), b"one teapot");
        message.complete().await.unwrap();

        // The tenant of the table is bound: the control above opens, the other tenant's does not.
        service.queue("other").unwrap().send(Message::new("not for acme")).await.unwrap();
        let received = orders.receive(1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
        assert!(received.is_err(), "a message of globex opened for acme");

        let error = service.queue("ordes").err().unwrap();
        assert_eq!(error.path(), "queues.ordes");
        assert!(error.reason().contains("is orders meant?"), "{error}");
        assert!(service.health().await.is_ready());
        service.shutdown(Duration::from_secs(1)).await.unwrap();
        assert!(!service.health().await.is_ready());
    }
}

#[tokio::test]
async fn without_queues_in_the_file_every_queue_is_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::parse(&format!("{HEAD}{}", keyring(&folder).await)).unwrap();
    let service = config.connect().await.unwrap();
    let any = service.queue("any").unwrap();
    assert_eq!(any.queue(), "any");
    assert!(any.self_test().await.parts().iter().all(|part| part.status == HealthStatus::Healthy));
    service.close().await.unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_be_used_is_named_with_the_adapters_error_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keyring(&folder).await;
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "another passphrase").unwrap();
    let right = folder.path().join("passphrase");
    let keys = keys.replace(&format!("{right:?}"), &format!("{wrong:?}"));
    let error = Config::parse(&format!("{HEAD}{keys}")).unwrap().connect().await.err().unwrap();
    assert_eq!((error.path(), error.reason()), ("keys[0]", "cannot connect"));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(!source.is_empty() && !source.contains("another passphrase"), "{source}");
}

#[tokio::test]
#[cfg(feature = "nats")]
async fn a_server_that_is_down_is_named() {
    let text = format!(
        "environment = 'test'\n[transport]\nkind = 'nats'\nurl = 'nats://127.0.0.1:{}'\n\
         [crypto]\npolicy = 'opt-in'\n",
        sealmq_test_kit::free_port()
    );
    let error = Config::parse(&text).unwrap().connect().await.err().unwrap();
    assert_eq!((error.path(), error.reason()), ("transport", "cannot connect"));
    assert!(std::error::Error::source(&error).is_some());
}
