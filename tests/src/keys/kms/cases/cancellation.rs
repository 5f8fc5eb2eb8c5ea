//! Calls that are dropped midway: nobody else waits for them, and nothing is left half done.

use std::sync::Arc;

use crate::keys::Case;
use crate::keys::concurrency::{at_once, drop_midway};
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
    check_eq!(next.0, version.0 + 1, "versions are counted on after dropped rotations");
    let promise = "what was wrapped before dropped rotations opens";
    ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await
}

/// Of twenty first uses at once every other one is dropped: the others share one KEK.
async fn those_who_wait_behind_a_dropped_call_go_on(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let service = Arc::clone(ctx.service());
    let uses = at_once(20, |n| {
        let (service, context) = (Arc::clone(&service), context.clone());
        async move {
            if n % 2 == 0 {
                drop_midway(|| service.generate_dek(&context)).await;
                return Ok(None);
            }
            Ok::<_, Stop>(Some(service.generate_dek(&context).await?))
        }
    });
    let made = ctx.soon("those who wait behind dropped calls go on", uses).await??;
    for made in made {
        if let Some(made) = made? {
            ctx.note(&made.dek);
            let promise = "those who go on share one KEK";
            ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        }
    }
    Ok(())
}
