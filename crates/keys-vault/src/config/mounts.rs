//! Which mounts of the server hold the keys.

use sealmq_crypto_core::KeyError;

use crate::path::check_path;

/// The Transit mount whose keys wrap DEKs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultTransitConfig {
    pub(crate) mount: String,
    pub(crate) key_prefix: String,
    pub(crate) administers_keys: bool,
}

impl VaultTransitConfig {
    /// The mount `transit`, with keys whose names begin with `sealmq-`.
    pub fn new() -> Self {
        Self {
            mount: "transit".to_owned(),
            key_prefix: "sealmq-".to_owned(),
            administers_keys: true,
        }
    }

    /// The same at another mount.
    #[must_use]
    pub fn with_mount(mut self, mount: impl Into<String>) -> Self {
        self.mount = mount.into();
        self
    }

    /// The same with another start of key names: a letter, then letters, digits, `-`, `_`, `.`.
    /// Two deployments on one mount need different ones.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// The same, with or without rotating and shredding keys. Without, both are refused here, and
    /// the capabilities say so; the policy of such a client needs `update` on `encrypt` and
    /// `decrypt` alone.
    #[must_use]
    pub fn with_key_administration(mut self, administers_keys: bool) -> Self {
        self.administers_keys = administers_keys;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        check_path("mount", &self.mount)?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let prefix = self.key_prefix.as_bytes();
        let fine = prefix.first().is_some_and(u8::is_ascii_alphabetic)
            && prefix.len() <= 64
            && prefix.iter().copied().all(known);
        if fine {
            return Ok(());
        }
        let reason = "is not a letter and up to 63 letters, digits, `-`, `_` or `.`";
        Err(KeyError::invalid_input("key_prefix", reason))
    }
}

impl Default for VaultTransitConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The secret of a KV version 2 mount whose versions are named keys.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKvConfig {
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) field: String,
    pub(crate) id_prefix: String,
}

impl VaultKvConfig {
    /// The secret at this path of the mount `secret`, whose field `key` holds 32 bytes in base64.
    /// Version 3 of `apps/orders` is the key `orders.v3`.
    pub fn new(path: impl Into<String>) -> Self {
        let path = path.into();
        let last = path.rsplit('/').next().unwrap_or_default();
        let id_prefix = format!("{last}.v");
        Self { mount: "secret".to_owned(), path, field: "key".to_owned(), id_prefix }
    }

    /// The same at another mount.
    #[must_use]
    pub fn with_mount(mut self, mount: impl Into<String>) -> Self {
        self.mount = mount.into();
        self
    }

    /// The same with the key in another field of the secret.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// The same with key ids that begin so; the version's number follows.
    #[must_use]
    pub fn with_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.id_prefix = prefix.into();
        self
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        check_path("mount", &self.mount)?;
        check_path("path", &self.path)?;
        if self.field.is_empty() {
            return Err(KeyError::invalid_input("field", "is empty"));
        }
        // Ten digits of a version must fit into the 64 bytes of an id.
        let fine = self.id_prefix.len() <= 54 && !self.id_prefix.chars().any(char::is_control);
        if fine && !self.id_prefix.ends_with(|last: char| last.is_ascii_digit()) {
            return Ok(());
        }
        let reason = "is over 54 bytes, ends with a digit or holds a control character";
        Err(KeyError::invalid_input("id_prefix", reason))
    }
}
