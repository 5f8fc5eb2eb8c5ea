//! Where keys come from: names, the two traits, and their error.

mod error;
mod names;
mod provider;
mod service;

pub use error::{KeyError, KeyErrorKind};
pub use names::{EncryptionKeyId, KekAlias, TenantId, WrapContext};
pub use provider::KeyProvider;
pub use service::{GeneratedDek, KekVersion, KeyManagementService, KmsCapabilities, WrappedDek};
