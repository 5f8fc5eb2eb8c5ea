//! What an adapter of a key service brings to be tested.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, TenantId};
use uuid::Uuid;

use crate::outcome::{CaseResult, Stop};

/// A key service under test. It lives as long as the test program.
#[async_trait]
pub trait KmsBackend: Send + Sync {
    /// Short name, as in the list of allowed skips.
    fn name(&self) -> &'static str;

    /// Real time after which a case counts as hanging.
    fn case_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The harness of one case, made inside the case's own runtime.
    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>>;
}

/// What a case can ask of the service it is tested on.
///
/// What a backend cannot do it leaves at the default, which skips the case; the skip then has to
/// be listed with its reason.
#[async_trait]
pub trait KmsHarness: Send + Sync {
    /// A client of the service, another one with each call: what one does, all see.
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>>;

    /// A client of a service with the same tenants and other KEKs.
    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Err(Stop::skip("there is no second service"))
    }

    /// A client that may not create a tenant's first KEK on its first use.
    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Err(Stop::skip("first use always creates"))
    }

    /// A client of a service that does not answer: nobody listens where it should be.
    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Err(Stop::skip("the service is in this process"))
    }

    /// Whether the service refuses some of the rotations that two clients make at once, to be tried
    /// again. Their versions may then be counted or not.
    fn rotations_of_two_clients_may_clash(&self) -> bool {
        false
    }

    /// A tenant that nobody used before, of at most 64 bytes.
    fn tenant(&self) -> CaseResult<TenantId> {
        Ok(TenantId::new(&format!("contract-{}", Uuid::now_v7().simple()))?)
    }

    /// The kinds of error that a bad form may be refused with. A service that cannot tell two of
    /// them apart says so here.
    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        form.usual_refusals()
    }

    /// How long to wait for what must come.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// What the adapter shows of itself: the debug output of its public types, built with the
    /// credentials that [`KmsHarness::secrets`] lists.
    fn shows(&self) -> Vec<String>;

    /// Credentials and key bytes that must never be seen.
    fn secrets(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Removes what the case left behind.
    async fn clean_up(&self) {}
}

/// A wrapped form that must not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadForm {
    /// Of another tenant, which has KEKs of its own.
    OtherTenant,
    /// Of a service with other KEKs.
    OtherKek,
    /// Of another environment or scope.
    OtherContext,
    /// With a version that is not there.
    AbsentVersion,
    /// Of a tenant that was never used.
    UnusedTenant,
    /// With one byte changed.
    Changed {
        /// Which byte.
        at: usize,
        /// Of so many.
        len: usize,
    },
    /// Random bytes of the right length.
    Random,
    /// Cut off, with something left.
    Truncated,
    /// Of no bytes at all.
    Empty,
    /// With bytes appended.
    Oversized,
}

impl BadForm {
    /// The kinds of error where nothing keeps a service from telling the forms apart.
    pub fn usual_refusals(self) -> Vec<KeyErrorKind> {
        use KeyErrorKind as K;
        match self {
            Self::OtherTenant | Self::OtherKek | Self::OtherContext => vec![K::ContextMismatch],
            Self::AbsentVersion => vec![K::WrongKeyVersion],
            Self::UnusedTenant => vec![K::KeyNotFound],
            Self::Changed { .. } | Self::Random => {
                vec![K::ContextMismatch, K::WrongKeyVersion, K::Malformed]
            }
            Self::Truncated | Self::Empty | Self::Oversized => vec![K::Malformed],
        }
    }
}
