//! What a table of `[[keys]]` comes to.

use std::sync::Arc;

use sealmq_crypto_core::{KeyManagementService, KeyProvider};

/// A source of keys that is connected.
pub(crate) enum Source {
    Service { alias: String, service: Arc<dyn KeyManagementService> },
    Store(Arc<dyn KeyProvider>),
}
