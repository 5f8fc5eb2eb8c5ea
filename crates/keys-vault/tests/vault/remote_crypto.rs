//! Transit seals the bodies: one call for a batch, bound to header and context, no key here.

use sealmq_crypto_core::{
    CryptoError, CryptoProvider, EncryptedMessage, EncryptionKeyId, ErrorKindCode, SealRequest,
    Suite, TenantId,
};
use sealmq_keys_vault::{VaultTransitCrypto, VaultTransitKey};
use sealmq_test_kit::{Answer, HttpProxy, VaultAdmin};

use crate::support::{OPERATE, TRANSIT_USE, client, is_transit, message_context, rules, service};

struct World {
    admin: VaultAdmin,
    mount: String,
    proxy: HttpProxy,
    crypto: VaultTransitCrypto,
}

fn key(id: &str, name: &str, mount: &str) -> VaultTransitKey {
    let id = EncryptionKeyId::new(id).unwrap();
    VaultTransitKey::new(id, name).unwrap().with_mount(mount).unwrap()
}

impl World {
    async fn new() -> Self {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        for name in ["sealmq-orders", "sealmq-other"] {
            admin.must("POST", &format!("{mount}/keys/{name}"), "{}").await;
        }
        let token = admin.token_under(&rules(&[TRANSIT_USE], &mount), "").await;
        let proxy = HttpProxy::before(admin.authority()).await;
        let client = client(&proxy.url(), &token).await;
        let crypto = VaultTransitCrypto::new(client, key("orders", "sealmq-orders", &mount));
        Self { admin, mount, proxy, crypto }
    }

    fn calls(&self) -> usize {
        self.proxy.count(is_transit)
    }

    async fn seal(&self, body: &[u8], id: &str) -> EncryptedMessage {
        self.crypto.encrypt(body, &message_context("orders", id)).await.unwrap()
    }

    async fn open(&self, message: EncryptedMessage, id: &str) -> Result<Vec<u8>, CryptoError> {
        let opened = self.crypto.decrypt(message, &message_context("orders", id)).await?;
        assert_eq!(&**opened.key_label(), "orders");
        Ok(opened.danger_release_at_any_age().to_vec())
    }
}

fn code<T>(result: Result<T, CryptoError>) -> &'static str {
    result.err().map_or("fine", |error| error.kind().code())
}

#[tokio::test]
async fn bodies_of_every_size_are_sealed_and_opened() {
    let world = World::new().await;
    for size in [0, 1, 31, 32, 1_000, 300_000] {
        let body: Vec<u8> = (0..size).map(|n: usize| n as u8).collect();
        let sealed = world.seal(&body, "m-1").await;
        assert_eq!(sealed.suite(), Suite::Remote);
        let overhead = sealed.as_bytes().len() - body.len();
        assert!(overhead <= world.crypto.max_overhead_bytes(), "{overhead}");
        let parsed = EncryptedMessage::parse(sealed.as_bytes().clone()).unwrap();
        assert_eq!(world.open(parsed, "m-1").await.unwrap(), body);
    }
}

