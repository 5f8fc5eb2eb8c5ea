//! The contract suite of one backend, whose count is the last line printed.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::programs::build_contract_test;
use crate::servers::Session;
use crate::tools::Workspace;

/// A suite of this repository.
pub(crate) struct Suite {
    /// What `cargo xtask contract` calls it.
    pub(crate) backend: &'static str,
    /// Its test target in `tests/`.
    pub(crate) target: &'static str,
    /// The servers it runs against.
    pub(crate) servers: &'static [&'static str],
}

/// The suites.
pub(crate) const SUITES: &[Suite] = &[
    Suite { backend: "memory", target: "memory", servers: &[] },
    Suite { backend: "memory-bare", target: "memory_bare", servers: &[] },
    Suite { backend: "nats-jetstream", target: "nats_jetstream", servers: &["nats"] },
    Suite { backend: "nats-core", target: "nats_core", servers: &["nats"] },
    Suite { backend: "sqs", target: "sqs", servers: &["sqs"] },
    Suite { backend: "sqs-fifo", target: "sqs_fifo", servers: &["sqs"] },
    Suite { backend: "servicebus", target: "servicebus", servers: &["servicebus"] },
    Suite { backend: "skeleton", target: "skeleton", servers: &[] },
    Suite {
        backend: "portability",
        target: "portability",
        servers: &["nats", "sqs", "servicebus"],
    },
    Suite { backend: "local", target: "keys_local", servers: &[] },
    Suite { backend: "vault", target: "keys_vault", servers: &["vault"] },
    Suite { backend: "aws-kms", target: "keys_aws_kms", servers: &["aws-keys"] },
    Suite { backend: "aws-secrets", target: "keys_aws_secrets", servers: &["aws-keys"] },
    Suite { backend: "azure-keyvault", target: "keys_azure_keyvault", servers: &["keyvault"] },
    Suite { backend: "pkcs11", target: "keys_pkcs11", servers: &["softhsm"] },
    Suite { backend: "postgres", target: "keys_postgres", servers: &["postgres"] },
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
    let suite = find(&arguments.backend)?;
    let session = Session::new(workspace);
    let variables = session.need(suite.servers)?;
    let program = build_contract_test(workspace, suite.target)?;
    let status = program.command(workspace).args(&arguments.suite).envs(variables).status()?;
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
        assert!(error.starts_with("no contract suite for `kafka`; there are: memory, "), "{error}");
    }
}
