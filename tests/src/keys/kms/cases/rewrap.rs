//! Re-wrapping: the same DEK under the latest version.

use sealmq_crypto_core::{KekVersion, WrapContext};

use crate::keys::Case;
use crate::keys::kms::needs::cases;
use crate::keys::kms::{BadForm, KmsCtx};
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "rewrap":
    rewrapping_keeps_the_dek [];
    rewrapping_moves_to_the_latest_version [Rotation];
    rewrapping_leaves_the_old_form_good [Rotation];
    rewrapping_makes_a_new_form [];
    rewrapping_holds_on_to_the_context [AssociatedData];
    rewrapping_refuses_what_does_not_open [];
};

/// The new form holds the same DEK, however often it is made.
async fn rewrapping_keeps_the_dek(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let mut wrapped = made.wrapped;
    for _ in 0..3 {
        wrapped = ctx.service().rewrap_dek(&wrapped, &context).await?;
        ctx.check_opens(&wrapped, &context, &made.dek, "re-wrapping keeps the DEK").await?;
    }
    Ok(())
}

/// The new form is of the latest version, from whichever version it came.
async fn rewrapping_moves_to_the_latest_version(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let mut all = Vec::new();
    let mut latest = KekVersion(1);
    for _ in 0..3 {
        all.push(ctx.generate(&context).await?);
        latest = ctx.service().rotate_kek(&tenant).await?;
    }
    for made in all {
        let wrapped = ctx.service().rewrap_dek(&made.wrapped, &context).await?;
        check_eq!(ctx.version_of(&wrapped)?, latest, "re-wrapping moves to the latest version");
        ctx.check_opens(&wrapped, &context, &made.dek, "re-wrapping keeps the DEK").await?;
    }
    Ok(())
}

/// Messages under way still carry the old form.
async fn rewrapping_leaves_the_old_form_good(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.used().await?;
    let made = ctx.generate(&context).await?;
    ctx.service().rotate_kek(&tenant).await?;
    ctx.service().rewrap_dek(&made.wrapped, &context).await?;
    ctx.check_opens(&made.wrapped, &context, &made.dek, "the old form still opens").await
}

/// It wraps anew, even where the version stays.
async fn rewrapping_makes_a_new_form(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let wrapped = ctx.service().rewrap_dek(&made.wrapped, &context).await?;
    check!(wrapped != made.wrapped, "re-wrapping makes a new form");
    Ok(())
}

/// The new form is bound to the same context, and another one cannot be re-wrapped into it.
async fn rewrapping_holds_on_to_the_context(ctx: KmsCtx) -> CaseResult {
    let (tenant, context) = ctx.unused()?;
    let other = WrapContext::new(Some("contract"), tenant, "invoices");
    let made = ctx.generate(&context).await?;
    let moved = ctx.service().rewrap_dek(&made.wrapped, &other).await;
    ctx.refused(BadForm::OtherContext, moved)?;
    let wrapped = ctx.service().rewrap_dek(&made.wrapped, &context).await?;
    let opened = ctx.service().decrypt_dek(&wrapped, &other).await;
    ctx.refused(BadForm::OtherContext, opened)
}

/// What does not open is not re-wrapped, and is refused as when it is opened.
async fn rewrapping_refuses_what_does_not_open(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    let len = made.wrapped.len();
    let mut changed = made.wrapped.clone();
    changed[len / 2] ^= 0x01;
    let (_, other) = ctx.used().await?;
    let bad = [
        (BadForm::Empty, vec![], &context),
        (BadForm::Truncated, made.wrapped[..len - 1].to_vec(), &context),
        (BadForm::Oversized, [&made.wrapped[..], &[0]].concat(), &context),
        (BadForm::Changed { at: len / 2, len }, changed, &context),
        (BadForm::OtherTenant, made.wrapped, &other),
    ];
    for (form, wrapped, context) in bad {
        ctx.refused(form, ctx.service().rewrap_dek(&wrapped, context).await)?;
    }
    Ok(())
}
