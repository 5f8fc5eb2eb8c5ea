//! What a keyring holds: named keys, and the KEKs of tenants.

use crate::kek_store::KekStore;
use crate::named_keys::NamedKeySet;

/// Cloning copies references to the keys, not the keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) named: NamedKeySet,
    pub(crate) keks: KekStore,
}
