//! Credentials: each kind is accepted, and a wrong one is denied and not tried again.

use std::time::{Duration, Instant};

use nkeys::KeyPair;
use sealmq_queue_core::{Message, Transport, TransportErrorKind};
use sealmq_test_kit::NatsServer;
use sealmq_transport_nats::{NatsConfig, NatsCoreTransport, NatsCredentials, NatsTransport};

use crate::support::jwt::tokens;
use crate::support::{config_of, invalid_field, kind, try_send, unique};

/// Connects and calls the server once.
async fn reach(config: NatsConfig) -> Result<(), sealmq_queue_core::TransportError> {
    NatsTransport::connect(&config).await?.health().await
}

async fn denied(config: NatsConfig) {
    let start = Instant::now();
    assert_eq!(kind(reach(config).await), TransportErrorKind::Denied);
    assert!(start.elapsed() < Duration::from_secs(10), "a refusal is not tried again");
}

#[tokio::test]
async fn a_token_opens_the_door_and_a_wrong_one_does_not() {
    let server = NatsServer::with_config("authorization { token: right }").await;
    let with = |token: &str| config_of(&server).with_credentials(NatsCredentials::token(token));
    reach(with("right")).await.unwrap();
    denied(with("wrong")).await;
    denied(with("wrong").with_initial_connect_retry(true)).await;
    denied(config_of(&server)).await;
}

#[tokio::test]
async fn user_and_password_open_the_door_and_wrong_ones_do_not() {
    let server = NatsServer::with_config("authorization { user: app, password: right }").await;
    let with = |user: &str, password: &str| {
        config_of(&server).with_credentials(NatsCredentials::user_password(user, password))
    };
    reach(with("app", "right")).await.unwrap();
    denied(with("app", "wrong")).await;
    denied(with("other", "right")).await;
    let core = NatsCoreTransport::connect(&with("app", "wrong")).await;
    assert_eq!(kind(core), TransportErrorKind::Denied);
}

#[tokio::test]
async fn an_nkey_opens_the_door_and_another_does_not() {
    let (known, other) = (KeyPair::new_user(), KeyPair::new_user());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", known.public_key());
    let server = NatsServer::with_config(&users).await;
    let with = |key: &KeyPair| {
        config_of(&server).with_credentials(NatsCredentials::nkey_seed(key.seed().unwrap()))
    };
    reach(with(&known)).await.unwrap();
    denied(with(&other)).await;
}

#[tokio::test]
async fn a_creds_file_opens_the_door_and_that_of_a_stranger_does_not() {
    let (known, stranger) = (tokens(), tokens());
    // With an operator JetStream would ask for a system account; this is about the door only.
    let server = NatsServer::with_config(&format!("jetstream: disabled\n{}", known.server)).await;
    let with = |name: &str, contents: &str| {
        let path = server.folder().join(name);
        std::fs::write(&path, contents).unwrap();
        config_of(&server).with_credentials(NatsCredentials::file(path))
    };
    NatsCoreTransport::connect(&with("app.creds", &known.creds)).await.unwrap();
    denied(with("stranger.creds", &stranger.creds)).await;
    let cut_off = with("cut-off.creds", &known.creds[..known.creds.len() - 60]);
    let refused = reach(cut_off).await.unwrap_err();
    assert!(!crate::support::chain(&refused).contains(&known.seed));
    assert_eq!(invalid_field::<()>(Err(refused)), "creds_file");
    let missing = config_of(&server).with_credentials(NatsCredentials::file("/no/such.creds"));
    assert_eq!(invalid_field(reach(missing).await), "creds_file");
}

#[tokio::test]
async fn what_is_not_permitted_is_denied() {
    let server = NatsServer::with_config(
        "authorization { users: [ { user: app, password: pass, permissions: {
            publish: [\"$JS.>\", \"_INBOX.>\", \"sealmq.core.open\"], subscribe: [\"_INBOX.>\"] } },
          { user: admin, password: pass } ] }",
    )
    .await;
    let login = |user: &str| {
        let credentials = NatsCredentials::user_password(user, "pass");
        let config = config_of(&server).with_credentials(credentials);
        config.with_request_timeout(Duration::from_secs(1))
    };
    let queue = unique("queue");
    let admin = NatsTransport::connect(&login("admin")).await.unwrap();
    admin.create_queue(&queue, &Default::default()).await.unwrap();

    let app = NatsTransport::connect(&login("app")).await.unwrap();
    let sent = try_send(&app, &queue, Message::new("forbidden")).await;
    assert_eq!(kind(sent), TransportErrorKind::Denied);

    let app = NatsCoreTransport::connect(&login("app")).await.unwrap();
    let sent = try_send(&app, "closed", Message::new("forbidden")).await;
    assert_eq!(kind(sent), TransportErrorKind::Denied);
    let mode = sealmq_queue_core::ReceiveMode::ReceiveAndDelete;
    let options = sealmq_queue_core::ReceiverOptions::default().with_mode(mode);
    let opened = app.open(&sealmq_queue_core::Source::queue("open"), options).await;
    assert_eq!(kind(opened.map(drop)), TransportErrorKind::Denied);
}
