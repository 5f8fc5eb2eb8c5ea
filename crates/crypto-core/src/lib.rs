//! The QRE1 frame and its cryptography, and the key and crypto traits of sealmq.
//!
//! | to … | look at |
//! | --- | --- |
//! | seal and open bodies | [`CryptoProvider`], [`AesGcmCryptoProvider`] |
//! | bring keys from a secret store | [`KeyProvider`] |
//! | bring keys from a key service | [`KeyManagementService`], [`Keyring`] |
//! | refuse replays | [`ReplayGuard`], [`MemoryReplayGuard`] |
//! | choose a policy | [`CryptoConfig`], [`PlaintextPolicy`] |
//! | test what this build computes with | [`self_test()`] |
//! | read a frame without opening it | [`EncryptedMessage`], [`mod@format`] |
//!
//! There is no I/O here, no async runtime and no cloud SDK. The traits are `async` because their
//! implementations do I/O; nothing in this crate needs a reactor to run.
//!
//! The wire format is specified in `docs/format.md`.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring", feature = "rust-crypto")))]
compile_error!("choose at least one AEAD back end: feature `aws-lc-rs`, `ring` or `rust-crypto`");

mod aead;
mod clock;
mod config;
mod context;
mod crypto_provider;
mod encrypted_message;
mod error;
pub mod format;
mod kdf;
mod keyring;
mod keys;
mod message_key;
mod primitives;
mod probe;
mod provider;
mod random;
mod remote;
mod replay;
mod secret;
mod self_test;
mod suite;

// The fixtures of the tests are shared with the integration tests, which see this crate by its name.
#[cfg(test)]
extern crate self as sealmq_crypto_core;
#[cfg(doctest)]
#[path = "tests/does_not_compile.rs"]
mod does_not_compile;
#[cfg(test)]
mod tests;

pub use aead::AeadBackend;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{CryptoConfig, Freshness, PlaintextPolicy, PlaintextVerdict};
pub use context::{
    ContextScope, EncryptionContext, EncryptionContextBuilder, MAX_CONTEXT_VALUE_BYTES,
};
pub use crypto_provider::{CryptoProvider, OpenedMessage, SealRequest};
pub use encrypted_message::{AuthenticationTag, EncryptedMessage, Nonce};
pub use error::{CryptoError, CryptoErrorKind, ErrorKindCode};
pub use keyring::{
    BackgroundTask, KeyEvent, KeyObserver, Keyring, KeyringBuilder, KeyringPolicy, NamedKeys, Spawn,
};
pub use keys::{
    CredentialSource, Credentials, EncryptionKeyId, GeneratedDek, KekAlias, KekVersion, KeyError,
    KeyErrorKind, KeyManagementService, KeyProvider, KmsCapabilities, TenantId, WrapContext,
    WrappedDek, random_bytes, random_key,
};
pub use message_key::MessageKey;
pub use provider::{AesGcmCryptoProvider, AesGcmCryptoProviderBuilder};
pub use remote::{REMOTE_OVERHEAD_BYTES, RemoteSeal, RemoteSealed};
pub use replay::{DeliveryIdentity, MemoryReplayGuard, ReplayError, ReplayGuard, Reservation};
pub use secret::EncryptionKey;
pub use self_test::{SelfTestError, self_test};
pub use suite::Suite;
