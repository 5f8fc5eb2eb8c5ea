//! The state kept with a session: sealed on the broker, and good for that session alone.

use bytes::Bytes;
use sealmq_client::{ClientError, ClientErrorKind, QueueClient};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind};
use sealmq_queue_core::{Message, ReceiverOptions, SessionSelector, Transport};

use crate::sessions::{accept, world_of_sessions};
use crate::support::{CANARY, MINUTE, QUEUE, SECOND, World, contains, sealing};

/// The attacker reads a state blob off the broker.
fn stored_state(world: &World, session: &str) -> Option<Bytes> {
    let states = world.broker.tap_session_states(QUEUE).unwrap();
    states.into_iter().find(|(id, _)| id == session).map(|(_, state)| state)
}

/// The attacker replaces a state blob on the broker.
async fn plant(world: &World, session: &str, state: Bytes) {
    let selector = SessionSelector::Named(session.into());
    let options = ReceiverOptions::default();
    let held = world.broker.accept_session(QUEUE, selector, SECOND, options).await;
    let held = held.unwrap().unwrap();
    held.session().unwrap().set_state(Some(state)).await.unwrap();
    held.close().await.unwrap();
}

async fn set_state(client: &QueueClient, session: &str, state: &'static str) {
    let held = accept(client, session).await;
    held.set_state(Some(Bytes::from_static(state.as_bytes()))).await.unwrap();
    held.close().await.unwrap();
}

async fn state(client: &QueueClient, session: &str) -> Result<Option<Bytes>, ClientError> {
    let held = accept(client, session).await;
    let state = held.state().await;
    held.close().await.unwrap();
    state
}

#[track_caller]
fn assert_unauthentic(state: Result<Option<Bytes>, ClientError>) {
    let expected = ClientErrorKind::Crypto(CryptoErrorKind::AuthenticationFailed);
    assert_eq!(state.unwrap_err().kind(), &expected);
}

#[tokio::test(start_paused = true)]
async fn a_state_is_sealed_on_the_broker_and_comes_back_exactly() {
    let world = world_of_sessions();
    let client = world.sealing();
    set_state(&client, "a", CANARY).await;
    let stored = stored_state(&world, "a").unwrap();
    assert!(stored.starts_with(b"QRE1"));
    assert!(!contains(&stored, CANARY.as_bytes()));
    assert_eq!(state(&client, "a").await.unwrap().unwrap(), CANARY);
    assert_eq!(state(&world.sealing(), "a").await.unwrap().unwrap(), CANARY);
}

#[tokio::test(start_paused = true)]
async fn there_is_none_at_first_and_none_once_it_was_cleared() {
    let world = world_of_sessions();
    let client = world.sealing();
    assert_eq!(state(&client, "a").await.unwrap(), None);
    set_state(&client, "a", "step 2").await;
    let held = accept(&client, "a").await;
    held.set_state(None).await.unwrap();
    assert_eq!(held.state().await.unwrap(), None);
    assert_eq!(stored_state(&world, "a"), None);
}

#[tokio::test(start_paused = true)]
async fn a_state_is_read_at_any_age() {
    let world = world_of_sessions();
    let client = world.sealing();
    set_state(&client, "a", "step 2").await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(state(&client, "a").await.unwrap().unwrap(), "step 2");
}

#[tokio::test(start_paused = true)]
async fn a_state_moved_to_another_session_is_refused() {
    let world = world_of_sessions();
    let client = world.sealing();
    set_state(&client, "a", "credit: 1000").await;
    set_state(&client, "b", "credit: 0").await;
    plant(&world, "b", stored_state(&world, "a").unwrap()).await;
    assert_unauthentic(state(&client, "b").await);
    assert_eq!(state(&client, "a").await.unwrap().unwrap(), "credit: 1000");
}

