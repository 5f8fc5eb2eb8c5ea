//! The servers that integration tests run against: installed, started, listed and stopped.

mod catalogue;
mod launch;
mod process;
mod session;
mod softhsm;
mod state;

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

use self::catalogue::SERVERS;
pub(crate) use self::session::Session;
use self::session::{ensure, find};
use self::state::State;
use crate::tools::Workspace;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts servers that do not run yet, each on a free port of the loopback address
    Up(Names),
    /// Stops servers that `up` started, and no others
    Down(Names),
    /// Lists the servers and what runs
    Status {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints the environment of the running servers, for `eval`
    Env,
}

#[derive(clap::Args)]
pub(crate) struct Names {
    /// Which ones; all if none is named
    names: Vec<String>,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, command: &Command) -> Result<()> {
    match command {
        Command::Up(names) => up(workspace, &names.resolve()?),
        Command::Down(names) => down(workspace, &names.resolve()?),
        Command::Status { json } => status(workspace, *json),
        Command::Env => env(workspace),
    }
}

impl Names {
    fn resolve(&self) -> Result<Vec<&'static str>> {
        if self.names.is_empty() {
            return Ok(SERVERS.iter().map(|server| server.name).collect());
        }
        self.names.iter().map(|name| find(name).map(|server| server.name)).collect()
    }
}

fn up(workspace: &Workspace, names: &[&'static str]) -> Result<()> {
    for (name, value) in ensure(workspace, names, None)? {
        println!("{}", exported(&name, &value));
    }
    Ok(())
}

fn down(workspace: &Workspace, names: &[&'static str]) -> Result<()> {
    let mut state = State::load(workspace)?;
    let (stopped, kept) = std::mem::take(&mut state.servers)
        .into_iter()
        .partition(|server| server.is_shared() && names.contains(&server.name.as_str()));
    let stopped: Vec<state::Running> = stopped;
    for server in &stopped {
        server.stop();
        println!("{}: stopped", server.name);
    }
    if stopped.is_empty() {
        println!("nothing to stop");
    }
    state.servers = kept;
    state.save()?;
    state.remove_old_folders()
}

fn env(workspace: &Workspace) -> Result<()> {
    let state = State::load(workspace)?;
    let shared = state.servers.iter().filter(|server| server.is_shared());
    let variables = shared.flat_map(|server| server.variables.iter().cloned());
    for (name, value) in
        variables.chain(session::programs(workspace)?).chain(softhsm::variables(workspace)?)
    {
        println!("{}", exported(&name, &value));
    }
    Ok(())
}

/// A line that a shell takes.
fn exported(name: &str, value: &str) -> String {
    format!("export {name}='{}'", value.replace('\'', r"'\''"))
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    /// The variable that points at a server of one's own.
    variable: &'a str,
    /// Whether that variable is set.
    yours: bool,
    /// The process, if one was started here.
    pid: Option<u32>,
    /// Whether it belongs to a command that still runs.
    busy: bool,
    folder: Option<String>,
}

fn status(workspace: &Workspace, json: bool) -> Result<()> {
    let state = State::load(workspace)?;
    let rows: Vec<_> = SERVERS
        .iter()
        .map(|server| {
            let running = state.servers.iter().find(|running| running.name == server.name);
            Row {
                name: server.name,
                about: server.about,
                variable: server.variable,
                yours: std::env::var_os(server.variable).is_some(),
                pid: running.map(|running| running.process.pid),
                busy: running.is_some_and(|running| !running.is_shared()),
                folder: running
                    .map(|running| workspace.relative(&running.folder).display().to_string()),
            }
        })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    for row in rows {
        let what = match (row.yours, row.pid) {
            (true, _) => format!("yours ({})", row.variable),
            (false, Some(pid)) if row.busy => format!("runs for another command, pid {pid}"),
            (false, Some(pid)) => format!("runs, pid {pid}, {}", row.folder.unwrap_or_default()),
            (false, None) => "stopped".to_owned(),
        };
        println!("{:<12} {:<42} {what}", row.name, row.about);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_quotes_survives_the_shell() {
        assert_eq!(exported("A", "it's"), r"export A='it'\''s'");
    }

    #[test]
    fn an_unknown_server_is_refused_with_those_that_exist() {
        let error = Names { names: vec!["kafka".into()] }.resolve().unwrap_err().to_string();
        assert!(error.starts_with("no server `kafka`; there are: nats, sqs, "), "{error}");
    }
}
