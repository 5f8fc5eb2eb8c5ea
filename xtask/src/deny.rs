//! Bans, licences and sources of all dependencies, by cargo-deny.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::tools::{Workspace, output_of, run as run_program};

const VERSION: &str = "0.20.2";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also looks for known vulnerabilities; fetches the advisory database
    #[arg(long)]
    advisories: bool,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    check(workspace, arguments.advisories)
}

/// Runs the checks of `deny.toml`.
pub(crate) fn check(workspace: &Workspace, advisories: bool) -> Result<()> {
    let program = ensure(workspace)?;
    let mut command = workspace.program(program);
    command.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if advisories {
        command.arg("advisories");
    }
    run_program(&mut command)
        .context("`target/tools/bin/cargo-deny check` also shows what brings a crate along")
}

/// The program below target/, installed when it is missing or of another version.
fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.target().join("tools");
    let program = root.join("bin/cargo-deny");
    let installed = program.exists()
        && output_of(workspace.program(&program).arg("--version"))
            .is_ok_and(|version| version.split_whitespace().any(|word| word == VERSION));
    if !installed {
        println!("installing cargo-deny {VERSION} into target/tools");
        let install = ["install", "--locked", "--force", "--version", VERSION, "--root"];
        run_program(workspace.cargo(install).arg(&root).arg("cargo-deny"))?;
    }
    Ok(program)
}
