//! Rotation: the new key seals, the old ones keep opening.

use std::sync::Arc;

use sealmq_crypto_core::KeyErrorKind;

use super::cases;
use crate::keys::Case;
use crate::keys::provider::ProviderCtx;
use crate::keys::secrets::everything;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<ProviderCtx>] = cases! { "rotation":
    the_new_key_is_current;
    old_keys_keep_opening;
    a_rotation_is_seen_by_every_client;
    a_retired_key_opens_no_more;
};

/// After a rotation the new key is current, and is another one.
async fn the_new_key_is_current(ctx: ProviderCtx) -> CaseResult {
    let (_, mut before) = ctx.current().await?;
    for _ in 0..3 {
        let id = ctx.harness().rotate().await?;
        let (current, key) = ctx.current().await?;
        check_eq!(current, id, "the new key is current");
        check!(key != before, "the new key is another one");
        before = key;
    }
    Ok(())
}

/// After rotations every old id is valid, and names the key that it named before.
async fn old_keys_keep_opening(ctx: ProviderCtx) -> CaseResult {
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(ctx.current().await?);
        ctx.harness().rotate().await?;
        let valid = ctx.provider().valid_key_ids().await?;
        for (id, key) in &old {
            check!(valid.contains(id), "an old key stays valid");
            check!(ctx.provider().get_key(id).await? == *key, "an old id keeps its key");
        }
    }
    Ok(())
}

/// Clients that were there before a rotation see what those see that come after it.
async fn a_rotation_is_seen_by_every_client(ctx: ProviderCtx) -> CaseResult {
    let before = ctx.harness().client().await?;
    before.current_key_id().await?;
    before.valid_key_ids().await?;
    let id = ctx.harness().rotate().await?;
    let after = ctx.harness().client().await?;
    let key = ctx.provider().get_key(&id).await?;
    for client in [before, after] {
        check_eq!(client.current_key_id().await?, id, "every client sees the new key");
        let valid = client.valid_key_ids().await?;
        check!(valid.contains(&id), "every client lists the new key");
        check!(client.get_key(&id).await? == key, "every client has the same key");
    }
    Ok(())
}

/// A key that was taken out of use is not listed, and is not handed out; the others are.
async fn a_retired_key_opens_no_more(ctx: ProviderCtx) -> CaseResult {
    let (retired, key) = ctx.current().await?;
    let kept = ctx.harness().rotate().await?;
    let current = ctx.harness().rotate().await?;
    let other = ctx.harness().client().await?;
    other.get_key(&retired).await?;
    ctx.harness().retire(&retired).await?;
    let secret = key.expose_secret().to_vec();
    for client in [Arc::clone(ctx.provider()), other] {
        let valid = client.valid_key_ids().await?;
        check!(!valid.contains(&retired), "a retired key is not listed");
        let Err(error) = client.get_key(&retired).await else {
            return Err(Stop::broken("a retired key is not handed out"));
        };
        check_matches!(
            error.kind(),
            KeyErrorKind::KeyNotFound | KeyErrorKind::Disabled,
            "a retired key is gone or switched off"
        );
        check!(!error.is_retryable(), "a retired key is refused for good");
        let shown = everything(&error);
        crate::keys::secrets::check_hidden("an error", &shown, std::slice::from_ref(&secret))?;
        for id in [&kept, &current] {
            check!(valid.contains(id), "other keys stay valid");
            client.get_key(id).await?;
        }
        check_eq!(client.current_key_id().await?, current, "the current key stays current");
    }
    Ok(())
}
