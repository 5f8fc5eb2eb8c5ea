//! Many readers, readers amid rotations, and readers that go away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::cases;
use crate::keys::Case;
use crate::keys::concurrency::{at_once, drop_midway};
use crate::keys::provider::ProviderCtx;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<ProviderCtx>] = cases! { "sharing":
    twenty_readers_agree many_threads;
    clients_agree;
    readers_amid_rotations_always_find_a_key many_threads slow;
    a_dropped_call_strands_nobody;
};

/// Readers at once get the same key.
async fn twenty_readers_agree(ctx: ProviderCtx) -> CaseResult {
    let (id, key) = ctx.current().await?;
    let provider = Arc::clone(ctx.provider());
    let read = at_once(20, |_| {
        let (provider, id) = (Arc::clone(&provider), id.clone());
        async move { Ok::<_, Stop>((provider.current_key_id().await?, provider.get_key(&id).await?)) }
    });
    for outcome in read.await? {
        let (current, found) = outcome?;
        check_eq!(current, id, "readers agree on the current key");
        check!(found == key, "readers get the same key");
    }
    Ok(())
}

/// Clients of one store agree in everything.
async fn clients_agree(ctx: ProviderCtx) -> CaseResult {
    ctx.harness().rotate().await?;
    let (id, key) = ctx.current().await?;
    let mine: BTreeSet<_> = ctx.provider().valid_key_ids().await?.into_iter().collect();
    let other = ctx.harness().client().await?;
    let theirs: BTreeSet<_> = other.valid_key_ids().await?.into_iter().collect();
    check_eq!(theirs, mine, "clients list the same keys");
    check_eq!(other.current_key_id().await?, id, "clients agree on the current key");
    check!(other.get_key(&id).await? == key, "clients have the same key");
    let interval = ctx.provider().refresh_interval();
    check_eq!(other.refresh_interval(), interval, "clients are refreshed alike");
    Ok(())
}

/// While keys are rotated, whatever is current can be had, and nothing listed vanishes.
async fn readers_amid_rotations_always_find_a_key(ctx: ProviderCtx) -> CaseResult {
    let provider = Arc::clone(ctx.provider());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (provider, stopped) = (Arc::clone(&provider), stopped.clone());
            tokio::spawn(async move {
                while !*stopped.borrow() {
                    for id in provider.valid_key_ids().await? {
                        provider.get_key(&id).await?;
                    }
                    let current = provider.current_key_id().await?;
                    provider.get_key(&current).await?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, Stop>(())
            })
        })
        .collect();
    for _ in 0..10 {
        ctx.harness().rotate().await?;
        tokio::time::sleep(Duration::from_millis(2)).await; // for the readers
    }
    let _ = stop.send(true); // the readers hold the other end
    for reader in readers {
        reader.await.map_err(|panic| Stop::broken(format!("a reader ends: {panic}")))??;
    }
    check_eq!(ctx.keys().await?.len(), 11, "every key that was made is there");
    Ok(())
}

/// After calls of each kind were dropped, calls of each kind come to their end.
async fn a_dropped_call_strands_nobody(ctx: ProviderCtx) -> CaseResult {
    let (id, key) = ctx.current().await?;
    drop_midway(|| ctx.provider().get_key(&id)).await;
    drop_midway(|| ctx.provider().current_key_id()).await;
    drop_midway(|| ctx.provider().valid_key_ids()).await;
    let (current, found) = ctx.soon("calls end after dropped calls", ctx.current()).await??;
    check_eq!(current, id, "dropped calls change nothing");
    check!(found == key, "dropped calls change no key");
    ctx.soon("so does the list", ctx.provider().valid_key_ids()).await??;
    Ok(())
}
