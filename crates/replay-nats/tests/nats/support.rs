//! What the tests share: connections, guards, nonces.

use std::time::Duration;

use sealmq_crypto_core::{DeliveryIdentity, EncryptedMessage, Nonce, ReplayGuard, Reservation};
use sealmq_replay_nats::async_nats::{self, ConnectOptions, jetstream};
use sealmq_replay_nats::{NatsReplayConfig, NatsReplayError, NatsReplayErrorKind, NatsReplayGuard};
use sealmq_test_kit::NatsServer;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SHORT: Duration = Duration::from_millis(500);
pub(crate) const BUCKET: &str = "replays";

pub(crate) fn config() -> NatsReplayConfig {
    NatsReplayConfig::new(BUCKET).with_max_age(HOUR)
}

/// A connection of its own.
pub(crate) async fn context(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// A guard over a connection of its own, as on another host.
pub(crate) async fn guard_with(server: &NatsServer, config: NatsReplayConfig) -> NatsReplayGuard {
    let options = ConnectOptions::new();
    NatsReplayGuard::connect(server.url(), options, config).await.unwrap()
}

pub(crate) async fn guard(server: &NatsServer) -> NatsReplayGuard {
    guard_with(server, config()).await
}

pub(crate) async fn two() -> (NatsServer, NatsReplayGuard, NatsReplayGuard) {
    let server = NatsServer::start().await;
    let (a, b) = (guard(&server).await, guard(&server).await);
    (server, a, b)
}

pub(crate) fn kind<T>(result: Result<T, NatsReplayError>) -> NatsReplayErrorKind {
    result.err().expect("an error").kind().clone()
}

/// The nonce of this number, as a frame carries it.
pub(crate) fn nonce(n: u32) -> Nonce {
    let (key_reference, commitment_and_tag) = ([1, b'k'], [0; 32 + 16]);
    let mut frame = b"QRE1\x01\x01\x01\x00".to_vec();
    let header_len = 42 + key_reference.len() + 32;
    frame.extend_from_slice(&u16::try_from(header_len).unwrap().to_be_bytes());
    frame.extend_from_slice(&[0; 8 + 20]);
    frame.extend_from_slice(&n.to_be_bytes());
    frame.extend_from_slice(&key_reference);
    frame.extend_from_slice(&commitment_and_tag);
    EncryptedMessage::parse(frame).unwrap().nonce()
}

/// The key of that nonce in the bucket.
pub(crate) fn key(n: u32) -> String {
    format!("{n:048x}")
}

pub(crate) fn by(identity: &str) -> DeliveryIdentity {
    DeliveryIdentity::new(identity)
}

/// A reservation for an hour.
pub(crate) async fn reserve(guard: &dyn ReplayGuard, n: u32, identity: &str) -> Reservation {
    guard.reserve(&nonce(n), &by(identity), HOUR, HOUR).await.unwrap()
}

/// A reservation for a moment.
pub(crate) async fn reserve_shortly(
    guard: &dyn ReplayGuard,
    n: u32,
    identity: &str,
) -> Reservation {
    guard.reserve(&nonce(n), &by(identity), SHORT, HOUR).await.unwrap()
}

pub(crate) async fn commit(guard: &dyn ReplayGuard, n: u32, identity: &str) {
    guard.commit(&nonce(n), &by(identity)).await.unwrap();
}

pub(crate) async fn release(guard: &dyn ReplayGuard, n: u32, identity: &str) {
    guard.release(&nonce(n), &by(identity)).await.unwrap();
}
