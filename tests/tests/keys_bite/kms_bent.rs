//! What a sabotaged key service makes of contexts, tenants and errors.

use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId, WrapContext};

use crate::kms::SabotagedKms;
use crate::kms_table::KmsSabotage::*;

impl SabotagedKms {
    pub(crate) fn bent_tenant(&self, tenant: &TenantId) -> TenantId {
        let name = match self.how {
            IgnoresTenant => "everybody".to_owned(),
            FoldsTenantNames => tenant.as_str().to_lowercase(),
            BringsTenantsBack => match self.world.lives.lock().unwrap().get(tenant) {
                Some(lives) => format!("{tenant}{lives}"),
                None => tenant.to_string(),
            },
            _ => return tenant.clone(),
        };
        TenantId::new(&name).unwrap()
    }

    pub(crate) fn bent(&self, context: &WrapContext) -> WrapContext {
        let tenant = self.bent_tenant(context.tenant());
        let (environment, scope) = (context.environment(), context.scope());
        match self.how {
            LacksAssociatedData => WrapContext::new(None, tenant, ""),
            IgnoresScope => WrapContext::new(environment, tenant, ""),
            IgnoresEnvironment => WrapContext::new(None, tenant, scope),
            TakesAbsentForEmpty => {
                WrapContext::new(Some(environment.unwrap_or_default()), tenant, scope)
            }
            ConcatenatesContext => {
                let all = format!("{}{scope}", environment.unwrap_or_default());
                WrapContext::new(None, tenant, &all)
            }
            _ => WrapContext::new(environment, tenant, scope),
        }
    }

    pub(crate) fn bent_error(&self, error: KeyError, wrapped: &[u8]) -> KeyError {
        use KeyErrorKind as K;
        let kind = match (self.how, error.kind()) {
            (CallsMalformedMismatch, K::Malformed) => K::ContextMismatch,
            (CallsAbsentVersionMismatch, K::WrongKeyVersion) => K::ContextMismatch,
            (CallsMismatchUnavailable, K::ContextMismatch) => K::Unavailable,
            (CallsForbiddenCreationNotFound, K::Denied) => K::KeyNotFound,
            (QuotesItsInput, kind) => {
                return KeyError::new(kind.clone(), format!("cannot open {wrapped:?}"));
            }
            _ => return error,
        };
        KeyError::new(kind, "not what it should be")
    }
}
