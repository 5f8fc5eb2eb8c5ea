//! Proves that the key suites bite: a service or store that breaks a promise fails its cases.
//!
//! - An honest wrapper passes every case; so does one that lacks a capability and says so.
//! - Each sabotage of the wrapper fails at least the cases that its table names for it.
//! - Each case is failed by some sabotage.

// These are tests, if of another kind: what must not happen should stop them.
#![allow(clippy::unwrap_used)]

mod kms;
mod kms_bent;
mod kms_harness;
mod kms_table;
mod kms_world;
mod provider;
mod provider_table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use sealmq_contract_tests::keys::{self, kms as kms_suite, provider as provider_suite};
use sealmq_contract_tests::runner::Verdict;
use sealmq_contract_tests::suite::{Suite, SuiteTest};

fn main() -> ExitCode {
    let services = tests(
        "kms",
        kms_table::TABLE,
        kms_table::HONEST,
        kms_suite::all_cases().collect(),
        |how, case| kms_suite::run_case(case, &kms_harness::backend(how)),
    );
    let stores = tests(
        "provider",
        provider_table::TABLE,
        provider_table::HONEST,
        provider_suite::all_cases().collect(),
        |how, case| provider_suite::run_case(case, &provider::backend(how)),
    );
    Suite::new("keys-bite", services.into_iter().chain(stores).collect()).main()
}

/// The tests of one suite: the honest wrappers, each row of its table, and the table as a whole.
fn tests<S, C>(
    suite: &'static str,
    table: &'static [(S, &'static [&'static str])],
    honest: &'static [S],
    cases: Vec<&'static keys::Case<C>>,
    run: fn(S, &'static keys::Case<C>) -> Verdict,
) -> Vec<SuiteTest>
where
    S: Copy + Send + Sync + std::fmt::Debug,
    keys::Case<C>: Sync,
{
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    let mut tests = Vec::new();
    for how in honest {
        for case in cases.iter().copied() {
            let name = format!("{suite}::honest::{how:?}::{}", case.full_name());
            tests.push(test(name, move || run(*how, case)));
        }
    }
    for (how, victims) in table {
        for victim in *victims {
            let case = cases.iter().copied().find(|case| case.name == *victim);
            tests.push(test(format!("{suite}::sabotaged::{how:?}::{victim}"), move || match case
                .map(|case| run(*how, case))
            {
                None => Verdict::Failed(format!("there is no case {victim}")),
                Some(Verdict::Failed(_)) => Verdict::Passed(None),
                Some(other) => Verdict::Failed(format!("{how:?} goes unnoticed: {other:?}")),
            }));
        }
    }
    let named: BTreeSet<_> = table.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
    let unproven: Vec<_> = names.difference(&named).copied().collect();
    tests.push(test(format!("{suite}::table::every_case_is_failed_by_some_sabotage"), move || {
        match unproven.as_slice() {
            [] => Verdict::Passed(None),
            _ => Verdict::Failed(format!("nothing makes these cases fail: {unproven:?}")),
        }
    }));
    tests
}

fn test(name: String, run: impl FnOnce() -> Verdict + Send + 'static) -> SuiteTest {
    SuiteTest { name, alone: false, on_demand: false, run: Box::new(run) }
}
