//! A case of a key suite: its name, the runtime it needs, and the test itself.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::outcome::CaseResult;
use crate::runner::{Test, TestBody, Threads, Time};

/// One case, which is given a `C`.
pub struct Case<C: 'static> {
    /// Group in the catalogue.
    pub group: &'static str,
    /// Name in the catalogue.
    pub name: &'static str,
    /// The runtime it needs.
    pub threads: Threads,
    /// How many times the usual timeout it may take.
    pub timeout_factor: u32,
    pub(crate) run: Run<C>,
}

/// The test itself. A remark that it ends with is shown with its success.
pub(crate) type Run<C> = fn(C) -> LocalBoxFuture<'static, CaseResult<Option<String>>>;

impl<C> Case<C> {
    pub(crate) const fn new(group: &'static str, name: &'static str, run: Run<C>) -> Self {
        Self { group, name, threads: Threads::One, timeout_factor: 1, run }
    }

    /// The same case on a runtime with several threads.
    pub(crate) const fn many_threads(mut self) -> Self {
        self.threads = Threads::Many;
        self
    }

    /// The same case with more time before it counts as hanging.
    pub(crate) const fn slow(mut self) -> Self {
        self.timeout_factor = 4;
        self
    }

    /// `group::name`.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }

    /// The case as a test of the runner. Keys wait for disks and networks, so time is real.
    pub(crate) fn test(&self, timeout: Duration, body: TestBody) -> Test {
        Test {
            name: self.full_name(),
            threads: self.threads,
            time: Time::Real,
            timeout: timeout * self.timeout_factor,
            body,
        }
    }
}
