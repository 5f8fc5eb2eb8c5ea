//! The catalogue: one file for each group of cases.

mod named;
mod rotation;
mod secrecy;
mod sharing;
mod traffic;

use super::ProviderCtx;
use crate::keys::Case;

/// Every group, in the order of the catalogue.
pub(super) const GROUPS: &[&[Case<ProviderCtx>]] =
    &[named::CASES, rotation::CASES, sharing::CASES, secrecy::CASES, traffic::CASES];

/// The table of one group: `cases! { "group": name flag flag; … }`, where each name is an
/// `async fn(ProviderCtx) -> CaseResult` and each flag a method of [`Case`].
macro_rules! cases {
    ($group:literal: $($name:ident $($flag:ident)*;)+) => {
        &[$(
            $crate::keys::Case::new($group, stringify!($name), |ctx| {
                Box::pin(async move { $name(ctx).await.map(|()| None) })
            })$(.$flag())*
        ),+]
    };
}
use cases;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::keys::provider::all_cases;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all_cases().map(|case| case.name).collect();
        assert_eq!(names.len(), all_cases().count());
    }
}
