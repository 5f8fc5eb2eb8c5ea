//! Which role of a database engine makes the credentials.

use sealmq_crypto_core::KeyError;

use crate::path::check_path;

/// The role of a database engine, and where the engine is mounted.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultDatabaseConfig {
    pub(crate) mount: String,
    pub(crate) role: String,
}

impl VaultDatabaseConfig {
    /// This dynamic role at the mount `database`.
    pub fn new(role: impl Into<String>) -> Self {
        Self { mount: "database".to_owned(), role: role.into() }
    }

    /// The same at another mount.
    #[must_use]
    pub fn with_mount(mut self, mount: impl Into<String>) -> Self {
        self.mount = mount.into();
        self
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        check_path("mount", &self.mount)?;
        check_path("role", &self.role)
    }
}
