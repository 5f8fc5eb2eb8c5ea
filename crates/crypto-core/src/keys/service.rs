//! The trait of key services: the KEK never leaves, DEKs are wrapped and unwrapped.

use std::fmt;

use async_trait::async_trait;

use super::{KekAlias, KeyError, TenantId, WrapContext};
use crate::error::CryptoError;
use crate::format::MAX_WRAPPED_LEN;
use crate::secret::EncryptionKey;

/// A DEK wrapped by one KEK, with the alias the receiver knows that KEK by.
///
/// The bytes are opaque to all but the service that made them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedDek {
    kek_alias: KekAlias,
    bytes: Vec<u8>,
}

impl WrappedDek {
    /// A wrapped DEK of 1 to 4,096 bytes.
    ///
    /// # Errors
    /// `InvalidInput` for another length.
    pub fn new(kek_alias: KekAlias, bytes: Vec<u8>) -> Result<Self, CryptoError> {
        if !(1..=MAX_WRAPPED_LEN).contains(&bytes.len()) {
            let reason = format!("{} bytes, 1 to {MAX_WRAPPED_LEN} are allowed", bytes.len());
            return Err(CryptoError::invalid_input("wrapped_dek", reason));
        }
        Ok(Self { kek_alias, bytes })
    }

    /// The receiver's own name for the KEK.
    pub fn kek_alias(&self) -> &KekAlias {
        &self.kek_alias
    }

    /// The wrapped form.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for WrappedDek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.bytes.len();
        f.debug_struct("WrappedDek").field("kek_alias", &self.kek_alias).field("len", &len).finish()
    }
}

/// A fresh DEK in both forms.
#[derive(Debug)]
pub struct GeneratedDek {
    /// The DEK itself.
    pub dek: EncryptionKey,
    /// The same, wrapped; opaque bytes of 1 to 4,096.
    pub wrapped: Vec<u8>,
}

/// A version of a tenant's KEK, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekVersion(pub u32);

/// What a key service can do, as data: the contract suite holds every claim to the test.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KmsCapabilities {
    /// The wrap is bound to its context: unwrapping under another one fails.
    pub associated_data: bool,
    /// `rewrap_dek` happens inside the service, without the DEK leaving it.
    pub server_side_rewrap: bool,
    /// `rotate_kek` is available to this client.
    pub rotation: bool,
    /// `delete_kek` is available to this client.
    pub deletion: bool,
    /// The longest wrapped form the service makes, in bytes.
    pub max_wrapped_len: usize,
}

impl KmsCapabilities {
    /// Capabilities with all features and this longest wrapped form.
    pub fn full(max_wrapped_len: usize) -> Self {
        Self {
            associated_data: true,
            server_side_rewrap: true,
            rotation: true,
            deletion: true,
            max_wrapped_len,
        }
    }
}

/// A key service that wraps DEKs under a KEK per tenant: Vault Transit, AWS KMS, Key Vault keys,
/// PostgreSQL, an HSM, a file.
///
/// # Contract
/// - The first use of a tenant creates version 1, unless a policy forbids it: then `Denied`.
/// - `decrypt_dek` uses the version that the wrapped form names; old versions keep opening.
/// - A shredded tenant stays shredded: it is refused, not silently created anew.
/// - Implementations do one attempt; retrying belongs to the client. Dropping a call strands
///   nobody else's.
#[async_trait]
pub trait KeyManagementService: Send + Sync {
    /// A name for logs, metrics and cache keys: which service and which endpoint, no secret.
    fn name(&self) -> &str;

    /// What the service can do.
    fn capabilities(&self) -> KmsCapabilities;

    /// The version of the KEK that a wrapped form names; `None` when the bytes are no form of this
    /// service.
    ///
    /// It is read off the form, without I/O, and nothing authenticates it: for reports and metrics,
    /// never for a decision.
    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion>;

    /// A fresh DEK, also wrapped by the latest version of the tenant's KEK.
    ///
    /// # Errors
    /// `KeyNotFound` for a shredded tenant, `Denied`, `Disabled`: permanent; `Unavailable`,
    /// `Throttled`: retryable.
    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError>;

    /// Wraps a DEK by the latest version of the tenant's KEK.
    ///
    /// # Errors
    /// As [`KeyManagementService::generate_dek`].
    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError>;

    /// Unwraps a DEK.
    ///
    /// # Errors
    /// `ContextMismatch` when it was wrapped for another context or was changed, `Malformed` when
    /// it cannot be a wrapped DEK of this service, `WrongKeyVersion` when its KEK version is not
    /// there; else as [`KeyManagementService::generate_dek`].
    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError>;

    /// Wraps the same DEK by the latest version of the tenant's KEK.
    ///
    /// # Errors
    /// As [`KeyManagementService::decrypt_dek`].
    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError>;

    /// Makes a new version of the tenant's KEK, which seals from now on.
    ///
    /// # Errors
    /// As [`KeyManagementService::generate_dek`].
    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError>;

    /// Shreds every version of the tenant's KEK, for good. Repeating it is fine.
    ///
    /// # Errors
    /// As [`KeyManagementService::generate_dek`], but for `KeyNotFound`.
    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError>;

    /// Asks the service whether it answers and takes the credentials: one cheap request that uses
    /// no key and makes none. The default asks nothing and says that it does, which is true of a
    /// service in this process.
    ///
    /// A refusal that only a known caller gets, for the lack of a permission or of a key, is a good
    /// answer. Whether a key can be used is not asked.
    ///
    /// # Errors
    /// `Denied` when the service does not know the caller; `Unavailable` and `Throttled` are
    /// retryable.
    async fn health(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// Ends the session with the service and gives back what the service keeps for it. Later calls
    /// may fail; repeating it is fine. The default has no session.
    ///
    /// # Errors
    /// `Unavailable` when the service could not be told; the session is over all the same.
    async fn close(&self) -> Result<(), KeyError> {
        Ok(())
    }
}
