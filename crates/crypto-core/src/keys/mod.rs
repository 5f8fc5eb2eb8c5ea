//! Where keys come from: names, the two traits and the credentials to reach them, and their error.

mod credentials;
mod error;
mod names;
mod provider;
mod random;
mod service;

pub use credentials::{CredentialSource, Credentials};
pub use error::{KeyError, KeyErrorKind};
pub use names::{EncryptionKeyId, KekAlias, TenantId, WrapContext};
pub use provider::KeyProvider;
pub use random::{random_bytes, random_key};
pub use service::{GeneratedDek, KekVersion, KeyManagementService, KmsCapabilities, WrappedDek};
