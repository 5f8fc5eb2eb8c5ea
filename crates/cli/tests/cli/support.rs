//! Runs the program and keeps what it said.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The one JSON value on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", self.stdout, self.stderr);
        })
    }

    /// Checks the exit code, that stdout is empty, and what the error says.
    pub(crate) fn assert_refused(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.contains(says), "{:?} does not say {says:?}", self.stderr);
    }

    /// Checks that the run went well, and gives what it printed.
    pub(crate) fn assert_ok(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        &self.stdout
    }
}

/// Runs the program with these arguments.
pub(crate) fn sealmq<const N: usize>(arguments: [&str; N]) -> Run {
    run(program().args(arguments), b"")
}

/// The program, without anything of the environment that it heeds.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sealmq"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEALMQ_") {
            program.env_remove(name);
        }
    }
    program.env_remove("RUST_LOG");
    program
}

/// Limits on time that no busy machine meets: a test of anything else gives these to the program.
pub(crate) const PATIENCE: [(&str, &str); 11] = [
    ("SEALMQ_AWS_REQUEST_TIMEOUT_MS", "60000"),
    ("SEALMQ_AZURE_REQUEST_TIMEOUT_MS", "60000"),
    ("SEALMQ_NATS_CONNECT_TIMEOUT_MS", "60000"),
    ("SEALMQ_NATS_REQUEST_TIMEOUT_MS", "60000"),
    ("SEALMQ_POSTGRES_CONNECT_TIMEOUT_MS", "60000"),
    ("SEALMQ_POSTGRES_REQUEST_TIMEOUT_MS", "60000"),
    ("SEALMQ_SERVICEBUS_CONNECT_TIMEOUT_MS", "60000"),
    ("SEALMQ_SERVICEBUS_OPERATION_TIMEOUT_MS", "60000"),
    ("SEALMQ_SQS_REQUEST_TIMEOUT_MS", "60000"),
    ("SEALMQ_VAULT_CONNECT_TIMEOUT_MS", "60000"),
    ("SEALMQ_VAULT_REQUEST_TIMEOUT_MS", "60000"),
];

/// A variable that names a server; a test without its server fails.
#[cfg(any(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "nats",
    feature = "postgres",
    feature = "servicebus",
    feature = "sqs"
))]
pub(crate) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: cargo xtask servers up, and cargo xtask servers env")
    })
}

/// Runs a command with this on its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory that ends with the test.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        text(&path)
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
