//! What a service declares of itself. Each claim is held to the test by the cases about it.

use sealmq_crypto_core::KmsCapabilities;

use crate::keys::Case;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "capabilities":
    every_client_declares_the_same [];
    the_longest_form_fits_into_a_frame [];
    the_name_is_there_and_stays [];
};

/// The longest wrapped form that a frame has room for.
const FRAME_LIMIT: usize = 4096;

/// Claims do not depend on the client, nor on when it is asked.
async fn every_client_declares_the_same(ctx: KmsCtx) -> CaseResult {
    let declared: KmsCapabilities = ctx.service().capabilities();
    ctx.used().await?;
    check_eq!(ctx.service().capabilities(), declared, "capabilities do not change");
    let other = ctx.harness().client().await?;
    check_eq!(other.capabilities(), declared, "every client declares the same");
    Ok(())
}

/// A frame holds at most 4,096 bytes of a wrapped DEK.
async fn the_longest_form_fits_into_a_frame(ctx: KmsCtx) -> CaseResult {
    let longest = ctx.service().capabilities().max_wrapped_len;
    check!((1..=FRAME_LIMIT).contains(&longest), "{longest} bytes fit into a frame");
    Ok(())
}

/// The name is part of what DEKs are cached by: it has to be there and to stay.
async fn the_name_is_there_and_stays(ctx: KmsCtx) -> CaseResult {
    let name = ctx.service().name().to_owned();
    check!(!name.is_empty(), "a service has a name");
    ctx.used().await?;
    check_eq!(ctx.service().name(), name, "the name stays");
    check_eq!(ctx.harness().client().await?.name(), name, "every client has the same name");
    ctx.check_hidden("the name", name.as_bytes())
}
