//! What is shown: debug output and errors, in which no key may stand.

use super::cases;
use crate::keys::Case;
use crate::keys::provider::ProviderCtx;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<ProviderCtx>] = cases! { "secrecy":
    the_adapter_shows_no_key;
    keys_are_redacted;
};

/// Neither a key nor a credential stands in the debug output of the adapter's own types.
async fn the_adapter_shows_no_key(ctx: ProviderCtx) -> CaseResult {
    ctx.harness().rotate().await?;
    ctx.keys().await?;
    let shown = ctx.harness().shows();
    check!(!shown.is_empty(), "the harness brings the debug output of the adapter's types");
    for shown in shown {
        ctx.check_hidden("debug output", shown.as_bytes()).await?;
    }
    Ok(())
}

/// A key shows nothing of itself; its id does not hold it either.
async fn keys_are_redacted(ctx: ProviderCtx) -> CaseResult {
    let (id, key) = ctx.current().await?;
    ctx.check_hidden("debug output", format!("{key:?} {id:?}").as_bytes()).await
}
