//! Capabilities: what is declared makes sense together.

use sealmq_queue_core::DeliveryGuarantee;
use sealmq_queue_core::Feature::{
    CancelScheduled, DeadLetter, Defer, DelayedAbandon, ExtendLock, MaxDeliveries, Redrive,
    ScheduledSend, SessionState, Sessions, Settlement,
};

use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx};

pub(super) const CASES: &[Case] = case_table! { "capabilities":
    features_come_with_what_they_build_on [];
    guarantee_follows_from_settlement [];
};

/// A feature that builds on another is not declared without it.
async fn features_come_with_what_they_build_on(ctx: Ctx) -> CaseResult {
    let builds_on = [
        (DelayedAbandon, Settlement),
        (ExtendLock, Settlement),
        (DeadLetter, Settlement),
        (MaxDeliveries, Settlement),
        (Defer, Settlement),
        (Redrive, DeadLetter),
        (CancelScheduled, ScheduledSend),
        (SessionState, Sessions),
    ];
    for (feature, base) in builds_on {
        check!(
            !ctx.has(feature) || ctx.has(base),
            "{} is not declared without {}",
            feature.name(),
            base.name()
        );
    }
    Ok(())
}

/// What is settled is delivered at least once; without settling it can be lost.
async fn guarantee_follows_from_settlement(ctx: Ctx) -> CaseResult {
    let expected = match ctx.has(Settlement) {
        true => DeliveryGuarantee::AtLeastOnce,
        false => DeliveryGuarantee::AtMostOnce,
    };
    check_eq!(ctx.capabilities().guarantee, expected, "the guarantee is what settlement allows");
    Ok(())
}
