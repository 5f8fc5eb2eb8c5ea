//! Shredding a tenant: its keys are gone for good, and nobody else's are.

use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, KeyErrorKind, KeyManagementService, WrapContext};

use crate::keys::Case;
use crate::keys::concurrency::at_once;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::ctx::check_opens;
use crate::keys::kms::needs::cases;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "deletion":
    a_shredded_tenant_opens_nothing [Deletion];
    every_version_goes [Deletion, Rotation];
    a_shredded_tenant_is_not_reborn [Deletion];
    shredding_twice_is_fine [Deletion];
    shredding_an_unused_tenant_is_fine [Deletion];
    other_tenants_are_untouched [Deletion];
    a_deletion_is_seen_by_other_clients [Deletion];
    a_deletion_amid_first_uses_wins [Deletion] many_threads;
};

/// What was wrapped before does not open afterwards.
async fn a_shredded_tenant_opens_nothing(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    ctx.service().delete_kek(&tenant).await?;
    let opened = ctx.service().decrypt_dek(&made.wrapped, &context).await;
    ctx.not_found("opening for a shredded tenant", opened)
}

/// All versions are shredded, not the latest one only.
async fn every_version_goes(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(ctx.generate(&context).await?);
        ctx.service().rotate_kek(&tenant).await?;
    }
    ctx.service().delete_kek(&tenant).await?;
    for made in all {
        let opened = ctx.service().decrypt_dek(&made.wrapped, &context).await;
        ctx.not_found("opening what an old version wrapped", opened)?;
    }
    Ok(())
}

/// No call brings a shredded tenant back, not even at the second attempt.
async fn a_shredded_tenant_is_not_reborn(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    ctx.service().delete_kek(&tenant).await?;
    for _ in 0..2 {
        check_gone(&ctx, ctx.service(), &context, &made.dek, &made.wrapped).await?;
    }
    Ok(())
}

async fn check_gone(
    ctx: &KmsCtx,
    client: &Arc<dyn KeyManagementService>,
    context: &WrapContext,
    dek: &EncryptionKey,
    wrapped: &[u8],
) -> CaseResult {
    ctx.not_found("a new DEK for a shredded tenant", client.generate_dek(context).await)?;
    ctx.not_found("wrapping for a shredded tenant", client.encrypt_dek(dek, context).await)?;
    if client.capabilities().rotation {
        ctx.not_found("rotating a shredded tenant", client.rotate_kek(context.tenant()).await)?;
    }
    ctx.not_found("re-wrapping for a shredded tenant", client.rewrap_dek(wrapped, context).await)?;
    ctx.not_found("opening for a shredded tenant", client.decrypt_dek(wrapped, context).await)
}

/// Repeating it is fine, and changes nothing.
async fn shredding_twice_is_fine(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    for _ in 0..3 {
        ctx.service().delete_kek(&tenant).await?;
        ctx.not_found("a new DEK", ctx.service().generate_dek(&context).await)?;
    }
    Ok(())
}

/// A tenant that has nothing to shred is no error.
async fn shredding_an_unused_tenant_is_fine(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    ctx.service().delete_kek(&tenant).await?;
    ctx.service().delete_kek(&tenant).await?;
    Ok(())
}

/// Other tenants open what they had, and wrap more.
async fn other_tenants_are_untouched(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let (_, other) = ctx.unused()?;
    let made = ctx.generate(&other).await?;
    ctx.service().delete_kek(&tenant).await?;
    ctx.check_opens(&made.wrapped, &other, &made.dek, "another tenant keeps its KEK").await?;
    let more = ctx.generate(&other).await?;
    ctx.check_opens(&more.wrapped, &other, &more.dek, "another tenant wraps on").await
}

/// Another client, which used the tenant before, refuses it afterwards.
async fn a_deletion_is_seen_by_other_clients(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let other = ctx.harness().client().await?;
    check_opens(&other, &made.wrapped, &context, &made.dek, "another client opens").await?;
    ctx.service().delete_kek(&tenant).await?;
    check_gone(&ctx, &other, &context, &made.dek, &made.wrapped).await
}

/// However a deletion and first uses fall together, afterwards the tenant is gone.
async fn a_deletion_amid_first_uses_wins(ctx: KmsCtx) -> CaseResult {
    for _ in 0..5 {
        let (tenant, context) = ctx.used().await?;
        let service = Arc::clone(ctx.service());
        let outcomes = at_once(10, |n| {
            let (service, tenant, context) =
                (Arc::clone(&service), tenant.clone(), context.clone());
            async move {
                match n {
                    5 => service.delete_kek(&tenant).await,
                    _ => service.generate_dek(&context).await.map(drop),
                }
            }
        });
        for (n, outcome) in outcomes.await?.into_iter().enumerate() {
            let fine = match &outcome {
                Ok(()) => true,
                Err(error) => n != 5 && *error.kind() == KeyErrorKind::KeyNotFound,
            };
            check!(fine, "a call amid a deletion serves or is not found, but {outcome:?}");
        }
        let after = ctx.service().generate_dek(&context).await;
        ctx.not_found("a new DEK after the deletion", after)?;
    }
    Ok(())
}
