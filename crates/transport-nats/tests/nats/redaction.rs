//! No output shows a credential, a body or an attribute's value.

use std::time::Duration;

use sealmq_queue_core::{Message, Transport};
use sealmq_test_kit::{NatsServer, free_port};
use sealmq_transport_nats::{NatsConfig, NatsCredentials, NatsTransport};

use crate::support::{Queue, chain, config_of, one, unique};

fn show(value: &impl std::fmt::Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn assert_hides(shown: &[String], secrets: &[&str]) {
    for text in shown {
        let leak = secrets.iter().find(|secret| text.contains(**secret));
        assert!(leak.is_none(), "{leak:?} in {text}");
    }
}

#[tokio::test]
async fn refused_credentials_are_not_repeated() {
    let server = NatsServer::with_config("authorization { token: right }").await;
    let seed = nkeys::KeyPair::new_user().seed().unwrap();
    let secrets = ["hush-token", "hush-password", seed.as_str()];
    let credentials = [
        NatsCredentials::token(secrets[0]),
        NatsCredentials::user_password("app", secrets[1]),
        NatsCredentials::nkey_seed(secrets[2]),
    ];
    for credentials in credentials {
        let config = config_of(&server).with_credentials(credentials);
        let error = NatsTransport::connect(&config).await.unwrap_err();
        assert_hides(&[show(&config), show(&error), chain(&error)], &secrets);
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_learns_and_tells_nothing() {
    let config = NatsConfig::new(format!("nats://127.0.0.1:{}", free_port()))
        .with_credentials(NatsCredentials::token("hush-token"));
    let error = NatsTransport::connect(&config).await.unwrap_err();
    assert_hides(&[show(&error), chain(&error)], &["hush-token"]);

    let in_url = NatsConfig::new("nats://app:hush-password@127.0.0.1");
    let error = NatsTransport::connect(&in_url).await.unwrap_err();
    assert_hides(&[show(&in_url), show(&error), chain(&error)], &["hush-password"]);
}

#[tokio::test]
async fn messages_are_shown_by_their_size() {
    let queue = Queue::new().await;
    let secrets = ["secret-body-text", "secret-attribute-value"];
    let sent = Message::new(secrets[0]).with_attribute("account", secrets[1]);
    let mut shown = vec![show(&queue.transport)];

    let spoilt = sent.clone().with_attribute("bad name", secrets[1]);
    let too_long = sent.clone().with_attribute("long", secrets[1].repeat(4_000));
    let missing = unique("missing");
    for (queue_name, message) in
        [(&missing, sent.clone()), (&queue.name, spoilt), (&queue.name, too_long)]
    {
        let failure = queue.transport.send(queue_name, vec![message]).await.remove(0).unwrap_err();
        shown.extend([show(&failure), chain(&failure.error)]);
    }
    shown.push(show(&queue.send(sent).await));
    let delivery = one(&*queue.open().await).await;
    shown.extend([show(&delivery), show(&delivery.receipt)]);
    let failed = delivery.receipt.abandon(Duration::MAX).await.unwrap_err();
    shown.extend([show(&failed), chain(&failed)]);
    assert_hides(&shown, &secrets);
}
