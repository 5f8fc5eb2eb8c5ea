//! Calls that are dropped midway: nobody else waits for them, and nothing is left half done.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::keys::Case;
use crate::keys::concurrency::drop_midway;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "cancellation":
    a_dropped_call_strands_nobody [];
    a_dropped_first_use_leaves_a_tenant_that_serves [];
    a_dropped_rotation_leaves_a_tenant_that_serves [Rotation];
    those_who_wait_behind_a_dropped_call_go_on [] many_threads;
};

/// After calls of each kind were dropped, calls of each kind come to their end.
async fn a_dropped_call_strands_nobody(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let service = ctx.service();
    drop_midway(|| service.generate_dek(&context)).await;
    drop_midway(|| service.encrypt_dek(&made.dek, &context)).await;
    drop_midway(|| service.decrypt_dek(&made.wrapped, &context)).await;
    drop_midway(|| service.rewrap_dek(&made.wrapped, &context)).await;
    let all = async {
        let opened = service.decrypt_dek(&made.wrapped, &context).await?;
        check!(opened == made.dek, "a DEK opens after dropped calls");
        let rewrapped = service.rewrap_dek(&made.wrapped, &context).await?;
        ctx.check_opens(&rewrapped, &context, &made.dek, "re-wrapping works, too").await?;
        let more = ctx.generate(&context).await?;
        ctx.check_opens(&more.wrapped, &context, &more.dek, "so do new DEKs").await
    };
    ctx.soon("calls end after dropped calls", all).await?
}

/// A first use that was dropped created the KEK or did not; the next use finds out.
async fn a_dropped_first_use_leaves_a_tenant_that_serves(ctx: KmsCtx) -> CaseResult {
    for _ in 0..4 {
        let (_, context) = ctx.unused()?;
        drop_midway(|| ctx.service().generate_dek(&context)).await;
        let made = ctx.soon("a use after dropped ones ends", ctx.generate(&context)).await??;
        let promise = "a tenant whose first use was dropped serves";
        ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        let again = ctx.generate(&context).await?;
        ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        ctx.check_opens(&again.wrapped, &context, &again.dek, promise).await?;
    }
    Ok(())
}

/// A rotation that was dropped was made or was not; what was wrapped before opens all the same.
async fn a_dropped_rotation_leaves_a_tenant_that_serves(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let made = ctx.generate(&context).await?;
    drop_midway(|| ctx.service().rotate_kek(&tenant)).await;
    let rotation = ctx.service().rotate_kek(&tenant);
    let version = ctx.soon("a rotation after dropped ones ends", rotation).await??;
    let next = ctx.service().rotate_kek(&tenant).await?;
    check!(next > version, "versions are counted on after dropped rotations");
    let promise = "what was wrapped before dropped rotations opens";
    ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await
}

/// Others that use a tenant for the first time behind one whose call is dropped share one KEK.
async fn those_who_wait_behind_a_dropped_call_go_on(ctx: KmsCtx) -> CaseResult {
    for head_start in [0, 50, 500, 2000].map(Duration::from_micros) {
        let (_, context) = ctx.unused()?;
        let service = Arc::clone(ctx.service());
        let mut ahead = service.generate_dek(&context);
        let _ = timeout(head_start, &mut ahead).await;
        let behind: Vec<_> = (0..10)
            .map(|_| {
                let (service, context) = (Arc::clone(&service), context.clone());
                tokio::spawn(async move { service.generate_dek(&context).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(ahead);
        for waiting in behind {
            let made = ctx.soon("those who wait behind a dropped call go on", waiting).await?;
            let made = made.map_err(|panic| Stop::broken(format!("a task ends: {panic}")))??;
            ctx.note(&made.dek);
            let promise = "those who go on share one KEK";
            ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        }
    }
    Ok(())
}
