//! The catalogue: one file for each group of cases.

mod cancellation;
mod capabilities;
mod deletion;
mod first_use;
mod health;
mod keyring;
mod refused;
mod rewrap;
mod rotation;
mod secrecy;
mod wrap;

use super::KmsCtx;
use crate::keys::Case;

/// Every group, in the order of the catalogue.
pub(super) const GROUPS: &[&[Case<KmsCtx>]] = &[
    wrap::CASES,
    refused::CASES,
    first_use::CASES,
    rotation::CASES,
    rewrap::CASES,
    deletion::CASES,
    cancellation::CASES,
    capabilities::CASES,
    secrecy::CASES,
    keyring::CASES,
    health::CASES,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::keys::kms::all_cases;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all_cases().map(|case| case.name).collect();
        assert_eq!(names.len(), all_cases().count());
    }
}
