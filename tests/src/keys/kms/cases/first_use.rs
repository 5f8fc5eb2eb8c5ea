//! The first use of a tenant: it creates version 1, once.

use std::sync::Arc;

use sealmq_crypto_core::{GeneratedDek, KekVersion, KeyError, KeyManagementService, WrapContext};

use crate::keys::Case;
use crate::keys::concurrency::at_once;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::ctx::check_opens;
use crate::keys::kms::needs::cases;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "first_use":
    first_use_creates_version_1 [];
    rotation_after_first_use_makes_version_2 [Rotation];
    rotation_as_first_use_makes_version_1 [Rotation];
    creation_can_be_forbidden [];
    twenty_first_uses_share_one_kek [] many_threads;
    first_uses_by_two_clients_share_one_kek [] many_threads;
    first_uses_of_twenty_tenants_at_once [] many_threads;
};

/// What is wrapped on first use is wrapped by version 1, made or given.
async fn first_use_creates_version_1(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    check_eq!(ctx.version_of(&made.wrapped)?, KekVersion(1), "first use creates version 1");
    let (_, context) = ctx.unused()?;
    let given = ctx.service().encrypt_dek(&ctx.dek()?, &context).await?;
    check_eq!(ctx.version_of(&given)?, KekVersion(1), "first use creates version 1");
    Ok(())
}

/// First use counts as version 1.
async fn rotation_after_first_use_makes_version_2(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let version = ctx.service().rotate_kek(&tenant).await?;
    check_eq!(version, KekVersion(2), "the rotation after first use makes version 2");
    Ok(())
}

/// A rotation can be the first use.
async fn rotation_as_first_use_makes_version_1(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    let version = ctx.service().rotate_kek(&tenant).await?;
    check_eq!(version, KekVersion(1), "the rotation of an unused tenant makes version 1");
    let made = ctx.generate(&context).await?;
    ctx.check_opens(&made.wrapped, &context, &made.dek, "version 1 serves").await
}

/// Where the policy forbids creation, first use is denied, and what exists goes on.
async fn creation_can_be_forbidden(ctx: KmsCtx) -> CaseResult {
    let client = ctx.harness().client_that_creates_nothing().await?;
    let (_, context) = ctx.unused()?;
    for _ in 0..2 {
        let what = "the first use of a tenant, where creation is forbidden";
        ctx.denied(what, client.generate_dek(&context).await)?;
        ctx.denied(what, client.encrypt_dek(&ctx.dek()?, &context).await)?;
    }
    let made = ctx.generate(&context).await?;
    check_opens(&client, &made.wrapped, &context, &made.dek, "an existing KEK opens").await?;
    let theirs = client.generate_dek(&context).await?;
    ctx.note(&theirs.dek);
    ctx.check_opens(&theirs.wrapped, &context, &theirs.dek, "an existing KEK wraps").await
}

/// Twenty tasks use a tenant for the first time at once: what each wrapped opens for all.
async fn twenty_first_uses_share_one_kek(ctx: KmsCtx) -> CaseResult {
    let service = Arc::clone(ctx.service());
    for _ in 0..5 {
        let (_, context) = ctx.unused()?;
        let made = at_once(20, |_| generate(&service, &context)).await?;
        check_shared(&ctx, &[Arc::clone(&service)], &context, made).await?;
    }
    Ok(())
}

/// The same, from two clients with ten tasks each.
async fn first_uses_by_two_clients_share_one_kek(ctx: KmsCtx) -> CaseResult {
    let clients = [ctx.harness().client().await?, ctx.harness().client().await?];
    for _ in 0..5 {
        let (_, context) = ctx.unused()?;
        let made = at_once(20, |n| generate(&clients[n % 2], &context)).await?;
        check_shared(&ctx, &clients, &context, made).await?;
    }
    Ok(())
}

/// First uses of different tenants do not disturb one another.
async fn first_uses_of_twenty_tenants_at_once(ctx: KmsCtx) -> CaseResult {
    let contexts: Vec<_> =
        (0..20).map(|_| ctx.unused().map(|(_, context)| context)).collect::<CaseResult<_>>()?;
    let service = Arc::clone(ctx.service());
    let made = at_once(20, |n| generate(&service, &contexts[n])).await?;
    for (context, made) in contexts.iter().zip(made) {
        let made = made?;
        ctx.check_opens(&made.wrapped, context, &made.dek, "each tenant has its KEK").await?;
    }
    Ok(())
}

fn generate(
    service: &Arc<dyn KeyManagementService>,
    context: &WrapContext,
) -> impl Future<Output = Result<GeneratedDek, KeyError>> + Send + 'static {
    let (service, context) = (Arc::clone(service), context.clone());
    async move { service.generate_dek(&context).await }
}

/// All were wrapped by one KEK: each opens for every client, and the next version is the second.
async fn check_shared(
    ctx: &KmsCtx,
    clients: &[Arc<dyn KeyManagementService>],
    context: &WrapContext,
    made: Vec<Result<GeneratedDek, KeyError>>,
) -> CaseResult {
    for made in made {
        let made = made?;
        ctx.note(&made.dek);
        for client in clients {
            let promise = "what was wrapped during first use opens for all";
            check_opens(client, &made.wrapped, context, &made.dek, promise).await?;
        }
    }
    if ctx.service().capabilities().rotation {
        let next = ctx.service().rotate_kek(context.tenant()).await?;
        check_eq!(next, KekVersion(2), "first uses at once create one version");
    }
    Ok(())
}
