//! Keys in an HSM under test: two tokens of SoftHSM, one of them the stranger's.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_pkcs11::{Pin, Pkcs11Config, Pkcs11Service, TokenName};
use sealmq_test_kit::SoftHsm;

use crate::keys::kms::{BadForm, KmsBackend, KmsHarness};
use crate::outcome::CaseResult;

const TOKEN: &str = "contract";
const STRANGER: &str = "stranger";

/// [`Pkcs11Service`]; all cases share two tokens, and none shares a tenant.
pub struct Pkcs11Backend;

impl Pkcs11Backend {
    /// What `run` says in a process that has the tokens: this program, started again.
    pub fn with_tokens(run: impl FnOnce() -> ExitCode) -> ExitCode {
        let only_lists = std::env::args_os().any(|argument| argument == "--list");
        if SoftHsm::is_inside() || only_lists {
            return run();
        }
        let ended = SoftHsm::new(&[TOKEN, STRANGER]).run_again(std::env::args_os().skip(1));
        if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn config(token: &str) -> CaseResult<Pkcs11Config> {
    let token = TokenName::Label(token.to_owned());
    Ok(Pkcs11Config::new(SoftHsm::module(), token, Pin::new(SoftHsm::PIN.to_owned())?))
}

#[async_trait]
impl KmsBackend for Pkcs11Backend {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        let shown = Pkcs11Service::connect(config(TOKEN)?).await?;
        Ok(Box::new(Pkcs11Harness { shown }))
    }
}

struct Pkcs11Harness {
    shown: Pkcs11Service,
}

#[async_trait]
impl KmsHarness for Pkcs11Harness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(Pkcs11Service::connect(config(TOKEN)?).await?))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(Pkcs11Service::connect(config(STRANGER)?).await?))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let config = config(TOKEN)?.with_auto_create(false);
        Ok(Arc::new(Pkcs11Service::connect(config).await?))
    }

    /// All bad forms are told apart: the version stands first, all that follows is authenticated.
    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        match form {
            BadForm::Changed { at: 0..4, .. } => vec![KeyErrorKind::WrongKeyVersion],
            BadForm::Changed { .. } => vec![KeyErrorKind::ContextMismatch],
            other => other.usual_refusals(),
        }
    }

    fn shows(&self) -> Vec<String> {
        vec![format!("{:?}", self.shown), format!("{:?}", config(TOKEN).ok())]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![SoftHsm::PIN.into(), SoftHsm::SO_PIN.into()]
    }
}
