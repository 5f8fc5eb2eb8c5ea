//! Rotation: the new version seals, the old ones keep opening.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use sealmq_crypto_core::{KekVersion, KeyError, KeyManagementService, TenantId};

use crate::keys::Case;
use crate::keys::concurrency::at_once;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::ctx::check_opens;
use crate::keys::kms::needs::cases;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "rotation":
    each_rotation_adds_one [Rotation];
    the_new_version_seals [Rotation];
    old_versions_keep_opening [Rotation];
    a_rotation_is_seen_by_other_clients [Rotation];
    other_tenants_keep_their_version [Rotation];
    concurrent_rotations_do_not_collide [Rotation] many_threads slow;
    rotations_by_two_clients_do_not_collide [Rotation] many_threads slow;
    deks_are_made_and_opened_during_rotations [Rotation] many_threads slow;
};

/// Versions are counted without gaps.
async fn each_rotation_adds_one(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    for expected in 2..=6 {
        let version = ctx.service().rotate_kek(&tenant).await?;
        check_eq!(version, KekVersion(expected), "each rotation adds one");
    }
    Ok(())
}

/// What is wrapped after a rotation is wrapped by the new version, made or given.
async fn the_new_version_seals(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    for _ in 0..3 {
        let version = ctx.service().rotate_kek(&tenant).await?;
        let made = ctx.generate(&context).await?;
        let given = ctx.service().encrypt_dek(&made.dek, &context).await?;
        for wrapped in [made.wrapped, given] {
            check_eq!(ctx.version_of(&wrapped)?, version, "the new version seals at once");
            ctx.check_opens(&wrapped, &context, &made.dek, "the new version opens").await?;
        }
    }
    Ok(())
}

/// What was wrapped by any version before still opens.
async fn old_versions_keep_opening(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(ctx.generate(&context).await?);
        ctx.service().rotate_kek(&tenant).await?;
        for made in &all {
            let promise = "what an old version wrapped still opens";
            ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        }
    }
    Ok(())
}

/// Another client opens what the new version wrapped, and wraps by it itself.
async fn a_rotation_is_seen_by_other_clients(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let other = ctx.harness().client().await?;
    let before = other.generate_dek(&context).await?;
    ctx.note(&before.dek);
    let version = ctx.service().rotate_kek(&tenant).await?;
    let made = ctx.generate(&context).await?;
    let promise = "another client opens what the new version wrapped";
    check_opens(&other, &made.wrapped, &context, &made.dek, promise).await?;
    let promise = "another client opens what the old version wrapped";
    check_opens(&other, &before.wrapped, &context, &before.dek, promise).await?;
    let theirs = other.generate_dek(&context).await?;
    ctx.note(&theirs.dek);
    check_eq!(ctx.version_of(&theirs.wrapped)?, version, "another client wraps by it");
    Ok(())
}

/// A rotation is a matter of one tenant.
async fn other_tenants_keep_their_version(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let (other, context) = ctx.used().await?;
    for _ in 0..3 {
        ctx.service().rotate_kek(&tenant).await?;
    }
    let made = ctx.generate(&context).await?;
    check_eq!(ctx.version_of(&made.wrapped)?, KekVersion(1), "another tenant is not rotated");
    let version = ctx.service().rotate_kek(&other).await?;
    check_eq!(version, KekVersion(2), "another tenant counts by itself");
    Ok(())
}

/// Rotations at once make different versions, without gaps.
async fn concurrent_rotations_do_not_collide(ctx: KmsCtx) -> CaseResult {
    let service = Arc::clone(ctx.service());
    rotate_at_once(&ctx, &[service]).await
}

/// The same, from two clients.
async fn rotations_by_two_clients_do_not_collide(ctx: KmsCtx) -> CaseResult {
    let clients = [ctx.harness().client().await?, ctx.harness().client().await?];
    rotate_at_once(&ctx, &clients).await
}

async fn rotate_at_once(ctx: &KmsCtx, clients: &[Arc<dyn KeyManagementService>]) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let first = ctx.generate(&context).await?;
    let rotations = at_once(10, |n| {
        let (client, tenant, context) =
            (Arc::clone(&clients[n % clients.len()]), tenant.clone(), context.clone());
        async move {
            let version = client.rotate_kek(&tenant).await?;
            Ok::<_, KeyError>((version, client.generate_dek(&context).await?))
        }
    });
    let may_clash = clients.len() > 1 && ctx.harness().rotations_of_two_clients_may_clash();
    let mut versions = BTreeSet::new();
    for outcome in rotations.await? {
        let (version, made) = match outcome {
            Err(error) if may_clash && error.is_retryable() => continue,
            outcome => outcome?,
        };
        ctx.note(&made.dek);
        check!(versions.insert(version), "concurrent rotations make different versions");
        let promise = "what was wrapped amid rotations opens";
        ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
    }
    let expected: BTreeSet<_> = (2..=11).map(KekVersion).collect();
    if may_clash {
        check!(!versions.is_empty() && versions.is_subset(&expected), "some rotations succeed");
    } else {
        check_eq!(versions, expected, "concurrent rotations leave no gap");
    }
    let promise = "what was wrapped before the rotations opens";
    ctx.check_opens(&first.wrapped, &context, &first.dek, promise).await
}

/// While one task rotates, others make and open DEKs without a failure.
async fn deks_are_made_and_opened_during_rotations(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let service = Arc::clone(ctx.service());
    let rotating = Arc::new(AtomicBool::new(true));
    let outcomes = at_once(4, |n| {
        let (service, tenant, context) = (Arc::clone(&service), tenant.clone(), context.clone());
        let rotating = Arc::clone(&rotating);
        async move {
            if n == 0 {
                let outcome = rotate_slowly(&service, &tenant, 10).await;
                rotating.store(false, Relaxed);
                return outcome;
            }
            while rotating.load(Relaxed) {
                let made = service.generate_dek(&context).await?;
                let promise = "a DEK opens during rotations";
                check_opens(&service, &made.wrapped, &context, &made.dek, promise).await?;
                let again = service.rewrap_dek(&made.wrapped, &context).await?;
                check_opens(&service, &again, &context, &made.dek, promise).await?;
                tokio::task::yield_now().await; // a service in memory never waits by itself
            }
            Ok::<_, Stop>(())
        }
    });
    outcomes.await?.into_iter().collect()
}

/// Rotates so many times, with time between for others.
pub(super) async fn rotate_slowly(
    service: &Arc<dyn KeyManagementService>,
    tenant: &TenantId,
    times: usize,
) -> CaseResult {
    for _ in 0..times {
        service.rotate_kek(tenant).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
