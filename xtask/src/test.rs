//! The steps of `cargo xtask test`: everything that is a test, in one run.

use std::cell::OnceCell;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::contract::{SUITES, Suite};
use crate::lanes::{self, Job};
use crate::programs::{Counts, Program, build_all, place};
use crate::report::Step;
use crate::servers::Session;
use crate::tools::{Workspace, expect_success, run_captured};
use crate::{conformance, features, python, vectors};

/// The test programs, built once however many steps need them.
struct Programs<'a> {
    workspace: &'a Workspace,
    /// Dropped with the steps, and the servers with it.
    servers: Session<'a>,
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
    let programs =
        Rc::new(Programs { workspace, servers: Session::new(workspace), built: OnceCell::new() });
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
        Step::new("tests", "unit and integration tests", move || run_all(workspace, &for_tests)),
    ];
    for server in conformance::SERVERS {
        steps.push(Step::new(
            format!("server-{server}"),
            "the test server, driven by the vendor's own SDK",
            move || conformance::check(workspace, server),
        ));
    }
    steps.push(Step::new("contracts", "the contract suites of all backends", move || {
        run_suites(workspace, &programs)
    }));
    steps.push(Step::new("examples", "the examples in the documentation", || {
        let mut command = workspace.cargo(["test", "--workspace", "--doc"]);
        command.args(["--features", &features::all_but_fips(workspace)?]);
        let (status, output) = run_captured(&mut command)?;
        println!("{output}");
        expect_success(&command, status)?;
        Ok(Counts::of_tests(&output)?.to_string())
    }));
    steps.push(Step::new("features", "each feature on its own", || features::check(workspace)));
    steps
}

fn run_all(workspace: &Workspace, programs: &Programs<'_>) -> Result<String> {
    let variables = programs.servers.need_all()?;
    let programs = programs.get()?;
    // The suites have a step of their own; what is in no list runs here and not nowhere.
    let others = programs
        .iter()
        .filter(|program| !SUITES.iter().any(|suite| program.is_contract_test(suite.target)));
    let job = |program: &Program| {
        let mut command = program.command(workspace);
        command.envs(variables.iter().cloned());
        Job { name: place(program), command, count: Counts::of_tests }
    };
    let counts = lanes::run(others.map(job).collect())?;
    if counts.is_empty() {
        bail!("there was no test to run");
    }
    Ok(counts.to_string())
}

fn run_suites(workspace: &Workspace, programs: &Programs<'_>) -> Result<String> {
    let variables = programs.servers.need_all()?;
    let programs = programs.get()?;
    let job = |suite: &Suite| {
        let program = programs.iter().find(|program| program.is_contract_test(suite.target));
        let program = program.with_context(|| format!("{} was not built", suite.target))?;
        let mut command = program.command(workspace);
        command.envs(variables.iter().cloned());
        let name = format!("contract {}", suite.backend);
        Ok(Job { name, command, count: Counts::of_suite })
    };
    let jobs: Vec<_> = SUITES.iter().map(job).collect::<Result<_>>()?;
    Ok(format!("{} suites: {}", SUITES.len(), lanes::run(jobs)?))
}
