//! A host that seals and opens messages with the keys under test.

use std::sync::Arc;

use sealmq_crypto_core::{
    AesGcmCryptoProvider, ContextScope, CryptoError, CryptoProvider, EncryptedMessage,
    EncryptionContext, KekAlias, KeyManagementService, KeyProvider, Keyring, KeyringPolicy,
    NamedKeys, TenantId,
};

use crate::outcome::CaseResult;

/// One host: its caches are its own.
#[derive(Clone)]
pub(crate) struct Host {
    crypto: Arc<AesGcmCryptoProvider>,
    scope: Arc<ContextScope>,
}

impl Host {
    /// A host that wraps DEKs by this service. The keyring is handed out, too.
    pub(crate) fn with_service(
        service: Arc<dyn KeyManagementService>,
        tenant: &TenantId,
    ) -> CaseResult<(Self, Keyring)> {
        let keyring = Keyring::builder().kek(KekAlias::new("under-test")?, service).build()?;
        let crypto = AesGcmCryptoProvider::builder().keyring(keyring.clone()).build()?;
        Ok((Self::new(crypto, Some(tenant.as_str()))?, keyring))
    }

    /// A host that uses the named keys of this store.
    pub(crate) fn with_store(provider: Arc<dyn KeyProvider>) -> CaseResult<Self> {
        let named = NamedKeys::new(provider, &KeyringPolicy::default())?;
        Self::new(AesGcmCryptoProvider::builder().named_keys(named).build()?, None)
    }

    fn new(crypto: AesGcmCryptoProvider, tenant: Option<&str>) -> CaseResult<Self> {
        let scope = ContextScope::new(Some("contract"), tenant, "orders")?;
        Ok(Self { crypto: Arc::new(crypto), scope: Arc::new(scope) })
    }

    /// Seals the message of this number.
    pub(crate) async fn seal(&self, number: usize) -> Result<EncryptedMessage, CryptoError> {
        self.crypto.encrypt(body(number).as_bytes(), &self.context(number)?).await
    }

    /// Opens the message of this number.
    pub(crate) async fn open(
        &self,
        sealed: &EncryptedMessage,
        number: usize,
    ) -> Result<(), CryptoError> {
        let opened = self.crypto.decrypt(sealed.clone(), &self.context(number)?).await?;
        assert_eq!(opened.danger_release_at_any_age(), body(number).as_bytes());
        Ok(())
    }

    fn context(&self, number: usize) -> Result<EncryptionContext, CryptoError> {
        EncryptionContext::builder(&self.scope, &format!("message-{number}")).build()
    }
}

fn body(number: usize) -> String {
    format!("body of message {number}")
}
