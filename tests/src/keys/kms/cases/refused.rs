//! What must not open: each refused with a kind of its own, and for good.

use sealmq_crypto_core::{EncryptionKey, WrapContext};

use crate::keys::Case;
use crate::keys::kms::needs::cases;
use crate::keys::kms::{BadForm, KmsCtx};
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "refused":
    another_tenant [];
    another_kek [];
    another_scope [AssociatedData];
    another_environment [AssociatedData];
    an_absent_environment_is_not_an_empty_one [AssociatedData];
    shifted_context_fields [AssociatedData];
    any_changed_byte [] slow;
    random_bytes [];
    every_truncation [] slow;
    an_empty_form [];
    an_oversized_form [];
    an_absent_version [Rotation];
    an_unused_tenant_which_stays_unused [Rotation];
};

/// A DEK of one tenant does not open for another one.
async fn another_tenant(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let (_, other) = ctx.used().await?;
    let made = ctx.generate(&context).await?;
    ctx.refused(BadForm::OtherTenant, ctx.service().decrypt_dek(&made.wrapped, &other).await)
}

/// A DEK that another service wrapped for the same tenant does not open.
async fn another_kek(ctx: KmsCtx) -> CaseResult {
    let stranger = ctx.harness().stranger().await?;
    let (_, context) = ctx.used().await?;
    let theirs = stranger.generate_dek(&context).await?;
    ctx.note(&theirs.dek);
    ctx.refused(BadForm::OtherKek, ctx.service().decrypt_dek(&theirs.wrapped, &context).await)
}

/// A form that was wrapped for `made_for` does not open for `opened_for`.
async fn mismatch(ctx: &KmsCtx, made_for: &WrapContext, opened_for: &WrapContext) -> CaseResult {
    let made = ctx.generate(made_for).await?;
    let given = ctx.service().encrypt_dek(&made.dek, made_for).await?;
    for wrapped in [made.wrapped, given] {
        let opened = ctx.service().decrypt_dek(&wrapped, opened_for).await;
        ctx.refused(BadForm::OtherContext, opened)?;
    }
    Ok(())
}

/// A DEK of one queue does not open for another one.
async fn another_scope(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    for scope in ["order", "orders ", "Orders", ""] {
        mismatch(&ctx, &context, &WrapContext::new(Some("contract"), tenant.clone(), scope))
            .await?;
    }
    Ok(())
}

/// A DEK of one environment does not open in another one.
async fn another_environment(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    for environment in [Some("contracts"), Some("production"), None] {
        mismatch(&ctx, &context, &WrapContext::new(environment, tenant.clone(), "orders")).await?;
    }
    Ok(())
}

/// Absent and empty differ, both ways.
async fn an_absent_environment_is_not_an_empty_one(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let absent = WrapContext::new(None, tenant.clone(), "orders");
    let empty = WrapContext::new(Some(""), tenant, "orders");
    mismatch(&ctx, &absent, &empty).await?;
    mismatch(&ctx, &empty, &absent).await
}

/// Fields cannot borrow characters from one another.
async fn shifted_context_fields(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let of = |environment, scope| WrapContext::new(Some(environment), tenant.clone(), scope);
    mismatch(&ctx, &of("ab", "c"), &of("a", "bc")).await?;
    mismatch(&ctx, &of("a,scope=b", "c"), &of("a", "b,scope=c")).await
}

/// A form with any one byte changed does not open, whichever byte and whichever bit.
async fn any_changed_byte(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let len = made.wrapped.len();
    for at in 0..len {
        for flip in [0x01, 0x80] {
            let mut changed = made.wrapped.clone();
            changed[at] ^= flip;
            let opened = ctx.service().decrypt_dek(&changed, &context).await;
            ctx.refused(BadForm::Changed { at, len }, opened)?;
        }
    }
    ctx.check_opens(&made.wrapped, &context, &made.dek, "the unchanged form still opens").await
}

/// Random bytes do not open.
async fn random_bytes(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.used().await?;
    let len = ctx.generate(&context).await?.wrapped.len();
    for _ in 0..8 {
        let mut random = Vec::new();
        while random.len() < len {
            random.extend_from_slice(EncryptionKey::generate()?.expose_secret());
        }
        random.truncate(len);
        ctx.refused(BadForm::Random, ctx.service().decrypt_dek(&random, &context).await)?;
    }
    Ok(())
}

/// A form that was cut off does not open, wherever it was cut.
async fn every_truncation(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    for len in 1..made.wrapped.len() {
        let opened = ctx.service().decrypt_dek(&made.wrapped[..len], &context).await;
        ctx.refused(BadForm::Truncated, opened)?;
    }
    Ok(())
}

/// No bytes at all do not open.
async fn an_empty_form(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.used().await?;
    ctx.refused(BadForm::Empty, ctx.service().decrypt_dek(&[], &context).await)
}

/// A form with something after it does not open, however much it is.
async fn an_oversized_form(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let appended: [&[u8]; 5] = [&[0], b"\n", b"=", &made.wrapped, &[0; 1 << 20]];
    for more in appended {
        let oversized = [&made.wrapped, more].concat();
        let opened = ctx.service().decrypt_dek(&oversized, &context).await;
        ctx.refused(BadForm::Oversized, opened)?;
    }
    Ok(())
}

/// A form that names a version which is not there is refused as that.
async fn an_absent_version(ctx: KmsCtx) -> CaseResult {
    let stranger = ctx.harness().stranger().await?;
    let (tenant, context) = ctx.used().await?;
    for _ in 0..3 {
        stranger.rotate_kek(&tenant).await?;
    }
    let theirs = stranger.generate_dek(&context).await?;
    ctx.note(&theirs.dek);
    let opened = ctx.service().decrypt_dek(&theirs.wrapped, &context).await;
    ctx.refused(BadForm::AbsentVersion, opened)
}

/// Opening for a tenant that was never used fails, and does not use it.
async fn an_unused_tenant_which_stays_unused(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let (unused, other) = ctx.unused()?;
    let opened = ctx.service().decrypt_dek(&made.wrapped, &other).await;
    ctx.refused(BadForm::UnusedTenant, opened)?;
    let rewrapped = ctx.service().rewrap_dek(&made.wrapped, &other).await;
    ctx.refused(BadForm::UnusedTenant, rewrapped)?;
    let first = ctx.service().rotate_kek(&unused).await?.0;
    check_eq!(first, 1, "what fails creates no KEK, so the first rotation makes version 1");
    Ok(())
}
