//! Messages under the keys of the store: hardly any calls, and no failure amid rotations.

use std::sync::Arc;
use std::time::Duration;

use super::cases;
use crate::keys::Case;
use crate::keys::concurrency::at_once;
use crate::keys::provider::ProviderCtx;
use crate::keys::provider::counting::CountingStore;
use crate::keys::traffic::Host;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<ProviderCtx>] = cases! { "traffic":
    a_stream_of_messages_fetches_one_key;
    messages_cross_a_rotation;
    a_rotation_during_traffic_fails_nothing many_threads slow;
};

/// A host that seals and opens a stream fetches its key once.
async fn a_stream_of_messages_fetches_one_key(ctx: ProviderCtx) -> CaseResult {
    let store = CountingStore::new(Arc::clone(ctx.provider()));
    let host = Host::with_store(Arc::clone(&store) as Arc<_>)?;
    for number in 0..1000 {
        host.open(&host.seal(number).await?, number).await?;
    }
    check_eq!(store.fetched(), 1, "a stream fetches its key once");
    Ok(())
}

/// What was sealed before a rotation opens after it, on a host with an empty cache, too.
async fn messages_cross_a_rotation(ctx: ProviderCtx) -> CaseResult {
    let sender = Host::with_store(ctx.harness().client().await?)?;
    let mut sealed = Vec::new();
    for number in 0..4 {
        sealed.push(sender.seal(number).await?);
        ctx.harness().rotate().await?;
    }
    let fresh = Host::with_store(ctx.harness().client().await?)?;
    for (number, sealed) in sealed.iter().enumerate() {
        sender.open(sealed, number).await?;
        fresh.open(sealed, number).await?;
    }
    Ok(())
}

/// While keys are rotated, every message seals here and opens there.
async fn a_rotation_during_traffic_fails_nothing(ctx: ProviderCtx) -> CaseResult {
    let sender = Host::with_store(ctx.harness().client().await?)?;
    let receiver = Host::with_store(ctx.harness().client().await?)?;
    let traffic = at_once(4, |task| {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        async move {
            for number in task * 500..task * 500 + 500 {
                receiver.open(&sender.seal(number).await?, number).await?;
            }
            Ok::<_, Stop>(())
        }
    });
    let rotations = async {
        for _ in 0..10 {
            ctx.harness().rotate().await?;
            tokio::time::sleep(Duration::from_millis(2)).await; // for the traffic
        }
        Ok::<_, Stop>(())
    };
    let (traffic, rotations) = tokio::join!(traffic, rotations);
    rotations?;
    traffic?.into_iter().collect()
}
