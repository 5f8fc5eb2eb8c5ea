//! The key service on a token.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cryptoki::session::Session;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_key,
};

use crate::client::Pkcs11Client;
use crate::config::Pkcs11Config;
use crate::error::{Failure, malformed};
use crate::health;
use crate::key_label::key_label;
use crate::on_token::{OnToken, Settings};
use crate::token::Token;
use crate::wrap::{WRAPPED_LEN, WrappedForm};

/// A key service whose KEKs are AES-256 keys of a PKCS#11 token: generated inside it, sensitive and
/// never extractable.
///
/// # Contract
/// - That of [`KeyManagementService`]. A wrapped DEK has 64 bytes: `key_version u32 BE ‖ nonce 12 ‖
///   ciphertext 32 ‖ tag 16`, AES-256-GCM by the token. Associated data: a label for this use, the
///   version and [`WrapContext::associated_data`].
/// - A KEK is a secret key with the label `prefix/tenant` and the id `version u32 BE ‖ 12 random
///   bytes`. Keys with such a label that the token did not generate are ignored.
/// - A shredded tenant leaves a tombstone, a data object with its label.
/// - Calls of one process are atomic. First uses by several processes at once may make several keys
///   of version 1: all of them open, and the one with the lowest id wraps once it is seen. Rotations
///   by several processes at once may be one rotation.
/// - A DEK is made by the kernel and passes through this process when it is re-wrapped.
/// - One attempt per call, on a blocking thread. A session that broke is replaced by the next call.
///   A PIN that was refused is not shown to the token again, and none is on its last try.
/// - Login holds for the process: who logs in first serves, or strands, all who use the token.
/// - Clones share the sessions. The process must not fork while it uses the module.
#[derive(Clone)]
pub struct Pkcs11Service {
    client: Pkcs11Client,
    name: Arc<str>,
    settings: Settings,
}

impl Pkcs11Service {
    /// Loads the module, unless this process did before, finds the token and logs in.
    ///
    /// # Errors
    /// `InvalidInput` names the field of the configuration; `Denied` for a PIN that is wrong or
    /// locked; `Unavailable` when no such token is present or it does not answer.
    pub async fn connect(config: Pkcs11Config) -> Result<Self, KeyError> {
        config.validate()?;
        let settings = Settings {
            key_prefix: config.key_prefix.as_str().into(),
            auto_create: config.auto_create,
            read_only: config.read_only,
            restrict_mechanisms: config.restrict_mechanisms,
            nonce_source: config.nonce_source,
            checked: Arc::default(),
        };
        let client = Pkcs11Client::connect(config).await?;
        let token = client.token();
        let name =
            format!("pkcs11:{}:{}/{}", token.label(), token.serial(), settings.key_prefix).into();
        Ok(Self { client, name, settings })
    }

    /// Does this with the keys of a tenant. A key that another process destroyed between listing
    /// and use is no failure of the token: the second look tells why it is gone.
    async fn with_tenant<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Fn(&OnToken<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, KeyError> {
        let (tenant, settings) = (tenant.clone(), self.settings.clone());
        let work = move |session: &Session, token: &Token| {
            let label = key_label(&settings.key_prefix, &tenant);
            let on_token =
                OnToken { session, token, tenant: &tenant, label: &label, settings: &settings };
            match work(&on_token) {
                Err(failure) if failure.is_vanished_key() => work(&on_token),
                outcome => outcome,
            }
        };
        self.client.run(work).await
    }

    async fn wrap_by_latest(
        &self,
        dek: EncryptionKey,
        context: &WrapContext,
    ) -> Result<(EncryptionKey, Vec<u8>), KeyError> {
        let (context, dek) = (context.clone(), Arc::new(dek));
        let held = Arc::clone(&dek);
        let tenant = context.tenant().clone();
        let work = move |on_token: &OnToken<'_>| on_token.wrap_by_latest(&held, &context);
        let wrapped = self.with_tenant(&tenant, work).await?;
        let dek = Arc::into_inner(dek).ok_or_else(|| malformed("a DEK in use elsewhere"))?;
        Ok((dek, wrapped))
    }
}

#[async_trait]
impl KeyManagementService for Pkcs11Service {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        let mut capabilities = KmsCapabilities::full(WRAPPED_LEN);
        capabilities.server_side_rewrap = false;
        capabilities.rotation = !self.settings.read_only;
        capabilities.deletion = !self.settings.read_only;
        capabilities
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        WrappedForm::parse(wrapped).ok().map(|form| KekVersion(form.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let (dek, wrapped) = self.wrap_by_latest(random_key()?, context).await?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let copy = EncryptionKey::from_slice(dek.expose_secret());
        let copy = copy.map_err(|_| malformed("a DEK has 32 bytes"))?;
        self.wrap_by_latest(copy, context).await.map(|(_, wrapped)| wrapped)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let (form, context) = (WrappedForm::parse(wrapped)?, context.clone());
        let tenant = context.tenant().clone();
        self.with_tenant(&tenant, move |on_token| on_token.open(&form, &context)).await
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let (form, context) = (WrappedForm::parse(wrapped)?, context.clone());
        let tenant = context.tenant().clone();
        self.with_tenant(&tenant, move |on_token| on_token.rewrap(&form, &context)).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.with_tenant(tenant, |on_token| on_token.rotate()).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.with_tenant(tenant, |on_token| on_token.shred()).await
    }

    async fn health(&self) -> Result<(), KeyError> {
        let prefix = Arc::clone(&self.settings.key_prefix);
        self.client.run(move |session, token| health::check(session, token, &prefix)).await
    }
}

impl fmt::Debug for Pkcs11Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Service")
            .field("name", &self.name)
            .field("auto_create", &self.settings.auto_create)
            .field("read_only", &self.settings.read_only)
            .field("nonce_source", &self.settings.nonce_source)
            .finish_non_exhaustive()
    }
}
