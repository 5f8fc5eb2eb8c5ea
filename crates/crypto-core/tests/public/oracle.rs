//! A refused message tells an attacker nothing: not which check failed, and no byte of plaintext.

use std::sync::Arc;

use sealmq_crypto_core::format::Frame;
use sealmq_crypto_core::{
    AeadBackend, CryptoError, CryptoProvider, EncryptedMessage, EncryptionContext, Suite,
};

use crate::support::{
    CANARY, FakeKms, assert_unauthentic, clock, context, full_context, keyring, keyring_provider,
    named_key, policy, scope, scope_of, sealed,
};

/// What an attacker who sees errors and logs can tell of an opening.
fn seen(error: &CryptoError) -> (String, String, &'static str, bool, bool) {
    let has_source = std::error::Error::source(error).is_some();
    (error.to_string(), format!("{error:?}"), error.code(), error.is_retryable(), has_source)
}

struct Fixture {
    kms: Arc<FakeKms>,
    frame: Vec<u8>,
    header_len: usize,
}

impl Fixture {
    async fn new() -> Self {
        let (kms, clock) = (FakeKms::new("kms"), clock());
        let provider = keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
        let message = provider.encrypt(b"body", &context()).await.unwrap();
        let frame = message.into_bytes().to_vec();
        let header_len = Frame::parse(&frame).unwrap().header_len();
        Self { kms, frame, header_len }
    }

    /// What a receiver with an empty cache says of the frame with this byte changed.
    async fn refusal(&self, changed: Option<usize>, context: &EncryptionContext) -> CryptoError {
        let mut frame = self.frame.clone();
        if let Some(offset) = changed {
            frame[offset] ^= 1;
        }
        let message = EncryptedMessage::parse(frame).unwrap();
        let clock = clock();
        let keyring = keyring(&self.kms, policy(), &clock);
        let provider = keyring_provider(keyring, &clock, Suite::default());
        provider.decrypt(message, context).await.unwrap_err()
    }
}

/// The control: errors as honest software words them, each with its own cause.
fn talkative(cause: &str) -> String {
    format!("could not open the message: {cause} mismatch")
}

#[tokio::test]
async fn tag_commitment_context_and_wrapped_dek_failures_look_the_same() {
    assert_ne!(talkative("tag"), talkative("commitment"), "the control is an oracle");

    let fixture = Fixture::new().await;
    let (own, end, header_len) = (context(), fixture.frame.len(), fixture.header_len);
    let moved = scope_of(Some("production"), Some("tenant-a"), "refunds");
    let cases = [
        ("tag", Some(end - 1), &own),
        ("ciphertext", Some(header_len), &own),
        ("commitment", Some(header_len - 1), &own),
        ("nonce", Some(20), &own),
        ("time", Some(17), &own),
        ("session", None, &full_context(&scope(), "customer-43")),
        // Here the service itself refuses: the DEK is wrapped for another queue.
        ("queue", None, &full_context(&moved, "customer-42")),
        ("handle of the wrapped DEK", Some(header_len - 32 - 1), &own),
        ("form of the wrapped DEK", Some(header_len - 32 - "fake:kms:00000000".len()), &own),
    ];
    let first = seen(&fixture.refusal(cases[0].1, cases[0].2).await);
    assert_eq!(first.2, "authentication_failed");
    for (name, changed, context) in cases {
        assert_eq!(seen(&fixture.refusal(changed, context).await), first, "{name}");
    }
}

#[test]
fn a_refused_frame_leaves_no_byte_of_plaintext_in_its_buffer() {
    let (key, own) = (named_key(), context());
    let body = CANARY.repeat(100);
    for &backend in AeadBackend::AVAILABLE {
        for suite in Suite::ALL {
            let frame = sealed(&key, suite, body.as_bytes(), &own);
            let header_len = Frame::parse(&frame).unwrap().header_len();
            let mut good = frame.clone();
            key.open_in_place(backend, &mut good, &own).unwrap();
            assert!(holds(&good, CANARY.as_bytes()), "the control: opened in place");

            let other = full_context(&scope(), "somebody-else");
            let last = frame.len() - 1;
            for (changed, context) in [(last, &own), (header_len - 1, &own), (0, &other)] {
                let mut refused = frame.clone();
                refused[changed] ^= u8::from(changed > 0);
                let result = key.open_in_place(backend, &mut refused, context).map(|_| ());
                assert_unauthentic(result, "refused");
                assert!(refused[header_len..].iter().all(|byte| *byte == 0), "{backend:?}");
                assert_eq!(refused[..header_len - 1], frame[..header_len - 1]);
            }
        }
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
