//! Ids and their keys: what is listed is there, what is not listed is not.

use std::collections::BTreeSet;

use sealmq_crypto_core::EncryptionKeyId;

use super::cases;
use crate::keys::Case;
use crate::keys::provider::ProviderCtx;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<ProviderCtx>] = cases! { "named":
    the_current_key_is_valid_and_there;
    every_valid_id_has_a_key_of_its_own;
    ids_are_listed_once;
    an_unknown_id_is_not_found;
    ids_are_compared_exactly;
    the_same_id_gives_the_same_key;
};

/// The key that seals is among those that open.
async fn the_current_key_is_valid_and_there(ctx: ProviderCtx) -> CaseResult {
    for _ in 0..2 {
        let (current, _) = ctx.current().await?;
        let valid = ctx.provider().valid_key_ids().await?;
        check!(valid.contains(&current), "the current key is valid");
        ctx.harness().rotate().await?;
    }
    Ok(())
}

/// Each listed key can be had, and no two ids have the same one.
async fn every_valid_id_has_a_key_of_its_own(ctx: ProviderCtx) -> CaseResult {
    for _ in 0..3 {
        ctx.harness().rotate().await?;
    }
    let keys = ctx.keys().await?;
    check_eq!(keys.len(), 4, "every key that was made is listed");
    let different: BTreeSet<_> = keys.iter().map(|key| *key.expose_secret()).collect();
    check_eq!(different.len(), keys.len(), "two ids have two keys");
    Ok(())
}

/// The list holds each id once.
async fn ids_are_listed_once(ctx: ProviderCtx) -> CaseResult {
    for _ in 0..3 {
        ctx.harness().rotate().await?;
    }
    let ids = ctx.provider().valid_key_ids().await?;
    let different: BTreeSet<_> = ids.iter().collect();
    check_eq!(different.len(), ids.len(), "each id is listed once");
    Ok(())
}

/// There is no key where no key was put, and asking for it does not make one.
async fn an_unknown_id_is_not_found(ctx: ProviderCtx) -> CaseResult {
    let unknown = ctx.harness().unknown_id()?;
    for _ in 0..2 {
        ctx.not_found("an unknown id", ctx.provider().get_key(&unknown).await).await?;
        let valid = ctx.provider().valid_key_ids().await?;
        check!(!valid.contains(&unknown), "asking for a key does not make it");
    }
    Ok(())
}

/// An id that only looks like a valid one is unknown.
async fn ids_are_compared_exactly(ctx: ProviderCtx) -> CaseResult {
    let (current, _) = ctx.current().await?;
    let current = current.as_str();
    let flipped: String = current
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let cut = current.get(..current.len() - 1).unwrap_or_default();
    for id in [format!("{current} "), format!("{current}/"), flipped, cut.into()] {
        let valid = ctx.provider().valid_key_ids().await?;
        match EncryptionKeyId::new(&id) {
            Ok(id) if !valid.contains(&id) => {
                ctx.not_found("an id that looks alike", ctx.provider().get_key(&id).await).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// An id names one key, however often it is asked for.
async fn the_same_id_gives_the_same_key(ctx: ProviderCtx) -> CaseResult {
    let (id, key) = ctx.current().await?;
    for _ in 0..3 {
        let again = ctx.provider().get_key(&id).await?;
        check!(again == key, "the same id gives the same key");
    }
    Ok(())
}
