//! The key services that `--keys` chooses from: each role connects to them by itself.

mod argument;
#[cfg(feature = "aws-kms")]
mod aws_kms;
#[cfg(feature = "azure-keyvault")]
mod azure;
#[cfg(feature = "postgres")]
pub(crate) mod database_login;
#[cfg(unix)]
mod file;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "vault")]
mod vault;

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::{KeyError, KeyManagementService};

pub(crate) use self::argument::{KNOWN, Opening, open};
use crate::error::CliError;

/// What the keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The demo: tenants of its own, which their first use creates.
    Demo,
    /// An operator: tenants that are there, and none that appears by a slip of the pen.
    Operate,
    /// An operator who creates a tenant.
    Create,
}

impl Purpose {
    /// Whether a tenant's first use creates its KEK.
    pub(crate) fn creates(self) -> bool {
        self != Self::Operate
    }
}

/// A key service that can be connected to any number of times.
#[async_trait]
pub(crate) trait KeySource: Send + Sync {
    /// What `--keys` calls it.
    fn kind(&self) -> &'static str;

    /// Which one it is, for people; never with a secret.
    fn describe(&self) -> String;

    /// A further connection.
    ///
    /// # Errors
    /// The adapter's.
    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError>;

    /// What an operator has to have done before, as a command.
    fn how_to_prepare(&self) -> &'static str;

    /// What is left of a tenant that was shredded.
    fn remains(&self) -> &'static str;

    /// The one that can do more than the others.
    #[cfg(feature = "postgres")]
    fn as_postgres(&self) -> Option<&postgres::PostgresSource> {
        None
    }
}

/// A connection, or the error that names the service.
pub(crate) async fn connect(
    source: &dyn KeySource,
) -> Result<Arc<dyn KeyManagementService>, CliError> {
    source.connect().await.map_err(|error| cannot_use(source, error))
}

/// The service is there or not, and does not do what is asked of it.
pub(crate) fn cannot_use(source: &dyn KeySource, error: KeyError) -> CliError {
    CliError::failed(format!("cannot use {}", source.describe()))
        .because(error)
        .with_advice(format!("if it is not prepared yet: {}", source.how_to_prepare()))
}
