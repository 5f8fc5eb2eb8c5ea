//! The list of servers that run, in a file below `target/`: what one command starts another stops.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::report::write_json;
use crate::tools::Workspace;

/// A server that was started here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Which one it is, as in the catalogue.
    pub(crate) name: String,
    /// Its process.
    pub(crate) process: Process,
    /// The command that needs it only while it runs itself; `None` for `servers up`.
    pub(crate) owner: Option<Process>,
    /// Its own folder, with its data and its log.
    pub(crate) folder: PathBuf,
    /// What the tests get to know about it: names and values of environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

impl Running {
    /// Whether it is for everybody: not the server of another command.
    pub(crate) fn is_shared(&self) -> bool {
        self.owner.is_none()
    }

    fn is_abandoned(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| !owner.runs())
    }

    /// Ends it. Its folder stays until the next server is started, for a look at the log.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }
}

/// The list, locked against other commands for as long as it is held.
pub(crate) struct State {
    path: PathBuf,
    _lock: File,
    /// The servers that run.
    pub(crate) servers: Vec<Running>,
}

/// The folder of all servers.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("servers")
}

impl State {
    /// The servers that run now. What a command left behind that was killed is stopped first.
    pub(crate) fn load(workspace: &Workspace) -> Result<Self> {
        let folder = folder(workspace);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("waiting for another command that starts or stops servers")?;
        let path = folder.join("running.json");
        let mut servers: Vec<Running> = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: remove it", path.display()))?,
            Err(_) => Vec::new(),
        };
        for server in servers.iter().filter(|server| server.is_abandoned()) {
            server.stop();
        }
        servers.retain(|server| server.process.runs());
        let state = Self { path, _lock: lock, servers };
        state.save()?;
        Ok(state)
    }

    /// Writes the list.
    pub(crate) fn save(&self) -> Result<()> {
        write_json(&self.path, &self.servers)
    }

    /// Removes the folders of servers that run no more.
    pub(crate) fn remove_old_folders(&self) -> Result<()> {
        let folder = self.path.parent().context("the list is in a folder")?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && self.servers.iter().all(|server| server.folder != path) {
                fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}
