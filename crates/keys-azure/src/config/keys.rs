//! Which keys of the vault wrap for which tenant, and what this client may do to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sealmq_crypto_core::{KeyError, KeyProvider, TenantId};

use super::{AzureConnection, first_refused};
use crate::key_name::{self, MAX_PREFIX_LEN, is_key_name};

/// The keys of tenants in the vault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyVaultKeys {
    /// A key of each tenant, by its name. Nobody else has a key.
    Mapped(BTreeMap<TenantId, String>),
    /// A key for each tenant, whose name begins with this prefix.
    PerTenant {
        /// Lower-case letters, digits and hyphens, at most 40.
        name_prefix: String,
    },
}

/// What keys are, and what wraps with them.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KekKind {
    /// RSA, wrapping by RSA-OAEP-256. The size in bits, 2048, 3072 or 4096, is that of keys which
    /// this client creates.
    Rsa {
        /// Of the modulus.
        bits: u32,
        /// Whether keys are created in hardware (`RSA-HSM`), for which the vault must be premium.
        hsm: bool,
    },
    /// 256-bit symmetric keys (`oct-HSM`) of a managed HSM, wrapping by A256KW.
    SymmetricHsm,
}

/// How keys of Azure Key Vault are used as a key service.
///
/// RSA keys need [`AzureKeyVaultConfig::with_wrap_authentication`], or the danger without it.
///
/// ```
/// use std::sync::Arc;
/// use sealmq_keys_azure::{
///     AzureConnection, AzureIdentity, AzureKeyVaultConfig, AzureSecretsConfig,
///     AzureSecretsProvider,
/// };
///
/// # fn main() -> Result<(), sealmq_crypto_core::KeyError> {
/// let connection =
///     AzureConnection::new("https://contoso.vault.azure.net", AzureIdentity::managed(None));
/// let mac_keys = AzureSecretsConfig::new(connection.clone(), "sealmq-wrap-authentication");
/// let config = AzureKeyVaultConfig::per_tenant(connection, "sealmq");
/// assert!(config.validate().is_err());
/// let config = config.with_wrap_authentication(Arc::new(AzureSecretsProvider::new(mac_keys)?));
/// assert!(config.validate().is_ok());
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone)]
pub struct AzureKeyVaultConfig {
    /// How to reach the vault.
    pub connection: AzureConnection,
    /// The keys of tenants.
    pub keys: KeyVaultKeys,
    /// What keys are; RSA of 3072 bits.
    pub kind: KekKind,
    /// Whether a tenant gets its first key when it is first used; no.
    pub auto_create: bool,
    /// Whether shredding purges keys; yes. Without it, they can be brought back for the time that
    /// the vault keeps deleted objects.
    pub purge: bool,
    pub(crate) wrap_authentication: Option<Arc<dyn KeyProvider>>,
    pub(crate) accepts_unauthenticated: bool,
}

impl AzureKeyVaultConfig {
    /// The key of each tenant, by name.
    pub fn mapped<K: Into<String>>(
        connection: AzureConnection,
        keys: impl IntoIterator<Item = (TenantId, K)>,
    ) -> Self {
        let keys = keys.into_iter().map(|(tenant, key)| (tenant, key.into())).collect();
        Self::new(connection, KeyVaultKeys::Mapped(keys))
    }

    /// A key per tenant, whose name begins with this prefix.
    pub fn per_tenant(connection: AzureConnection, name_prefix: impl Into<String>) -> Self {
        Self::new(connection, KeyVaultKeys::PerTenant { name_prefix: name_prefix.into() })
    }

    fn new(connection: AzureConnection, keys: KeyVaultKeys) -> Self {
        Self {
            connection,
            keys,
            kind: KekKind::Rsa { bits: 3072, hsm: false },
            auto_create: false,
            purge: true,
            wrap_authentication: None,
            accepts_unauthenticated: false,
        }
    }

