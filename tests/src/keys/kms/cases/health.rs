//! The probe: good while the service answers, before and after keys were used, and else not.

use sealmq_crypto_core::KeyErrorKind;

use crate::keys::Case;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::keys::secrets::everything;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "health":
    a_service_that_answers_is_healthy [];
    a_service_that_is_down_is_unavailable [];
};

/// A probe needs no key to be there, and no right to make one.
async fn a_service_that_answers_is_healthy(ctx: KmsCtx) -> CaseResult {
    ctx.service().health().await?;
    ctx.used().await?;
    ctx.service().health().await?;
    match ctx.harness().client_that_creates_nothing().await {
        Ok(client) => client.health().await?,
        Err(Stop::Skipped(_)) => {} // every client is of the other kind
        Err(broken) => return Err(broken),
    }
    Ok(())
}

/// A service that is down is reported soon, as something that may pass.
async fn a_service_that_is_down_is_unavailable(ctx: KmsCtx) -> CaseResult {
    let down = ctx.harness().client_of_a_service_that_is_down().await?;
    let Err(error) = ctx.soon("a probe ends", down.health()).await? else {
        return Err(Stop::broken("a service that is down is not healthy"));
    };
    check_eq!(error.kind(), &KeyErrorKind::Unavailable, "a service that is down");
    ctx.check_hidden("an error", &everything(&error))
}
