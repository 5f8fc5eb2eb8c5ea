//! The client's own contract over any transport: sealed bodies, handlers, renewal, stopping.
//!
//! The cases run on the harness of the transport suite; a transport that lacks what a case needs
//! refuses it, as there.

mod counting;
mod crypto;
mod handlers;
mod outages;
mod renewal;
mod stopping;
pub(crate) mod support;

use crate::suite::Suite;
use crate::transport::{self, Backend, Case};

/// Every group, in the order of the catalogue.
const GROUPS: &[&[Case]] =
    &[crypto::CASES, handlers::CASES, outages::CASES, renewal::CASES, stopping::CASES];

/// The suite of transports and that of the client over them, on one backend.
pub fn suite(backend: impl Backend + 'static) -> Suite {
    transport::suite_of(backend, transport::all_cases().chain(all_cases()))
}

/// Every case on the client.
pub fn all_cases() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_of_both_suites_has_a_name_of_its_own() {
        let all = || transport::all_cases().chain(all_cases());
        let names: BTreeSet<_> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
    }
}
