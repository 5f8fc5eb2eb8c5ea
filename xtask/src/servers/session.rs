//! The servers of one command: started when first needed, stopped when it ends, however it ends.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result, bail};

use super::catalogue::{self, SERVERS, Server};
use super::launch::{Launch, free_port};
use super::process::Process;
use super::softhsm;
use super::state::{self, Running, State};
use crate::python;
use crate::tools::Workspace;

/// What has to be stopped on Ctrl-C; the list of a process, since a signal strikes the process.
static OURS: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// The servers that a command uses. Those it had to start are stopped when it is dropped.
pub(crate) struct Session<'a> {
    workspace: &'a Workspace,
    variables: RefCell<Vec<(String, String)>>,
    ready: RefCell<Vec<&'static str>>,
}

impl<'a> Session<'a> {
    /// With no server so far.
    pub(crate) fn new(workspace: &'a Workspace) -> Self {
        Self { workspace, variables: RefCell::default(), ready: RefCell::default() }
    }

    /// Brings up what is missing of these servers, and gives the environment of the tests.
    pub(crate) fn need(&self, names: &[&'static str]) -> Result<Vec<(String, String)>> {
        let missing: Vec<_> =
            names.iter().filter(|name| !self.ready.borrow().contains(*name)).copied().collect();
        if !missing.is_empty() {
            stop_on_interrupt();
            let owner = Process::current().context("this process is not in the process table")?;
            let found = ensure(self.workspace, &missing, Some(&owner))?;
            self.variables.borrow_mut().extend(found);
            self.ready.borrow_mut().extend(missing);
        }
        Ok(self.variables.borrow().clone())
    }

    /// Brings up all servers.
    pub(crate) fn need_all(&self) -> Result<Vec<(String, String)>> {
        let servers = SERVERS.iter().map(|server| server.name);
        self.need(&servers.chain([softhsm::NAME]).collect::<Vec<_>>())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        stop_ours();
        let _ = State::load(self.workspace); // takes what ended off the list
    }
}

fn stop_ours() {
    // Held until all have ended: an interrupted command must not exit while its handler is at it.
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    for server in ours.drain(..) {
        server.stop();
    }
}

fn stop_on_interrupt() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = ctrlc::set_handler(|| {
            stop_ours();
            std::process::exit(130);
        });
    });
}

/// Brings up what is missing of these servers. Without an owner they stay until they are stopped.
pub(crate) fn ensure(
    workspace: &Workspace,
    names: &[&'static str],
    owner: Option<&Process>,
) -> Result<Vec<(String, String)>> {
    let venv = &venv(workspace)?;
    let mut state = State::load(workspace)?;
    state.remove_old_folders()?;
    let mut variables = Vec::new();
    for name in names {
        if *name == softhsm::NAME {
            variables.extend(softhsm::variables(workspace)?); // no server: tests load it themselves
            continue;
        }
        let server = find(name)?;
        if let Ok(value) = std::env::var(server.variable) {
            eprintln!("{name}: yours, {} = {}", server.variable, hidden(server, &value));
        } else if let Some(running) = running(&state, server) {
            variables.extend(running.variables.iter().cloned());
        } else {
            let started = start(workspace, venv, server, owner)?;
            variables.extend(started.variables.iter().cloned());
            if owner.is_some() {
                OURS.lock().unwrap_or_else(PoisonError::into_inner).push(started.clone());
            }
            state.servers.push(started);
            state.save()?;
        }
    }
    variables.extend(programs(workspace)?);
    Ok(variables)
}

/// Where the programs are that tests start themselves, as environment variables.
pub(crate) fn programs(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let venv = venv(workspace)?;
    catalogue::programs(&Launch { root: workspace.root(), venv: &venv, folder: &venv })
}

fn venv(workspace: &Workspace) -> Result<PathBuf> {
    let python = python::ensure(workspace)?;
    let venv = python.ancestors().nth(2).context("the interpreter is in a folder")?;
    Ok(venv.to_owned())
}

/// The server of this name.
pub(crate) fn find(name: &str) -> Result<&'static Server> {
    let found = SERVERS.iter().find(|server| server.name == name);
    let names = || SERVERS.iter().map(|server| server.name).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("no server `{name}`; there are: {}", names()))
}

fn running<'s>(state: &'s State, server: &Server) -> Option<&'s Running> {
    state.servers.iter().find(|running| running.name == server.name && running.is_shared())
}

fn start(
    workspace: &Workspace,
    venv: &Path,
    server: &Server,
    owner: Option<&Process>,
) -> Result<Running> {
    let folder = state::folder(workspace).join(format!("{}-{}", server.name, free_port()?));
    fs::create_dir_all(&folder)?;
    let launch = Launch { root: workspace.root(), venv, folder: &folder };
    // Between looking for a free port and listening to it somebody else may take it.
    let launched = (server.start)(&launch).or_else(|_| (server.start)(&launch));
    let launched = launched.with_context(|| format!("starting {}", server.name))?;
    let Some(process) = Process::find(launched.child.id()) else {
        bail!("{} ended as soon as it answered", server.name);
    };
    let name = server.name.to_owned();
    Ok(Running { name, process, owner: owner.cloned(), folder, variables: launched.variables })
}

/// The value of a variable, without what may be a secret in it.
fn hidden(server: &Server, value: &str) -> String {
    match server.variable.ends_with("CONNECTION_STRING") || value.contains('@') {
        true => "(not shown)".to_owned(),
        false => value.to_owned(),
    }
}
