//! The conformance tests of our own test servers, which the vendors' SDKs judge.

use anyhow::{Context, Result};

use crate::python;
use crate::tools::{Workspace, expect_success, run_watched};

/// The servers in `tests/servers` that have such tests.
pub(crate) const SERVERS: &[&str] = &["keyvault", "servicebus"];

/// Runs the tests of one of them and says how many there were.
pub(crate) fn check(workspace: &Workspace, server: &str) -> Result<String> {
    let mut command = workspace.program(python::ensure(workspace)?);
    command.args(["-m", "pytest", "--quiet", "conformance"]);
    command.current_dir(workspace.root().join("tests/servers").join(server));
    let mut last = String::new();
    let status = run_watched(&mut command, |line| line.clone_into(&mut last))?;
    expect_success(&command, status)?;
    let counts = last.split(" in ").next().filter(|counts| counts.ends_with(" passed"));
    let counts = counts.with_context(|| format!("a test was left out: {last}"))?;
    Ok(counts.to_owned())
}
