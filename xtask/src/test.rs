//! The steps of `cargo xtask test`: everything that is a test, in one run.

use std::cell::OnceCell;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::contract::{SUITES, Suite};
use crate::programs::{Counts, Program, build_all, place, run_suite, run_tests};
use crate::report::Step;
use crate::tools::Workspace;
use crate::{features, python, vectors};

/// The test programs, built once however many steps need them.
struct Programs<'a> {
    workspace: &'a Workspace,
    built: OnceCell<Vec<Program>>,
}

impl Programs<'_> {
    fn get(&self) -> Result<&[Program]> {
        if self.built.get().is_none() {
            let _ = self.built.set(build_all(self.workspace)?); // it was empty a line ago
        }
        Ok(self.built.get().map_or(&[], Vec::as_slice))
    }
}

/// The steps, the quick ones and those that others build upon first.
pub(crate) fn steps(workspace: &Workspace) -> Vec<Step<'_>> {
    let programs = Rc::new(Programs { workspace, built: OnceCell::new() });
    let (for_build, for_tests) = (Rc::clone(&programs), Rc::clone(&programs));
    let mut steps = vec![
        Step::new("python", "the Python environment below target/", || {
            python::ensure(workspace).map(|_| String::new())
        }),
        Step::new("vectors", "the test vectors, generated anew and compared", || {
            vectors::check(workspace)
        }),
        Step::new("build", "every test program, with every feature", move || {
            Ok(format!("{} test programs", for_build.get()?.len()))
        }),
        Step::new("tests", "unit and integration tests", move || {
            run_all(workspace, for_tests.get()?)
        }),
    ];
    for suite in SUITES {
        let programs = Rc::clone(&programs);
        steps.push(Step::new(
            format!("contract-{}", suite.backend),
            "the contract suite of this backend",
            move || contract(workspace, programs.get()?, suite),
        ));
    }
    steps.push(Step::new("examples", "the examples in the documentation", || {
        let mut command = workspace.cargo(["test", "--workspace", "--all-features", "--doc"]);
        Ok(run_tests(&mut command)?.to_string())
    }));
    steps.push(Step::new("features", "each feature on its own", || features::check(workspace)));
    steps
}

fn run_all(workspace: &Workspace, programs: &[Program]) -> Result<String> {
    let mut counts = Counts::default();
    // The suites have steps of their own; what is in no list runs here and not nowhere.
    for program in programs.iter().filter(|program| !SUITES.iter().any(|suite| program.is(suite))) {
        println!("\n{}", place(program));
        counts.add(run_tests(&mut program.command(workspace)).with_context(|| place(program))?);
    }
    if counts.is_empty() {
        bail!("there was no test to run");
    }
    Ok(counts.to_string())
}

fn contract(workspace: &Workspace, programs: &[Program], suite: &Suite) -> Result<String> {
    let program = programs.iter().find(|program| program.is(suite));
    let program = program.with_context(|| format!("{} was not built", suite.target))?;
    Ok(run_suite(&mut program.command(workspace))?.to_string())
}
