//! What is shown: errors and debug output, in which no key may stand.

use sealmq_crypto_core::{GeneratedDek, KeyError, WrapContext};

use crate::keys::Case;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::keys::secrets::everything;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "secrecy":
    no_error_shows_a_key [];
    the_adapter_shows_no_secret [];
};

/// Whatever is refused, the error names neither the DEK nor a secret of the adapter.
async fn no_error_shows_a_key(ctx: KmsCtx) -> CaseResult {
    let (_, context) = ctx.unused()?;
    let made = ctx.generate(&context).await?;
    ctx.check_hidden("debug output", format!("{made:?}").as_bytes())?;
    let errors = errors(&ctx, &context, &made).await?;
    check!(!errors.is_empty(), "some calls are refused");
    for error in errors {
        ctx.check_hidden("an error", &everything(&error))?;
        let wrapped = std::slice::from_ref(&made.wrapped);
        crate::keys::secrets::check_hidden("an error", &everything(&error), wrapped)?;
    }
    Ok(())
}

async fn errors(
    ctx: &KmsCtx,
    context: &WrapContext,
    made: &GeneratedDek,
) -> CaseResult<Vec<KeyError>> {
    let service = ctx.service();
    let (unused, other) = ctx.unused()?;
    let mut bad = vec![vec![], made.wrapped[1..].to_vec(), [&made.wrapped[..], &[0]].concat()];
    // The DEK in the place of its wrapped form: an error that quotes its input would show it.
    bad.push(made.dek.expose_secret().to_vec());
    let mut padded = made.dek.expose_secret().to_vec();
    padded.resize(made.wrapped.len().max(32), 0);
    bad.push(padded);
    let mut errors = Vec::new();
    for wrapped in &bad {
        errors.extend(service.decrypt_dek(wrapped, context).await.err());
        errors.extend(service.rewrap_dek(wrapped, context).await.err());
    }
    errors.extend(service.decrypt_dek(&made.wrapped, &other).await.err());
    if service.capabilities().deletion {
        service.delete_kek(&unused).await?;
        errors.extend(service.encrypt_dek(&made.dek, &other).await.err());
    }
    Ok(errors)
}

/// Neither a credential nor a DEK stands in the debug output of the adapter's own types.
async fn the_adapter_shows_no_secret(ctx: KmsCtx) -> CaseResult {
    ctx.used().await?;
    let shown = ctx.harness().shows();
    check!(!shown.is_empty(), "the harness brings the debug output of the adapter's types");
    for shown in shown {
        ctx.check_hidden("debug output", shown.as_bytes())?;
    }
    Ok(())
}
