//! The contract suite of one backend, whose count is the last line printed.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::programs::build_suite;
use crate::tools::Workspace;

/// A suite of this repository.
pub(crate) struct Suite {
    /// What `cargo xtask contract` calls it.
    pub(crate) backend: &'static str,
    /// Its test target in `tests/`.
    pub(crate) target: &'static str,
}

/// The suites.
pub(crate) const SUITES: &[Suite] = &[
    Suite { backend: "memory", target: "memory" },
    Suite { backend: "memory-bare", target: "memory_bare" },
    Suite { backend: "local", target: "keys_local" },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The backend
    backend: String,
    /// Arguments for the suite: filters, --exact, --skip, --list, --test-threads
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    suite: Vec<String>,
}

/// The command. Fails without a word of its own: the suite has the last one.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let suite = build_suite(workspace, find(&arguments.backend)?)?;
    let status = suite.command(workspace).args(&arguments.suite).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(backend: &str) -> Result<&'static Suite> {
    let names = || SUITES.iter().map(|suite| suite.backend).collect::<Vec<_>>().join(", ");
    let suite = SUITES.iter().find(|suite| suite.backend == backend);
    suite.with_context(|| format!("no contract suite for `{backend}`; there are: {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_backend_is_refused_with_those_that_exist() {
        let error = find("kafka").err().unwrap().to_string();
        assert_eq!(error, "no contract suite for `kafka`; there are: memory, memory-bare, local");
    }
}
