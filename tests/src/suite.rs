//! The program around the cases of one backend: arguments, allowed skips, and the count at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::runner::Verdict;
use crate::skips::{self, AllowedSkips};

/// One test of a suite.
pub struct SuiteTest {
    /// `group::name`.
    pub name: String,
    /// Whether no other test may run meanwhile, because it disturbs the broker.
    pub alone: bool,
    /// Whether it runs when asked for only: then its allowed skip is not stale when it does run.
    pub on_demand: bool,
    /// Runs it to its verdict.
    pub run: Box<dyn FnOnce() -> Verdict + Send>,
}

/// The tests of one backend, run as the `main` of a test program.
pub struct Suite {
    backend: &'static str,
    tests: Vec<SuiteTest>,
    allowed_skips: &'static str,
    at_once: Option<usize>,
}

impl Suite {
    /// A suite of these tests for the backend of this name, without any allowed skip.
    pub fn new(backend: &'static str, tests: Vec<SuiteTest>) -> Self {
        Self { backend, tests, allowed_skips: "", at_once: None }
    }

    /// The same suite with the list of skips that are allowed, in the form that [`skips::parse`]
    /// reads. Entries for other backends say nothing here.
    #[must_use]
    pub fn allow_skips(mut self, list: &'static str) -> Self {
        self.allowed_skips = list;
        self
    }

    /// The same suite with so many tests at once, unless the command line says otherwise; `None`
    /// for one on each processor.
    #[must_use]
    pub fn at_once(mut self, tests: Option<usize>) -> Self {
        self.at_once = tests;
        self
    }

    /// Runs the tests that the command line asks for, and prints their count as the last line.
    /// The arguments are those of `cargo test -- …`: filters, `--exact`, `--skip`, `--list`,
    /// `--test-threads`.
    pub fn main(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = arguments.test_threads.or(self.at_once);
        let allowed = match skips::parse(self.allowed_skips) {
            Ok(entries) => AllowedSkips::of(self.backend, &entries),
            Err(error) => return complain(&format!("allowed skips: {error}")),
        };
        let shared = Arc::new(Shared {
            backend: self.backend,
            allowed,
            alone: RwLock::new(()),
            remarks: Mutex::default(),
        });
        let known: BTreeSet<_> = self.tests.iter().map(|test| test.name.clone()).collect();
        let trials = self.tests.into_iter().map(|t| trial(t, &shared)).collect();
        let conclusion = libtest_mimic::run(&arguments, trials);
        if arguments.list {
            return ExitCode::SUCCESS;
        }
        let stale = shared.allowed.stale(&known);
        for case in &stale {
            say(&format!("stale allowed skip: {} {case} was not skipped", self.backend));
        }
        for (remark, count) in shared.remarks.lock().unwrap().iter() {
            say(&format!("{count} × {remark}"));
        }
        let failed = conclusion.num_failed + stale.len() as u64;
        say(&format!(
            "{} passed, {failed} failed, {} skipped",
            conclusion.num_passed, conclusion.num_ignored
        ));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What the tests of one run share.
struct Shared {
    backend: &'static str,
    allowed: AllowedSkips,
    alone: RwLock<()>,
    remarks: Mutex<BTreeMap<String, usize>>,
}

fn trial(test: SuiteTest, shared: &Arc<Shared>) -> Trial {
    let shared = Arc::clone(shared);
    let SuiteTest { name, alone, on_demand, run } = test;
    Trial::ignorable_test(name.clone(), move || {
        let verdict = if alone {
            let _alone = shared.alone.write().unwrap();
            run()
        } else {
            let _together = shared.alone.read().unwrap();
            run()
        };
        if !on_demand && !matches!(verdict, Verdict::Skipped(_)) {
            shared.allowed.note_run(&name);
        }
        shared.conclude(&name, verdict)
    })
}

impl Shared {
    fn conclude(&self, case: &str, verdict: Verdict) -> Result<Completion, Failed> {
        match verdict {
            Verdict::Passed(remark) => {
                if let Some(remark) = remark {
                    *self.remarks.lock().unwrap().entry(remark).or_default() += 1;
                }
                Ok(Completion::Completed)
            }
            Verdict::Failed(what) => Err(what.into()),
            Verdict::Skipped(reason) if self.allowed.allow(case) => {
                Ok(Completion::ignored_with(reason))
            }
            Verdict::Skipped(reason) => {
                let backend = self.backend;
                Err(format!(
                    "a skip that is not allowed; if it is right, list it: {backend} {case} {reason}"
                )
                .into())
            }
        }
    }
}

fn complain(what: &str) -> ExitCode {
    say(what);
    say("0 passed, 1 failed, 0 skipped");
    ExitCode::FAILURE
}

#[allow(clippy::print_stdout)] // the report of the program is what it prints
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(allowed: &str) -> Shared {
        let entries = skips::parse(allowed).unwrap();
        Shared {
            backend: "memory",
            allowed: AllowedSkips::of("memory", &entries),
            alone: RwLock::new(()),
            remarks: Mutex::default(),
        }
    }

    #[test]
    fn a_skip_that_is_not_listed_fails() {
        let skipped = || Verdict::Skipped("no TLS".into());
        assert!(memory("").conclude("a::case", skipped()).is_err());
        assert!(memory("nats a::case no TLS").conclude("a::case", skipped()).is_err());
        assert!(memory("memory a::case no TLS").conclude("a::case", skipped()).is_ok());
    }

    #[test]
    fn a_listed_case_that_fails_still_fails() {
        let failed = Verdict::Failed("broken".into());
        assert!(memory("memory a::case no TLS").conclude("a::case", failed).is_err());
    }
}
