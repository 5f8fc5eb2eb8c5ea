//! What a service declares of itself. Each claim is held to the test by the cases about it.

use sealmq_crypto_core::KmsCapabilities;

use crate::keys::Case;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::needs::cases;
use crate::outcome::CaseResult;

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "capabilities":
    every_client_declares_the_same [];
    the_longest_form_fits_into_a_frame [];
    what_is_no_form_names_no_version [];
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

/// Bytes that cannot be a form name no version, whoever is asked; a form names its own everywhere.
async fn what_is_no_form_names_no_version(ctx: KmsCtx) -> CaseResult {
    let service = ctx.service();
    let longest = service.capabilities().max_wrapped_len;
    for len in [0, 1, 3, longest + 1, longest + 1024] {
        check_eq!(service.version_of(&vec![0x5a; len]), None, "{len} bytes are no form");
    }
    let (_, context) = ctx.used().await?;
    let made = ctx.generate(&context).await?;
    let (named, other) = (ctx.version_of(&made.wrapped)?, ctx.harness().client().await?);
    check_eq!(other.version_of(&made.wrapped), Some(named), "every client reads the same version");
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
