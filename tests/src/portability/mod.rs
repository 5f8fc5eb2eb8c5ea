//! Portability: a frame sealed over one transport opens after someone carried it to any other.
//!
//! A frame is bound to the logical queue, and not to the broker that happens to hold it. Whoever
//! moves messages between brokers needs neither keys nor this library.

mod dead_letters;
mod forwarding;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::outcome::CaseResult;
use crate::runner::{self, Test, Threads, Time};
use crate::suite::{Suite, SuiteTest};
use crate::transport::{Backend, Ctx};

/// Everything but the pairs that hang is quick; a message may have to wait for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Every pair of these backends, and the dead-letter queue of each.
pub fn suite(backends: Vec<Arc<dyn Backend>>) -> Suite {
    let mut tests = Vec::new();
    for from in &backends {
        for to in &backends {
            let pair = format!("{}_to_{}", name(from), name(to));
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            tests.push(test(format!("forward::{pair}"), move || {
                Box::pin(with_two(from, to, |from, to| Box::pin(forwarding::forward(from, to))))
            }));
        }
        let backend = Arc::clone(from);
        tests.push(test(format!("dead_letter::{}", name(from)), move || {
            Box::pin(dead_letters::read_inspect_redrive_on(backend))
        }));
    }
    Suite::new("portability", tests).at_once(Some(4))
}

fn name(backend: &Arc<dyn Backend>) -> String {
    backend.name().replace('-', "_")
}

type Body = LocalBoxFuture<'static, CaseResult<Option<String>>>;

fn test(name: String, body: impl FnOnce() -> Body + Send + 'static) -> SuiteTest {
    let of_run = name.clone();
    SuiteTest {
        name,
        alone: false,
        on_demand: false,
        run: Box::new(move || {
            runner::run(Test {
                name: of_run,
                threads: Threads::One,
                time: Time::Real,
                timeout: TIMEOUT,
                body: Box::new(body),
            })
        }),
    }
}

async fn with_two(
    from: Arc<dyn Backend>,
    to: Arc<dyn Backend>,
    body: impl FnOnce(Ctx, Ctx) -> LocalBoxFuture<'static, CaseResult>,
) -> CaseResult<Option<String>> {
    let from = Ctx::connect("portability-from", from.harness(Time::Real).await?).await?;
    let to = Ctx::connect("portability-to", to.harness(Time::Real).await?).await?;
    let outcome = body(from.clone(), to.clone()).await;
    from.clean_up().await;
    to.clean_up().await;
    outcome.map(|()| None)
}
