//! No `Debug`, `Display` or error text shows a key or a plaintext.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealmq_crypto_core::format::Frame;
use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoConfig, CryptoProvider, DeliveryIdentity, EncryptedMessage,
    EncryptionKey, Freshness, GeneratedDek, KeyError, KeyErrorKind, Keyring, KeyringPolicy,
    MemoryReplayGuard, MessageKey, ReplayError, SealRequest, WrappedDek,
};

use crate::support::{
    CANARY, FakeKms, FakeStore, KEY_ID, alias, clock, context, key_id, keyring, named_keys, policy,
    wrap_context,
};

/// A key that is not made of one byte, so that no text holds it by chance.
const KEY: [u8; 32] = *b"key-canary-9e27-0123456789abcdef";

/// The ways in which bytes get into texts: as they are, in hex, in base64, as a list of numbers.
fn spellings(bytes: &[u8]) -> Vec<String> {
    // Base64 has three phases; what lies between whole groups shows in each of them.
    let in_base64 = |phase: usize| STANDARD.encode(&bytes[phase..phase + 18]);
    let list = format!("{:?}", &bytes[..8]);
    vec![
        String::from_utf8_lossy(&bytes[..16]).into_owned(),
        hex::encode(&bytes[..12]),
        hex::encode_upper(&bytes[..12]),
        in_base64(0),
        in_base64(1),
        in_base64(2),
        URL_SAFE.encode(&bytes[..18]),
        list.trim_matches(['[', ']']).to_owned(),
        format!("{:x?}", &bytes[..8]).trim_matches(['[', ']']).to_owned(),
    ]
}

fn leaks(text: &str) -> bool {
    [&KEY[..], CANARY.as_bytes()]
        .into_iter()
        .flat_map(spellings)
        .any(|spelling| text.contains(&spelling))
}

fn assert_silent(name: &str, value: &dyn Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let in_one_line = text.replace(['\n', ' '], "").replace(',', ", ");
        assert!(!leaks(&text) && !leaks(&in_one_line), "{name}: {text}");
    }
}

fn assert_error_is_silent(error: &(impl Error + 'static)) {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        assert_silent("error", &error);
        assert!(!leaks(&error.to_string()), "{error}");
        next = error.source();
    }
}

fn key() -> EncryptionKey {
    EncryptionKey::from_slice(&KEY).unwrap()
}

#[test]
fn the_search_finds_a_key_and_a_plaintext_in_every_spelling() {
    for secret in [&KEY[..], CANARY.as_bytes()] {
        for text in [
            String::from_utf8_lossy(secret).into_owned(),
            hex::encode(secret),
            STANDARD.encode(secret),
            STANDARD.encode([b"x", secret].concat()),
            STANDARD.encode([b"xy", secret].concat()),
            format!("{secret:?}"),
            format!("{secret:x?}"),
        ] {
            assert!(leaks(&format!("error: {text} was refused")), "{text}");
        }
    }
}

#[test]
fn keys_and_what_is_made_of_them_do_not_show_them() {
    let named = MessageKey::named(&key_id(KEY_ID), &key()).unwrap();
    let wrapped = WrappedDek::new(alias("kek-1"), KEY.to_vec()).unwrap();
    let generated = GeneratedDek { dek: key(), wrapped: vec![1] };
    assert_silent("EncryptionKey", &key());
    assert_silent("MessageKey", &named);
    assert_silent("WrappedDek", &wrapped);
    assert_silent("GeneratedDek", &generated);
}

#[test]
fn a_request_to_seal_does_not_show_its_body() {
    let context = context();
    let request = SealRequest { plaintext: CANARY.as_bytes(), context: &context };
    assert_silent("SealRequest", &request);
}

#[tokio::test]
async fn providers_keyrings_and_messages_show_neither_key_nor_body() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let store = FakeStore::with_key(KEY_ID, 7);
    let keyring = keyring(&kms, policy(), &clock);
    let (builder, named) = (Keyring::builder(), named_keys(&store, &clock));
    assert_silent("KeyringBuilder", &builder);
    assert_silent("NamedKeys", &named);
    let provider = AesGcmCryptoProvider::builder().keyring(keyring.clone()).named_keys(named);
    assert_silent("AesGcmCryptoProviderBuilder", &provider);
    let provider = provider.build().unwrap();
    let context = context();
    let message = provider.encrypt(CANARY.as_bytes(), &context).await.unwrap();
    assert_silent("AesGcmCryptoProvider", &provider);
    assert_silent("Keyring", &keyring);
    assert_silent("EncryptionContext", &context);
    assert_silent("EncryptedMessage", &message);
    assert_silent("Frame", &Frame::parse(message.as_bytes()).unwrap());
    let opened = provider.decrypt(message, &context).await.unwrap();
    assert_silent("OpenedMessage", &opened);
    assert_eq!(opened.danger_release_at_any_age(), CANARY, "the control: the body was there");
}

#[test]
fn policies_and_guards_show_nothing_secret() {
    assert_silent("CryptoConfig", &CryptoConfig::strict());
    assert_silent("KeyringPolicy", &KeyringPolicy::default());
    assert_silent("MemoryReplayGuard", &MemoryReplayGuard::new());
    assert_silent("DeliveryIdentity", &DeliveryIdentity::new("copy-1"));
    assert_silent("WrapContext", &wrap_context("tenant-a", "orders"));
}

#[test]
fn errors_about_keys_do_not_show_them() {
    assert_error_is_silent(&EncryptionKey::from_slice(&KEY[..31]).unwrap_err());
    let long = [KEY, KEY].concat().repeat(65);
    assert_error_is_silent(&WrappedDek::new(alias("kek-1"), long).unwrap_err());
    assert_error_is_silent(&KeyError::new(KeyErrorKind::Malformed, "decrypt_dek"));
    assert_error_is_silent(&ReplayError::new("all places are taken"));
}

#[tokio::test]
async fn errors_about_messages_show_neither_key_nor_body() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let provider = AesGcmCryptoProvider::builder()
        .keyring(keyring(&kms, policy(), &clock))
        .clock(clock)
        .build()
        .unwrap();
    let context = context();
    let message = provider.encrypt(CANARY.as_bytes(), &context).await.unwrap();
    let frame = message.clone().into_bytes();
    for offset in [0, 4, 5, 6, 9, 43, 50, frame.len() - 1] {
        let mut frame = frame.to_vec();
        frame[offset] ^= 0x04;
        match EncryptedMessage::parse(frame) {
            Err(error) => assert_error_is_silent(&error),
            Ok(message) => {
                assert_error_is_silent(&provider.decrypt(message, &context).await.unwrap_err());
            }
        }
    }
    let opened = provider.decrypt(message, &context).await.unwrap();
    let none = Freshness { max_age: Default::default(), max_clock_skew: Default::default() };
    assert_error_is_silent(&opened.release(&none, 0).unwrap_err());
    assert_error_is_silent(&EncryptedMessage::parse(CANARY.as_bytes()).unwrap_err());
}

#[tokio::test]
async fn the_error_of_a_service_reaches_the_sealer_with_its_cause() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    kms.fail(Some(KeyErrorKind::Denied));
    let keyring = keyring(&kms, policy(), &clock);
    let provider = AesGcmCryptoProvider::builder().keyring(keyring).build().unwrap();
    let error = provider.encrypt(CANARY.as_bytes(), &context()).await.unwrap_err();
    assert_error_is_silent(&error);
    let source = error.source().and_then(|source| source.downcast_ref::<KeyError>()).cloned();
    assert_eq!(Arc::new(source.unwrap()).kind(), &KeyErrorKind::Denied);
}
