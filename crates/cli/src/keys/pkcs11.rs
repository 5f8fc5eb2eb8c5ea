//! An HSM, through PKCS#11, as the environment describes it.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::pkcs11::{Pkcs11Config, Pkcs11Service};
use sealmq::{KeyError, KeyManagementService};

use super::{KeySource, Purpose};

pub(super) struct Pkcs11Source {
    purpose: Purpose,
    shown: String,
}

impl Pkcs11Source {
    /// What the environment says.
    pub(super) fn from_env(purpose: Purpose) -> Result<Self, KeyError> {
        Pkcs11Config::from_env()?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let shown = match variable("SEALMQ_PKCS11_TOKEN_LABEL") {
            Some(label) => format!("token {label}"),
            None => {
                let serial = variable("SEALMQ_PKCS11_TOKEN_SERIAL").unwrap_or_default();
                format!("token of serial number {serial}")
            }
        };
        Ok(Self { purpose, shown })
    }
}

#[async_trait]
impl KeySource for Pkcs11Source {
    fn kind(&self) -> &'static str {
        "pkcs11"
    }

    fn describe(&self) -> String {
        format!("PKCS#11 {}", self.shown)
    }

    /// The PIN is read anew: it is not to be copied.
    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        let config = Pkcs11Config::from_env()?.with_auto_create(self.purpose.creates());
        Ok(Arc::new(Pkcs11Service::connect(config).await?))
    }

    fn how_to_prepare(&self) -> &'static str {
        "the security officer makes the token and its user PIN; see docs/key-management.md"
    }

    fn remains(&self) -> &'static str {
        "a data object with its label"
    }
}