    /// The same configuration with keys of this kind.
    #[must_use]
    pub fn with_kind(mut self, kind: KekKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same configuration, with or without the creation of a tenant's first key when it is
    /// first used. It needs wider permissions.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The same configuration, with or without purging what is shredded. A vault with purge
    /// protection refuses to purge.
    #[must_use]
    pub fn with_purge(mut self, purge: bool) -> Self {
        self.purge = purge;
        self
    }

    /// The same configuration, authenticating wrapped forms under keys of this store: the current
    /// one makes MACs, every valid one verifies them. Senders and receivers need the same keys,
    /// and nobody else may have them. They are read at their first use and after each refresh
    /// interval of the store.
    #[must_use]
    pub fn with_wrap_authentication(mut self, keys: Arc<dyn KeyProvider>) -> Self {
        self.wrap_authentication = Some(keys);
        self
    }

    /// The same configuration, opening wrapped forms that nobody authenticated, too; and making
    /// such forms, unless keys for authentication are given.
    ///
    /// **Whoever can read the public half of an RSA key can then send messages that this receiver
    /// takes for genuine**: `keys/get` is enough, which readers and auditors of a vault have.
    /// Acceptable only where messages need no authenticity, or for the time of a migration.
    #[must_use]
    pub fn danger_accept_unauthenticated_wraps(mut self) -> Self {
        self.accepts_unauthenticated = true;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.connection.validate()?;
        let keys = match &self.keys {
            KeyVaultKeys::Mapped(keys) => {
                let different: BTreeSet<_> = keys.values().map(|key| key.to_lowercase()).collect();
                let valid = !keys.is_empty()
                    && different.len() == keys.len()
                    && keys.values().all(|key| is_key_name(key));
                ("keys", "are names of letters, digits and hyphens, each of one tenant", valid)
            }
            KeyVaultKeys::PerTenant { name_prefix } => {
                let reason = "is 1 to 40 lower-case letters, digits and hyphens";
                ("name_prefix", reason, is_prefix(name_prefix))
            }
        };
        let (bits, rsa) = match self.kind {
            KekKind::Rsa { bits, .. } => (bits, true),
            KekKind::SymmetricHsm => (2048, false),
        };
        let given = self.wrap_authentication.is_some();
        first_refused([
            keys,
            ("kind", "is RSA of 2048, 3072 or 4096 bits", [2048, 3072, 4096].contains(&bits)),
            (
                "wrap_authentication",
                "is missing: with RSA keys, whoever has the public half can wrap",
                !rsa || given || self.accepts_unauthenticated,
            ),
            ("wrap_authentication", "is for RSA keys", rsa || !given),
            (
                "danger_accept_unauthenticated_wraps",
                "is for RSA keys",
                rsa || !self.accepts_unauthenticated,
            ),
        ])
    }

    /// The key of this tenant, if it can have one.
    pub(crate) fn key_of(&self, tenant: &TenantId) -> Option<String> {
        match &self.keys {
            KeyVaultKeys::Mapped(keys) => keys.get(tenant).cloned(),
            KeyVaultKeys::PerTenant { name_prefix } => {
                Some(key_name::of_tenant(name_prefix, tenant))
            }
        }
    }
}

impl AzureKeyVaultConfig {
    /// The name to ask for when no key is meant: of some tenant's key, or one that no key has.
    pub(crate) fn any_key(&self) -> &str {
        match &self.keys {
            KeyVaultKeys::Mapped(keys) => keys.values().next().map_or("", String::as_str),
            KeyVaultKeys::PerTenant { name_prefix } => name_prefix,
        }
    }
}

impl fmt::Debug for AzureKeyVaultConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureKeyVaultConfig")
            .field("connection", &self.connection)
            .field("keys", &self.keys)
            .field("kind", &self.kind)
            .field("auto_create", &self.auto_create)
            .field("purge", &self.purge)
            .field("wrap_authentication", &self.wrap_authentication.is_some())
            .field("accepts_unauthenticated", &self.accepts_unauthenticated)
            .finish()
    }
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_PREFIX_LEN).contains(&prefix.len()) && prefix.bytes().all(plain)
}
