//! Rotation and shredding.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealmq_crypto_core::{KekVersion, KeyError, TenantId};

use crate::client::VaultKeys;
use crate::error::{Call, not_listed_yet, shredded};
use crate::tombstone;
use crate::versions::{Counted, count};

/// The vault tells times of creation in seconds: after that long, the one that was is over, also
/// for a version that another client was just making.
const SECOND: Duration = Duration::from_millis(1250);

/// What was created longer ago than this was so on any clock that is not far off.
const LONG_AGO: Duration = Duration::from_secs(60);

/// A deletion takes the service some seconds, of which it tells nothing.
const DELETION_LIMIT: Duration = Duration::from_secs(30);
const DELETION_POLL: Duration = Duration::from_millis(500);

/// One more version after `newest`; its number. It takes one to three seconds.
pub(crate) async fn rotate(
    keys: &VaultKeys,
    tenant: &TenantId,
    key: &str,
    newest: &Counted,
) -> Result<KekVersion, KeyError> {
    if is_recent(newest) {
        tokio::time::sleep(SECOND).await; // to be of a later second than that one
    }
    let id = keys.rotate(key).await?;
    tokio::time::sleep(SECOND).await; // until nobody else can be of the same one
    let versions = count(keys.versions(key).await?);
    if versions.is_empty() {
        return Err(shredded(tenant));
    }
    let rotated = versions.into_iter().find(|version| version.id == id);
    rotated.map(|version| KekVersion(version.number)).ok_or_else(|| not_listed_yet(key))
}

fn is_recent(version: &Counted) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    now.saturating_sub(LONG_AGO.as_secs()) <= version.created.try_into().unwrap_or(u64::MAX)
}

/// Deletes a key with all its versions, for good if it is purged. Repeating it is fine.
pub(crate) async fn shred(keys: &VaultKeys, key: &str, purge: bool) -> Result<(), KeyError> {
    // First of all, so that whoever misses the key afterwards finds the reason.
    tombstone::leave(keys, key).await?;
    keys.delete(key).await?;
    if !purge {
        return Ok(());
    }
    let until = tokio::time::Instant::now() + DELETION_LIMIT;
    while !keys.is_deleted(key).await? {
        // Neither here nor there: it was purged, was never there, or is being deleted.
        if keys.versions(key).await?.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(Call::new(format!("deleting key {key}")).timed_out().into());
        }
        tokio::time::sleep(DELETION_POLL).await;
    }
    keys.purge(key).await?;
    Ok(())
}
