//! What is left of a tenant that was shredded: a key that can do nothing, so that nobody takes the
//! purged name for one that was never used.

use std::collections::HashMap;

use crate::client::VaultKeys;
use crate::error::{Failed, Meaning};
use crate::key_name::tombstone_of;

const TAG: &str = "sealmq-shredded";

/// Leaves the tombstone of a key. Repeating it is fine.
pub(crate) async fn leave(keys: &VaultKeys, key: &str) -> Result<(), Failed> {
    let name = tombstone_of(key);
    if is_there(keys, key).await? {
        return Ok(());
    }
    match keys.create_disabled(&name, HashMap::from([(TAG.to_owned(), "true".to_owned())])).await {
        // Somebody deleted it: the name is taken all the same, for a while.
        Err(Failed { meaning: Meaning::Shredded, .. }) => Ok(()),
        outcome => outcome,
    }
}

/// Whether the key of this name was shredded.
pub(crate) async fn is_there(keys: &VaultKeys, key: &str) -> Result<bool, Failed> {
    keys.exists(&tombstone_of(key)).await
}
