//! Where nonces come from: the kernel, asked anew for each seal; without it there is no frame.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::support::{
    FakeStore, KEY_ID, NOW_MS, clock, context, full_context, named_key, named_keys, scope, scope_of,
};
use crate::aead::AeadBackend;
use crate::crypto_provider::{CryptoProvider, SealRequest};
use crate::error::{CryptoError, CryptoErrorKind};
use crate::format::Frame;
use crate::provider::AesGcmCryptoProvider;
use crate::random::{EntropySource, kernel_entropy};
use crate::suite::Suite;

fn provider(entropy: Arc<dyn EntropySource>) -> AesGcmCryptoProvider {
    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    AesGcmCryptoProvider::builder()
        .named_keys(named_keys(&store, &clock))
        .clock(clock)
        .entropy(entropy)
        .build()
        .unwrap()
}

/// The kernel's source, with the sizes it was asked for.
struct Counting {
    kernel: Arc<dyn EntropySource>,
    asked: Mutex<Vec<usize>>,
}

impl Counting {
    fn new() -> Arc<Self> {
        let asked = Mutex::default();
        let kernel = kernel_entropy();
        Arc::new(Self { kernel, asked })
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

impl EntropySource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        self.asked.lock().unwrap().push(bytes.len());
        self.kernel.fill(bytes)
    }
}

struct Failing;

impl EntropySource for Failing {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        // A source may have written something before it noticed.
        bytes.fill(0x11);
        Err(CryptoError::unavailable("no entropy"))
    }
}

struct Constant;

impl EntropySource for Constant {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        bytes.fill(0x42);
        Ok(())
    }
}

#[tokio::test]
async fn a_random_source_that_fails_gives_a_retryable_error_and_no_frame() {
    let error = provider(Arc::new(Failing)).encrypt(b"body", &context()).await.unwrap_err();
    assert_eq!(error.kind(), &CryptoErrorKind::KeyUnavailable);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_random_source_that_fails_gives_a_batch_of_errors_and_no_frame() {
    let context = context();
    let request = SealRequest { plaintext: b"body", context: &context };
    let sealed = provider(Arc::new(Failing)).encrypt_batch(&[request; 3]).await;
    assert_eq!(sealed.len(), 3);
    for result in sealed {
        assert_eq!(result.unwrap_err().kind(), &CryptoErrorKind::KeyUnavailable);
    }
}

/// Why this also holds after a fork and after a virtual machine is cloned: the source keeps no
/// bytes in the process that two copies of it could hand out.
#[tokio::test]
async fn every_seal_asks_the_source_anew_for_exactly_one_nonce() {
    let entropy = Counting::new();
    let provider = provider(entropy.clone());
    for _ in 0..5 {
        provider.encrypt(b"body", &context()).await.unwrap();
    }
    assert_eq!(entropy.asked(), [24; 5]);
}

#[tokio::test]
async fn a_batch_of_one_queue_draws_all_its_nonces_in_one_call() {
    let entropy = Counting::new();
    let context = context();
    let request = SealRequest { plaintext: b"body", context: &context };
    let sealed = provider(entropy.clone()).encrypt_batch(&[request; 10]).await;
    let nonces: HashSet<_> = sealed.into_iter().map(|frame| frame.unwrap().nonce()).collect();
    assert_eq!(nonces.len(), 10);
    assert_eq!(entropy.asked(), [240]);
}

#[tokio::test]
async fn a_batch_of_two_queues_draws_its_nonces_in_two_calls() {
    let entropy = Counting::new();
    let other = full_context(&scope_of(None, None, "invoices"), "customer-42");
    let own = context();
    let requests = [&own, &own, &other].map(|context| SealRequest { plaintext: b"body", context });
    provider(entropy.clone()).encrypt_batch(&requests).await;
    assert_eq!(entropy.asked(), [48, 24]);
}

#[test]
fn an_empty_body_takes_a_nonce_like_any_other() {
    let seal = || named_key().seal(Suite::default(), AeadBackend::default(), b"", &context(), 0);
    let (one, two) = (seal().unwrap(), seal().unwrap());
    assert_ne!(Frame::parse(&one).unwrap().nonce(), Frame::parse(&two).unwrap().nonce());
}

/// The control of the tests on forks: a generator in the process, copied as `fork` copies it.
#[derive(Clone)]
struct Buffered(u64);

impl Buffered {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0
    }
}

#[test]
fn a_generator_copied_as_by_fork_repeats_itself_and_the_kernels_does_not() {
    let mut parent = Buffered(2026);
    let mut child = parent.clone();
    assert_eq!(parent.next(), child.next(), "the control repeats");

    let parent = kernel_entropy();
    let child = Arc::clone(&parent);
    let draw = |source: &Arc<dyn EntropySource>| {
        let mut nonce = [0; 24];
        source.fill(&mut nonce).unwrap();
        nonce
    };
    assert_ne!(draw(&parent), draw(&child));
}

/// What breaks when the kernel's generator does: the one thing that every seal relies on.
#[tokio::test]
async fn a_constant_random_source_repeats_the_key_stream_within_one_context_and_millisecond() {
    let provider = provider(Arc::new(Constant));
    let one = provider.encrypt(b"attack at dawn", &context()).await.unwrap();
    let two = provider.encrypt(b"retreat by sea", &context()).await.unwrap();
    let (one, two) = (Frame::parse(one.as_bytes()).unwrap(), Frame::parse(two.as_bytes()).unwrap());
    assert_eq!((one.nonce(), one.commitment()), (two.nonce(), two.commitment()));
    let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).take(14).collect::<Vec<_>>();
    assert_eq!(xor(one.sealed(), two.sealed()), xor(b"attack at dawn", b"retreat by sea"));
}

#[test]
fn a_constant_nonce_still_derives_another_key_in_another_context_or_millisecond() {
    let seal = |context, at_ms| {
        let frame = named_key()
            .seal_with_nonce(
                Suite::default(),
                AeadBackend::default(),
                b"x",
                context,
                at_ms,
                &[0; 24],
            )
            .unwrap();
        Frame::parse(&frame).unwrap().commitment()
    };
    let (own, other) = (context(), full_context(&scope(), "customer-43"));
    let commitments = [seal(&own, NOW_MS), seal(&own, NOW_MS + 1), seal(&other, NOW_MS)];
    assert_eq!(HashSet::from(commitments).len(), 3);
}
