//! Names that are checked once, when they are made: key ids, KEK aliases, tenants.

use std::borrow::Borrow;
use std::fmt;

use super::KeyError;
use crate::format::MAX_KEY_ID_LEN;

/// The longest tenant name, in bytes.
const MAX_TENANT_LEN: usize = 128;

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// `InvalidInput` when it is empty, too long or holds a control character.
            pub fn new(name: &str) -> Result<Self, KeyError> {
                check_name($field, name, $max)?;
                Ok(Self(name.into()))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// Look-ups by a name of a frame need no copy of it.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = KeyError;

            fn from_str(name: &str) -> Result<Self, KeyError> {
                Self::new(name)
            }
        }
    };
}

checked_name!(
    /// The id of a named key: 1 to 64 bytes of UTF-8 without control characters.
    ///
    /// In a frame it is a hint into the receiver's own configuration, never an address to dial.
    EncryptionKeyId,
    "key_id",
    MAX_KEY_ID_LEN
);

checked_name!(
    /// The receiver's own name for a KEK: 1 to 64 bytes of UTF-8 without control characters.
    ///
    /// In a frame it is a hint into the receiver's own configuration, never an address to dial.
    KekAlias,
    "kek_alias",
    MAX_KEY_ID_LEN
);

checked_name!(
    /// A tenant of a key service: 1 to 128 bytes of UTF-8 without control characters.
    TenantId,
    "tenant",
    MAX_TENANT_LEN
);

fn check_name(field: &'static str, name: &str, max: usize) -> Result<(), KeyError> {
    if name.is_empty() || name.len() > max {
        return Err(KeyError::invalid_input(field, format!("1 to {max} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(KeyError::invalid_input(field, "holds a control character"));
    }
    Ok(())
}

/// What the wrap of a DEK is bound to: environment, tenant and the logical queue it serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WrapContext {
    environment: Option<Box<str>>,
    tenant: TenantId,
    scope: Box<str>,
}

impl WrapContext {
    /// The tenant of queues that are configured without one.
    pub const DEFAULT_TENANT: &'static str = "default";

    /// A context of this tenant and scope.
    pub fn new(environment: Option<&str>, tenant: TenantId, scope: &str) -> Self {
        Self { environment: environment.map(Into::into), tenant, scope: scope.into() }
    }

    /// The deployment, if there is one.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The tenant whose KEK wraps.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the DEK is for: the logical queue.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The context as pairs in a fixed order, for services that take named pairs.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let mut pairs = vec![("format", "QRE1")];
        pairs.extend(self.environment().map(|environment| ("environment", environment)));
        pairs.extend([("tenant", self.tenant.as_str()), ("scope", self.scope())]);
        pairs
    }

    /// The context as one unambiguous byte string, for services that take associated data:
    /// each pair as `name_len u16 | name | value_len u32 | value`, big-endian.
    pub fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(96);
        for (name, value) in self.pairs() {
            data.extend_from_slice(&(name.len() as u16).to_be_bytes());
            data.extend_from_slice(name.as_bytes());
            data.extend_from_slice(&(value.len() as u32).to_be_bytes());
            data.extend_from_slice(value.as_bytes());
        }
        data
    }
}
