//! The contract suite for key stores.

mod cases;
mod counting;
mod ctx;
mod harness;

use std::sync::Arc;

pub use ctx::ProviderCtx;
pub use harness::{KeyProviderBackend, KeyProviderHarness};

use crate::keys::Case;
use crate::outcome::CaseResult;
use crate::runner::{self, Verdict};
use crate::suite::{Suite, SuiteTest};

/// The whole suite on one backend: what a test program's `main` returns.
pub fn suite(backend: impl KeyProviderBackend + 'static) -> Suite {
    Suite::new(backend.name(), tests("", backend))
}

/// The tests of the suite, their names behind a prefix: for a program that tests several backends.
pub fn tests(prefix: &str, backend: impl KeyProviderBackend + 'static) -> Vec<SuiteTest> {
    let backend: Arc<dyn KeyProviderBackend> = Arc::new(backend);
    let test = |case: &'static Case<ProviderCtx>| {
        let backend = Arc::clone(&backend);
        SuiteTest {
            name: format!("{prefix}{}", case.full_name()),
            alone: false,
            on_demand: false,
            run: Box::new(move || run_case(case, &backend)),
        }
    };
    all_cases().map(test).collect()
}

/// Every case of the suite.
pub fn all_cases() -> impl Iterator<Item = &'static Case<ProviderCtx>> {
    cases::GROUPS.iter().copied().flatten()
}

/// Runs one case on a backend.
pub fn run_case(
    case: &'static Case<ProviderCtx>,
    backend: &Arc<dyn KeyProviderBackend>,
) -> Verdict {
    let timeout = backend.case_timeout();
    let backend = Arc::clone(backend);
    runner::run(case.test(timeout, Box::new(move || Box::pin(run_on(case, backend)))))
}

async fn run_on(
    case: &'static Case<ProviderCtx>,
    backend: Arc<dyn KeyProviderBackend>,
) -> CaseResult<Option<String>> {
    let ctx = ProviderCtx::connect(backend.harness().await?).await?;
    let outcome = (case.run)(ctx.clone()).await;
    ctx.harness().clean_up().await;
    outcome
}