/// The control: without a seal the states change places unnoticed.
#[tokio::test(start_paused = true)]
async fn a_plaintext_state_can_be_moved_unnoticed() {
    let world = world_of_sessions();
    let client = world.plain();
    set_state(&client, "a", "credit: 1000").await;
    plant(&world, "b", stored_state(&world, "a").unwrap()).await;
    assert_eq!(state(&client, "b").await.unwrap().unwrap(), "credit: 1000");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_changed_is_refused() {
    let world = world_of_sessions();
    let client = world.sealing();
    set_state(&client, "a", "credit: 0").await;
    let mut changed = stored_state(&world, "a").unwrap().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    plant(&world, "a", changed.into()).await;
    assert_unauthentic(state(&client, "a").await);
}

/// A sealed message is authentic too, and is no state, even one that was made to look like it.
#[tokio::test(start_paused = true)]
async fn a_message_planted_as_a_state_is_refused() {
    let world = world_of_sessions();
    let client = world.sealing();
    let message = Message::with_id("a", "credit: 1000").with_session_id("a");
    client.send(message).await.unwrap();
    plant(&world, "a", world.the_stored().body).await;
    assert_unauthentic(state(&client, "a").await);
}

/// And the other way round: whoever can write to the broker must not make a message of a state.
#[tokio::test(start_paused = true)]
async fn a_state_sent_as_a_message_is_refused() {
    let world = world_of_sessions();
    let client = world.sealing();
    set_state(&client, "a", "credit: 1000").await;
    let body = stored_state(&world, "a").unwrap();
    let forged =
        Message::with_id("a", body).with_session_id("a").with_message_type("sealmq.session-state");
    world.inject(forged).await;
    let held = accept(&client, "a").await;
    let received = held.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(received.unwrap_err().error.code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn the_message_type_of_states_is_not_for_messages() {
    let world = world_of_sessions();
    let client = world.sealing();
    let message = Message::with_id("a", "credit: 1000")
        .with_session_id("a")
        .with_message_type("sealmq.session-state");
    let failed = client.send(message.clone()).await.unwrap_err();
    assert!(!failed.error.is_retryable());
    assert_eq!(*failed.message, message);
    assert!(world.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plaintext_state_is_judged_by_the_policy() {
    let world = world_of_sessions();
    set_state(&world.plain(), "a", "plain").await;
    assert_eq!(state(&world.sealing(), "a").await.unwrap().unwrap(), "plain");
    let strict = world.with_keys(CryptoConfig::strict()).build().unwrap();
    let expected = ClientErrorKind::Crypto(CryptoErrorKind::PlaintextRejected);
    assert_eq!(state(&strict, "a").await.unwrap_err().kind(), &expected);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_keys_cannot_read_a_sealed_state_and_does_not_take_it_for_a_plaintext() {
    let world = world_of_sessions();
    set_state(&world.sealing(), "a", CANARY).await;
    let error = state(&world.plain(), "a").await.unwrap_err();
    let expected = CryptoErrorKind::KeyNotFound { key_id: "orders-1".into() };
    assert_eq!(error.kind(), &ClientErrorKind::Crypto(expected));
    let off = world.with_keys(CryptoConfig::default()).build().unwrap();
    assert_eq!(state(&off, "a").await.unwrap().unwrap(), CANARY, "keys open whatever is enabled");
}

/// As with bodies: it could never be read again.
#[tokio::test(start_paused = true)]
async fn a_plaintext_state_that_looks_like_a_frame_is_refused() {
    let world = world_of_sessions();
    for lookalike in ["QRE1 is the marker", "UVJFMQ=="] {
        let held = accept(&world.plain(), "a").await;
        let refused = held.set_state(Some(Bytes::from_static(lookalike.as_bytes()))).await;
        let expected = ClientErrorKind::InvalidInput { field: "state" };
        assert_eq!(refused.unwrap_err().kind(), &expected);
        held.close().await.unwrap();
        assert_eq!(stored_state(&world, "a"), None);

        let sealing = world.with_keys(sealing()).build().unwrap();
        set_state(&sealing, "b", lookalike).await;
        assert_eq!(state(&sealing, "b").await.unwrap().unwrap(), lookalike);
    }
}
