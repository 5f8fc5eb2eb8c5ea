//! Proves that the transport suite bites: a transport that breaks a promise fails its cases.
//!
//! - An honest wrapper passes every case, those with a failing network included.
//! - Each sabotage of the wrapper fails at least the cases that `table` names for it.
//! - Each case is failed by some sabotage.

// These are tests, if of another kind: what must not happen should stop them.
#![allow(clippy::unwrap_used)]

mod backend;
mod receiver;
mod sabotage;
mod sender;
mod settler;
mod table;
mod tamper;
mod transport;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use sealmq_contract_tests::runner::Verdict;
use sealmq_contract_tests::suite::{Suite, SuiteTest};
use sealmq_contract_tests::transport::{Backend, Case, all_cases, run_case};

use crate::backend::SabotagedBackend;
use crate::sabotage::Sabotage;
use crate::table::TABLE;

fn main() -> ExitCode {
    hide_wanted_panics();
    let honest = all_cases().map(|case| {
        test(format!("honest::{}", case.full_name()), move || run(Sabotage::Nothing, case))
    });
    let sabotaged = TABLE.iter().flat_map(|(how, cases)| {
        let name = move |case| format!("sabotaged::{how:?}::{case}");
        cases.iter().map(move |case| test(name(case), || must_fail(*how, case)))
    });
    let complete = test("table::every_case_is_failed_by_some_sabotage".into(), complete);
    Suite::new("suite-bites", honest.chain(sabotaged).chain([complete]).collect()).main()
}

fn test(name: String, run: impl FnOnce() -> Verdict + Send + 'static) -> SuiteTest {
    SuiteTest { name, alone: false, on_demand: false, run: Box::new(run) }
}

fn run(how: Sabotage, case: &'static Case) -> Verdict {
    let backend: Arc<dyn Backend> = Arc::new(SabotagedBackend(how));
    run_case(case, &backend)
}

fn must_fail(how: Sabotage, name: &str) -> Verdict {
    let Some(case) = all_cases().find(|case| case.name == name) else {
        return Verdict::Failed(format!("there is no case {name}"));
    };
    let verdict = run(how, case);
    let noticed = match &verdict {
        Verdict::Failed(what) if what.starts_with("hangs") => how == Sabotage::Hangs,
        Verdict::Failed(what) if what.starts_with("panicked") => how == Sabotage::Panics,
        Verdict::Failed(_) => true,
        Verdict::Passed(_) | Verdict::Skipped(_) => false,
    };
    if noticed {
        Verdict::Passed(None)
    } else {
        Verdict::Failed(format!("{how:?} is not noticed for what it is: {verdict:?}"))
    }
}

fn complete() -> Verdict {
    let named: BTreeSet<_> = TABLE.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
    let unproven: Vec<_> = all_cases().map(|c| c.name).filter(|n| !named.contains(n)).collect();
    if unproven.is_empty() {
        Verdict::Passed(None)
    } else {
        Verdict::Failed(format!("nothing makes these cases fail: {unproven:?}"))
    }
}

/// Keeps the panics of `Sabotage::Panics` out of the output.
fn hide_wanted_panics() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&sender::WANTED_PANIC) {
            show(panic);
        }
    }));
}
