//! Wrapping and unwrapping: what goes in comes out, and the form shows nothing.

use std::collections::BTreeSet;

use sealmq_crypto_core::{TenantId, WrapContext};

use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::keys::{Case, kms::BadForm};
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "wrap":
    a_generated_dek_opens [];
    a_given_dek_opens [];
    generated_deks_all_differ [];
    two_wraps_of_one_dek_differ [];
    the_form_is_as_long_as_declared [];
    the_form_does_not_show_the_dek [];
    contexts_of_every_shape_open [];
    tenant_names_of_every_shape_are_kept_apart [] slow;
};

/// A DEK that the service made opens from its wrapped form, again and again.
async fn a_generated_dek_opens(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    for _ in 0..3 {
        ctx.check_opens(&made.wrapped, &context, &made.dek, "a generated DEK opens").await?;
    }
    Ok(())
}

/// A DEK that the caller brought opens from its wrapped form.
async fn a_given_dek_opens(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let dek = ctx.dek()?;
    let wrapped = ctx.service().encrypt_dek(&dek, &context).await?;
    ctx.check_opens(&wrapped, &context, &dek, "a given DEK opens").await
}

/// No DEK is generated twice.
async fn generated_deks_all_differ(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let mut seen = BTreeSet::new();
    for _ in 0..32 {
        let made = ctx.generate(&context).await?;
        check!(seen.insert(*made.dek.expose_secret()), "no DEK is generated twice");
    }
    Ok(())
}

/// Wrapping the same DEK again gives another form, and all of them open.
async fn two_wraps_of_one_dek_differ(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let dek = ctx.dek()?;
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let wrapped = ctx.service().encrypt_dek(&dek, &context).await?;
        ctx.check_opens(&wrapped, &context, &dek, "each wrap of a DEK opens").await?;
        check!(seen.insert(wrapped), "two wraps of one DEK differ");
    }
    Ok(())
}

/// Every form has at least one byte and at most as many as declared.
async fn the_form_is_as_long_as_declared(ctx: KmsCtx) -> CaseResult {
    let declared = ctx.service().capabilities().max_wrapped_len;
    let (_, context) = ctx.unused()?;
    let long = WrapContext::new(Some(&"e".repeat(200)), ctx.unused()?.0, &"q".repeat(1000));
    for context in [context, long] {
        let made = ctx.generate(&context).await?;
        let given = ctx.service().encrypt_dek(&made.dek, &context).await?;
        for len in [made.wrapped.len(), given.len()] {
            check!((1..=declared).contains(&len), "{len} bytes are within 1 to {declared}");
        }
    }
    Ok(())
}

/// The form holds nothing of the DEK in the clear.
async fn the_form_does_not_show_the_dek(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    ctx.check_hidden("a wrapped form", &made.wrapped)?;
    let given = ctx.service().encrypt_dek(&made.dek, &context).await?;
    ctx.check_hidden("a wrapped form", &given)
}

/// Environments and scopes may be absent, empty, long, and of any characters.
async fn contexts_of_every_shape_open(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let long = "l".repeat(1000);
    let values = ["", " ", "orders/eu.v2", "a=b,c;d", "%2e%2e/", "\"quoted\"", "注文 ß", &long];
    for value in values {
        for environment in [None, Some(value)] {
            let context = WrapContext::new(environment, tenant.clone(), value);
            let made = ctx.generate(&context).await?;
            let promise = "a context opens whatever its characters";
            ctx.check_opens(&made.wrapped, &context, &made.dek, promise).await?;
        }
    }
    Ok(())
}

/// Tenant names may be of any characters, and names that look alike are different tenants.
async fn tenant_names_of_every_shape_are_kept_apart(ctx: KmsCtx) -> CaseResult {
    let base = ctx.unused()?.0;
    let base = base.as_str();
    let endings =
        ["", "a", "A", "/a", "/../a", "%2Fa", ".a", "_a", " a", "a ", "\"a\"", "ä", "a\u{308}"];
    let mut names: Vec<_> = endings.iter().map(|ending| format!("{base}{ending}")).collect();
    names.push(format!("{base}{}", "l".repeat(128 - base.len())));
    let mut wrapped = Vec::new();
    for name in &names {
        let context = ctx.context(&TenantId::new(name)?);
        let made = ctx.generate(&context).await?;
        ctx.check_opens(&made.wrapped, &context, &made.dek, "any tenant name serves").await?;
        wrapped.push((context, made));
    }
    for (n, (context, _)) in wrapped.iter().enumerate() {
        let (_, other) = &wrapped[(n + 1) % wrapped.len()];
        let opened = ctx.service().decrypt_dek(&other.wrapped, context).await;
        ctx.refused(BadForm::OtherTenant, opened)?;
    }
    Ok(())
}
