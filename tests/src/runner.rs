//! Runs one test on a runtime of its own, catches its panics and does not let it hang.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::outcome::{CaseResult, Stop};

/// What a clock does while a test waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// It runs: the backend is a server.
    Real,
    /// It jumps ahead whenever every task waits: nothing takes real time.
    Paused,
}

/// The runtime a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One thread; time can be paused.
    One,
    /// Several threads, for tests of concurrency; time is always real.
    Many,
}

/// One test, ready to run.
pub struct Test {
    /// `group::name`.
    pub name: String,
    /// The runtime it needs.
    pub threads: Threads,
    /// What its clock does.
    pub time: Time,
    /// Real time after which it counts as hanging.
    pub timeout: Duration,
    /// The test. A remark that it ends with is shown with its success.
    pub body: TestBody,
}

/// Makes the future of a test, inside its runtime.
pub type TestBody = Box<dyn FnOnce() -> LocalBoxFuture<'static, CaseResult<Option<String>>> + Send>;

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The promise holds, perhaps with a remark.
    Passed(Option<String>),
    /// The promise is broken, in these words.
    Failed(String),
    /// It could not be tested, for this reason.
    Skipped(String),
}

/// Runs the test to its end, or to its timeout.
pub fn run(test: Test) -> Verdict {
    let Test { name, threads, time, timeout, body } = test;
    let (report, verdict) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let work = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| on_runtime(threads, time, body, stopped)));
        let verdict = outcome.unwrap_or_else(|panic| Verdict::Failed(panic_text(panic.as_ref())));
        let _ = report.send(verdict); // nobody listens any more once the timeout has struck
    };
    if let Err(error) = thread::Builder::new().name(name).spawn(work) {
        return Verdict::Failed(format!("no thread for the test: {error}"));
    }
    match verdict.recv_timeout(timeout) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Disconnected) => Verdict::Failed("the test ended unheard".into()),
        Err(RecvTimeoutError::Timeout) => {
            let _ = stop.send(()); // drops the test where it waits; one that never waits is left behind
            Verdict::Failed(format!("hangs: no end after {} s", timeout.as_secs_f32()))
        }
    }
}

fn on_runtime(
    threads: Threads,
    time: Time,
    body: TestBody,
    stopped: oneshot::Receiver<()>,
) -> Verdict {
    let runtime = match runtime(threads, time) {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Failed(format!("no runtime for the test: {error}")),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            outcome = body() => outcome,
            _ = stopped => Err(Stop::broken("stopped by the runner")),
        }
    });
    runtime.shutdown_background();
    match outcome {
        Ok(remark) => Verdict::Passed(remark),
        Err(Stop::Broken(what)) => Verdict::Failed(what),
        Err(Stop::Skipped(reason)) => Verdict::Skipped(reason),
    }
}

fn runtime(threads: Threads, time: Time) -> std::io::Result<Runtime> {
    match threads {
        Threads::One => {
            Builder::new_current_thread().enable_all().start_paused(time == Time::Paused).build()
        }
        Threads::Many => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a text"))
}
