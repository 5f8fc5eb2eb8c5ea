//! Fixtures of all tests: contexts, keys, and doubles of what this crate asks for keys and time.
#![allow(dead_code, reason = "each test binary uses its own part")]

mod kms;
mod store;
mod switchboard;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{
    AeadBackend, AesGcmCryptoProvider, BackgroundTask, ContextScope, CryptoConfig, CryptoError,
    CryptoErrorKind, EncryptionContext, EncryptionKey, EncryptionKeyId, KekAlias, Keyring,
    KeyringPolicy, ManualClock, MessageKey, NamedKeys, Spawn, Suite, TenantId, WrapContext,
    WrappedDek,
};

pub(crate) use kms::FakeKms;
pub(crate) use store::FakeStore;
pub(crate) use switchboard::Switchboard;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;
pub(crate) const KEY_ID: &str = "orders-2026a";
/// Found again in any text that a plaintext leaked into.
pub(crate) const CANARY: &str = "plaintext-canary-5d1f";

pub(crate) fn scope_of(
    environment: Option<&str>,
    tenant: Option<&str>,
    queue: &str,
) -> Arc<ContextScope> {
    Arc::new(ContextScope::new(environment, tenant, queue).unwrap())
}

pub(crate) fn scope() -> Arc<ContextScope> {
    scope_of(Some("production"), Some("tenant-a"), "orders")
}

/// The context of most tests: every field but the attributes is short, none is absent.
pub(crate) fn context() -> EncryptionContext {
    full_context(&scope(), "customer-42")
}

pub(crate) fn full_context(scope: &Arc<ContextScope>, session: &str) -> EncryptionContext {
    EncryptionContext::builder(scope, "msg-0001")
        .message_type(Some("order.created"))
        .content_type(Some("application/json"))
        .session_id(Some(session))
        .correlation_id(Some("corr-0001"))
        .reply_to(Some("orders-replies"))
        .attribute("region", "eu-1")
        .build()
        .unwrap()
}

pub(crate) fn key(fill: u8) -> EncryptionKey {
    EncryptionKey::from_slice(&[fill; 32]).unwrap()
}

pub(crate) fn key_id(id: &str) -> EncryptionKeyId {
    EncryptionKeyId::new(id).unwrap()
}

pub(crate) fn alias(alias: &str) -> KekAlias {
    KekAlias::new(alias).unwrap()
}

pub(crate) fn tenant(tenant: &str) -> TenantId {
    TenantId::new(tenant).unwrap()
}

pub(crate) fn wrap_context(tenant_id: &str, queue: &str) -> WrapContext {
    WrapContext::new(Some("production"), tenant(tenant_id), queue)
}

pub(crate) fn named_key() -> MessageKey {
    MessageKey::named(&key_id(KEY_ID), &key(7)).unwrap()
}

/// A key whose frames carry two wrapped forms.
pub(crate) fn wrapped_key() -> MessageKey {
    let forms = [("kek-primary", 60), ("kek-standby", 40)]
        .map(|(name, len)| WrappedDek::new(alias(name), vec![0xab; len]).unwrap());
    MessageKey::wrapped(&key(9), &forms).unwrap()
}

/// A frame of the default back end, sealed at [`NOW_MS`].
pub(crate) fn sealed(
    key: &MessageKey,
    suite: Suite,
    body: &[u8],
    context: &EncryptionContext,
) -> Vec<u8> {
    key.seal(suite, AeadBackend::default(), body, context, NOW_MS).unwrap()
}

/// What a frame opens to, in a copy.
pub(crate) fn opened(
    key: &MessageKey,
    frame: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>, CryptoError> {
    let mut frame = frame.to_vec();
    key.open_in_place(AeadBackend::default(), &mut frame, context).map(|body| body.to_vec())
}

pub(crate) fn assert_unauthentic<T: std::fmt::Debug>(result: Result<T, CryptoError>, what: &str) {
    assert_eq!(result.unwrap_err().kind(), &CryptoErrorKind::AuthenticationFailed, "{what}");
}

pub(crate) fn assert_malformed<T: std::fmt::Debug>(result: Result<T, CryptoError>, what: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error.kind(), CryptoErrorKind::Malformed { .. }), "{what}: {error}");
}

pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, CryptoError>, named: &str) {
    match result.unwrap_err().kind() {
        CryptoErrorKind::InvalidInput { field } => assert_eq!(*field, named),
        other => panic!("{named}: {other:?}"),
    }
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix_ms(NOW_MS))
}

/// A small policy: 1 min soft, 2 min hard, 64 entries.
#[allow(
    clippy::field_reassign_with_default,
    reason = "outside of the crate the struct has no literal"
)]
pub(crate) fn policy() -> KeyringPolicy {
    let mut policy = KeyringPolicy::default();
    policy.soft_age = Duration::from_secs(60);
    policy.hard_age = Duration::from_secs(120);
    policy.cache_capacity = 64;
    policy
}

/// A keyring over one service under the alias `kek-1`.
pub(crate) fn keyring(
    kms: &Arc<FakeKms>,
    policy: KeyringPolicy,
    clock: &Arc<ManualClock>,
) -> Keyring {
    Keyring::builder()
        .kek(alias("kek-1"), kms.clone())
        .policy(policy)
        .clock(clock.clone())
        .build()
        .unwrap()
}

pub(crate) fn named_keys(store: &Arc<FakeStore>, clock: &Arc<ManualClock>) -> NamedKeys {
    NamedKeys::with_surroundings(store.clone(), &policy(), clock.clone(), None, None).unwrap()
}

/// A provider with the named key [`KEY_ID`].
pub(crate) fn named_provider(config: &CryptoConfig) -> AesGcmCryptoProvider {
    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    AesGcmCryptoProvider::builder()
        .named_keys(named_keys(&store, &clock))
        .config(config)
        .clock(clock)
        .build()
        .unwrap()
}

pub(crate) fn keyring_provider(
    keyring: Keyring,
    clock: &Arc<ManualClock>,
    suite: Suite,
) -> AesGcmCryptoProvider {
    AesGcmCryptoProvider::builder()
        .keyring(keyring)
        .config(&CryptoConfig::default().with_suite(suite))
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// Runs background work on tokio, as the client does.
pub(crate) struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BackgroundTask) {
        tokio::spawn(task);
    }
}

/// Gives the other tasks of a single-threaded runtime the floor until `happened`.
pub(crate) async fn until(happened: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if happened() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("what was waited for did not happen");
}

/// Gives every other task of a single-threaded runtime the floor a few times.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Starts a future as a task and lets it run as far as it gets.
pub(crate) async fn started<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let task = tokio::spawn(future);
    settle().await;
    task
}

/// Keys rest masked in the doubles, so that a scan of the memory finds only what the crate holds.
pub(crate) const MASK: u8 = 0xa5;

fn masked(key: &[u8]) -> Vec<u8> {
    key.iter().map(|byte| byte ^ MASK).collect()
}

fn unmasked(masked: &[u8]) -> EncryptionKey {
    let mut bytes = self::masked(masked);
    let key = EncryptionKey::from_slice(&bytes).unwrap();
    zeroize::Zeroize::zeroize(&mut bytes);
    key
}