#[tokio::test]
async fn a_batch_is_one_call_and_one_bad_message_spoils_no_other() {
    let world = World::new().await;
    let contexts: Vec<_> = (0..20).map(|n| message_context("orders", &format!("m-{n}"))).collect();
    let bodies: Vec<_> = (0..20).map(|n| format!("body {n}").into_bytes()).collect();
    let requests: Vec<_> = bodies
        .iter()
        .zip(&contexts)
        .map(|(plaintext, context)| SealRequest { plaintext, context })
        .collect();
    let sealed = world.crypto.encrypt_batch(&requests).await;
    assert_eq!(world.calls(), 1);
    let mut sealed: Vec<_> = sealed.into_iter().map(Result::unwrap).collect();
    let mut broken = sealed[3].as_bytes().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    sealed[3] = EncryptedMessage::parse(broken).unwrap();
    sealed.swap(7, 8); // each of them under the context of the other
    let opened = world.crypto.decrypt_batch(sealed.into_iter().zip(&contexts).collect()).await;
    assert_eq!(world.calls(), 2);
    for (n, (opened, body)) in opened.into_iter().zip(bodies).enumerate() {
        match n {
            3 | 7 | 8 => assert_eq!(code(opened), "authentication_failed", "{n}"),
            _ => assert_eq!(opened.unwrap().danger_release_at_any_age(), body, "{n}"),
        }
    }
    assert!(world.crypto.encrypt_batch(&[]).await.is_empty());
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn any_changed_byte_is_refused() {
    let world = World::new().await;
    let sealed = world.seal(b"body", "m-1").await.into_bytes();
    let context = message_context("orders", "m-1");
    let mut changed = Vec::new();
    for at in 0..sealed.len() {
        let mut frame = sealed.to_vec();
        frame[at] ^= 1;
        changed.extend(EncryptedMessage::parse(frame).map(|frame| (at, frame)));
    }
    assert!(changed.len() > 100, "{}", changed.len());
    let places: Vec<_> = changed.iter().map(|(at, _)| *at).collect();
    let messages = changed.into_iter().map(|(_, message)| (message, &context)).collect();
    for (at, opened) in places.into_iter().zip(world.crypto.decrypt_batch(messages).await) {
        assert_ne!(code(opened), "fine", "byte {at}");
    }
}

#[tokio::test]
async fn what_was_moved_or_names_another_key_is_refused_without_a_call() {
    let world = World::new().await;
    let sealed = world.seal(b"body", "m-1").await;
    let calls = world.calls();
    let elsewhere = message_context("invoices", "m-1");
    let moved = world.crypto.decrypt(sealed.clone(), &elsewhere).await;
    assert_eq!(code(moved), "authentication_failed");
    assert_eq!(code(world.open(sealed.clone(), "m-2").await), "authentication_failed");
    let foreign = VaultTransitCrypto::new(
        client(world.admin.address(), world.admin.token()).await,
        key("foreign", "sealmq-other", &world.mount),
    );
    let context = message_context("orders", "m-1");
    let theirs = foreign.encrypt(b"body", &context).await.unwrap();
    assert_eq!(code(world.open(theirs.clone(), "m-1").await), "key_not_found");
    assert_eq!(world.calls(), calls);
    let both = world.crypto.clone().with_opening_key(key("foreign", "sealmq-other", &world.mount));
    let messages = vec![(theirs, &context), (sealed, &context)];
    for opened in both.decrypt_batch(messages).await {
        assert_eq!(opened.unwrap().danger_release_at_any_age(), &b"body"[..]);
    }
}

/// The commitment of this suite is no secret: whoever may change a frame can compute it. The
/// service then refuses, because the associated data is another one.
#[tokio::test]
async fn a_commitment_that_was_made_to_fit_does_not_help() {
    let world = World::new().await;
    let one = world.seal(b"one", "m-1").await.into_bytes();
    let other = world.seal(b"other", "m-1").await.into_bytes();
    let ciphertext_at = 42 + 1 + "orders".len() + 32;
    let spliced = [&one[..ciphertext_at], &other[ciphertext_at..]].concat();
    let calls = world.calls();
    let opened = world.open(EncryptedMessage::parse(spliced).unwrap(), "m-1").await;
    assert_eq!(code(opened), "authentication_failed");
    assert_eq!(world.calls(), calls + 1, "it was the service that refused");
}

#[tokio::test]
async fn messages_cross_a_rotation_and_end_with_the_key() {
    let world = World::new().await;
    let before = world.seal(b"before", "m-1").await;
    let token = world.admin.token_under(&rules(&[OPERATE], &world.mount), "").await;
    let operator = service(client(world.admin.address(), &token).await, &world.mount);
    let tenant = TenantId::new("orders").unwrap();
    sealmq_crypto_core::KeyManagementService::rotate_kek(&operator, &tenant).await.unwrap();
    let after = world.seal(b"after", "m-2").await;
    assert_eq!(world.open(before.clone(), "m-1").await.unwrap(), b"before");
    assert_eq!(world.open(after, "m-2").await.unwrap(), b"after");
    sealmq_crypto_core::KeyManagementService::delete_kek(&operator, &tenant).await.unwrap();
    assert_eq!(code(world.open(before, "m-1").await), "key_not_found");
    let context = message_context("orders", "m-3");
    assert_eq!(code(world.crypto.encrypt(b"x", &context).await), "key_not_found");
}

#[tokio::test]
async fn a_service_that_fails_blames_no_message() {
    let world = World::new().await;
    let sealed = world.seal(b"body", "m-1").await;
    for answer in [
        Answer::json(403, r#"{"errors":["permission denied"]}"#),
        Answer::json(404, r#"{"errors":["no handler for route"]}"#),
        Answer::json(429, ""),
        Answer::json(500, ""),
        Answer::json(200, "{}"),
        Answer::json(200, r#"{"data":{"batch_results":[{"plaintext":"*"}]}}"#),
        Answer::Reset,
    ] {
        world.proxy.answer(is_transit, answer.clone());
        let opened = world.open(sealed.clone(), "m-1").await;
        assert_eq!(code(opened), "key_unavailable", "{answer:?}");
        world.proxy.answer(is_transit, answer.clone());
        let context = message_context("orders", "m-1");
        assert_eq!(code(world.crypto.encrypt(b"x", &context).await), "key_unavailable");
    }
    world.open(sealed, "m-1").await.unwrap();
}
