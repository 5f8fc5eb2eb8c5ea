//! What an adapter of a key store brings to be tested.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKeyId, KeyProvider};

use crate::outcome::{CaseResult, Stop};

/// A key store under test. It lives as long as the test program.
#[async_trait]
pub trait KeyProviderBackend: Send + Sync {
    /// Short name, as in the list of allowed skips.
    fn name(&self) -> &'static str;

    /// Real time after which a case counts as hanging.
    fn case_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The harness of one case, made inside the case's own runtime: a store of its own, with one
    /// key in it, the current one.
    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>>;
}

/// What a case can ask of the store it is tested on.
///
/// What a backend cannot do it leaves at the default, which skips the case; the skip then has to
/// be listed with its reason.
#[async_trait]
pub trait KeyProviderHarness: Send + Sync {
    /// A client of the store, another one with each call.
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>>;

    /// Puts a fresh key into the store and makes it the current one, as an operator would.
    async fn rotate(&self) -> CaseResult<EncryptionKeyId>;

    /// Takes a key that is not current out of use, as an operator would.
    async fn retire(&self, _id: &EncryptionKeyId) -> CaseResult {
        Err(Stop::skip("keys are not taken out of use here"))
    }

    /// The id of a key that is not there.
    fn unknown_id(&self) -> CaseResult<EncryptionKeyId> {
        Ok(EncryptionKeyId::new("no-such-key")?)
    }

    /// How long to wait for what must come.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// What the adapter shows of itself: the debug output of its public types, built with the
    /// credentials that [`KeyProviderHarness::secrets`] lists.
    fn shows(&self) -> Vec<String>;

    /// Credentials that must never be seen.
    fn secrets(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Removes what the case left behind.
    async fn clean_up(&self) {}
}
