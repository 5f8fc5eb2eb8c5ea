//! The sabotaged key service under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_contract_tests::keys::kms::{BadForm, KmsBackend, KmsHarness};
use sealmq_contract_tests::outcome::CaseResult;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_local::MemoryKms;

use crate::kms::SabotagedKms;
use crate::kms_table::KmsSabotage;
use crate::kms_world::World;

const SECRET: &str = "the secret of the adapter";

pub(crate) fn backend(how: KmsSabotage) -> Arc<dyn KmsBackend> {
    Arc::new(SabotagedBackend(how))
}

struct SabotagedBackend(KmsSabotage);

#[async_trait]
impl KmsBackend for SabotagedBackend {
    fn name(&self) -> &'static str {
        "sabotaged"
    }

    fn case_timeout(&self) -> Duration {
        match self.0 {
            KmsSabotage::Hangs => Duration::from_millis(300),
            _ => Duration::from_secs(20),
        }
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        Ok(Box::new(SabotagedHarness { how: self.0, world: Arc::new(World::new()) }))
    }
}

struct SabotagedHarness {
    how: KmsSabotage,
    world: Arc<World>,
}

impl SabotagedHarness {
    fn client_of(&self, honest: MemoryKms) -> Arc<dyn KeyManagementService> {
        self.client_in(&self.world, honest)
    }

    fn client_in(&self, world: &Arc<World>, honest: MemoryKms) -> Arc<dyn KeyManagementService> {
        Arc::new(SabotagedKms {
            how: self.how,
            world: Arc::clone(world),
            honest,
            remembered: Mutex::default(),
        })
    }
}

#[async_trait]
impl KmsHarness for SabotagedHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(self.client_of(self.world.kms.clone()))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.world.stranger.clone()))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let creates = self.how == KmsSabotage::CreatesAnyway;
        Ok(self.client_of(self.world.kms.clone().with_auto_create(creates)))
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let world = Arc::new(World { is_down: true, ..World::new() });
        Ok(self.client_in(&world, world.kms.clone()))
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        match form {
            BadForm::Changed { at: 0..4, .. } => vec![KeyErrorKind::WrongKeyVersion],
            BadForm::Changed { .. } => vec![KeyErrorKind::ContextMismatch],
            other => other.usual_refusals(),
        }
    }

    fn patience(&self) -> Duration {
        match self.how {
            KmsSabotage::LeavesLockBehind => Duration::from_millis(300),
            _ => Duration::from_secs(10),
        }
    }

    fn shows(&self) -> Vec<String> {
        match self.how {
            KmsSabotage::ShowsSecret => vec![format!("Kms {{ token: {SECRET:?} }}")],
            _ => vec!["Kms { token: [redacted] }".into()],
        }
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![SECRET.into()]
    }
}
