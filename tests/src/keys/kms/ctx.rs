//! What a case holds: a harness, a client, and tenants of its own.

use std::future::Future;
use std::sync::{Arc, Mutex};

use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    TenantId, WrapContext,
};
use tokio::time::timeout;

use super::{BadForm, KmsHarness};
use crate::keys::secrets::{check_hidden, everything};
use crate::outcome::{CaseResult, Stop};

/// The surroundings of one case.
#[derive(Clone)]
pub struct KmsCtx(Arc<Inner>);

struct Inner {
    harness: Box<dyn KmsHarness>,
    service: Arc<dyn KeyManagementService>,
    /// Every DEK of the case: none of them may stand in an error.
    deks: Mutex<Vec<Vec<u8>>>,
}

impl KmsCtx {
    /// Connects to the service.
    pub(crate) async fn connect(harness: Box<dyn KmsHarness>) -> CaseResult<Self> {
        let service = harness.client().await?;
        Ok(Self(Arc::new(Inner { harness, service, deks: Mutex::default() })))
    }

    /// What the backend can be asked for.
    pub fn harness(&self) -> &dyn KmsHarness {
        self.0.harness.as_ref()
    }

    /// The client of the case.
    pub fn service(&self) -> &Arc<dyn KeyManagementService> {
        &self.0.service
    }

    /// A tenant that nobody used before, and a context of it.
    pub fn unused(&self) -> CaseResult<(TenantId, WrapContext)> {
        let tenant = self.harness().tenant()?;
        let context = self.context(&tenant);
        Ok((tenant, context))
    }

    /// A tenant that has version 1, and a context of it.
    pub async fn used(&self) -> CaseResult<(TenantId, WrapContext)> {
        let (tenant, context) = self.unused()?;
        self.generate(&context).await?;
        Ok((tenant, context))
    }

    /// A context of this tenant.
    pub fn context(&self, tenant: &TenantId) -> WrapContext {
        WrapContext::new(Some("contract"), tenant.clone(), "orders")
    }

    /// A DEK that was not made by the service.
    pub fn dek(&self) -> CaseResult<EncryptionKey> {
        let dek = EncryptionKey::generate()?;
        self.note(&dek);
        Ok(dek)
    }

    /// A DEK that was made by the service.
    pub async fn generate(&self, context: &WrapContext) -> CaseResult<GeneratedDek> {
        let generated = self.service().generate_dek(context).await?;
        self.note(&generated.dek);
        Ok(generated)
    }

    /// Remembers that this must not be shown.
    pub fn note(&self, dek: &EncryptionKey) {
        self.0.deks.lock().unwrap().push(dek.expose_secret().to_vec());
    }

    /// The version of the KEK that wrapped this.
    pub fn version_of(&self, wrapped: &[u8]) -> CaseResult<KekVersion> {
        let version = self.service().version_of(wrapped);
        version.ok_or_else(|| Stop::broken("a wrapped form names its version"))
    }

    /// The service opens the form, and it holds the DEK.
    pub async fn check_opens(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
        dek: &EncryptionKey,
        promise: &str,
    ) -> CaseResult {
        check_opens(self.service(), wrapped, context, dek, promise).await
    }

    /// The bad form was refused, for good, with a kind that says why, and without showing a key.
    #[track_caller]
    pub fn refused<T>(&self, form: BadForm, result: Result<T, KeyError>) -> CaseResult {
        self.refused_as(&self.harness().refusals_of(form), &format!("{form:?}"), result)
    }

    /// The call was refused because the tenant has no keys, or none any more.
    #[track_caller]
    pub fn not_found<T>(&self, what: &str, result: Result<T, KeyError>) -> CaseResult {
        self.refused_as(&[KeyErrorKind::KeyNotFound], what, result)
    }

    /// The call was refused because it is not allowed.
    #[track_caller]
    pub fn denied<T>(&self, what: &str, result: Result<T, KeyError>) -> CaseResult {
        self.refused_as(&[KeyErrorKind::Denied], what, result)
    }

    #[track_caller]
    fn refused_as<T>(
        &self,
        kinds: &[KeyErrorKind],
        what: &str,
        result: Result<T, KeyError>,
    ) -> CaseResult {
        let Err(error) = result else {
            return Err(Stop::broken(format!("this is refused: {what}")));
        };
        let kind = error.kind();
        check!(kinds.contains(kind), "{what} is refused as one of {kinds:?}, not as {kind:?}");
        check!(!error.is_retryable(), "{what} is refused for good");
        self.check_hidden("an error", &everything(&error))
    }

    /// Neither a DEK of the case nor a secret of the harness stands in what is shown.
    #[track_caller]
    pub fn check_hidden(&self, what: &str, shown: &[u8]) -> CaseResult {
        check_hidden(what, shown, &self.0.deks.lock().unwrap())?;
        check_hidden(what, shown, &self.harness().secrets())
    }

    /// The outcome of `work`, which must come within the patience of the backend.
    #[track_caller]
    pub fn soon<'a, T>(
        &self,
        what: &'a str,
        work: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = CaseResult<T>> + 'a {
        let patience = self.harness().patience();
        let late = Stop::broken(format!("{what} within {patience:?}"));
        async move { timeout(patience, work).await.map_err(|_| late) }
    }
}

/// This client opens the form, and it holds the DEK.
pub(crate) async fn check_opens(
    service: &Arc<dyn KeyManagementService>,
    wrapped: &[u8],
    context: &WrapContext,
    dek: &EncryptionKey,
    promise: &str,
) -> CaseResult {
    match service.decrypt_dek(wrapped, context).await {
        Ok(opened) => {
            check!(opened == *dek, "{promise}, but it opens to another DEK");
            Ok(())
        }
        Err(error) => Err(Stop::broken(format!("{promise}, but: {error}"))),
    }
}
