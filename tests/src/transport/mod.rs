//! The contract suite for transports.
//!
//! An adapter brings a [`Backend`] and a [`Harness`]; the cases do the rest. What a transport
//! declares it cannot do is tested too: the call must be refused before any I/O.

pub(crate) mod case;
mod cases;
mod ctx;
mod expectations;
mod harness;
mod queue;
mod reader;
mod refusals;

use std::sync::Arc;

pub use case::{Case, all_cases};
pub use ctx::Ctx;
pub use expectations::{AfterLockLost, Expectations, SlowConsumer, StaleHolder};
pub use harness::{Backend, Connection, FaultyProxy, Harness, QueueKind, QueueSpec, Timing};
pub use queue::Queue;
pub use reader::Reader;

use crate::runner::{self, Test, Verdict};
use crate::suite::{Suite, SuiteTest};

/// The whole suite on one backend: what a test program's `main` returns.
pub fn suite(backend: impl Backend + 'static) -> Suite {
    suite_of(backend, all_cases())
}

/// These cases on one backend.
pub fn suite_of(
    backend: impl Backend + 'static,
    cases: impl Iterator<Item = &'static Case>,
) -> Suite {
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let tests = cases.map(|case| {
        let backend = Arc::clone(&backend);
        SuiteTest {
            name: case.full_name(),
            alone: case.alone,
            on_demand: case.nightly,
            run: Box::new(move || run_case(case, &backend)),
        }
    });
    Suite::new(backend.name(), tests.collect()).at_once(backend.cases_at_once())
}

/// Runs one case on a backend.
pub fn run_case(case: &'static Case, backend: &Arc<dyn Backend>) -> Verdict {
    runner::run(test(case, backend))
}

fn test(case: &'static Case, backend: &Arc<dyn Backend>) -> Test {
    let time = case.time(backend.as_ref());
    let backend = Arc::clone(backend);
    Test {
        name: case.full_name(),
        threads: case.threads,
        time,
        timeout: backend.case_timeout() * case.timeout_factor,
        body: Box::new(move || Box::pin(case.run_on(backend, time))),
    }
}
