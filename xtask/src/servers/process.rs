//! Processes that outlive the command that started them: told apart from others of the same number.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How a server is asked to end, and how long it has before the next word. The first is the one
/// that makes PostgreSQL end its connections instead of waiting for them.
const REQUESTS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(4)),
    (Signal::TERM, Duration::from_secs(6)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// A process: its number, and when it began, since numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// When it began, in whatever unit this system counts.
    began: String,
}

impl Process {
    /// The process of this number; `None` if there is none, or if it has ended.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let began = match Path::new("/proc/self/stat").exists() {
            true => began_by_proc(pid)?,
            false => began_by_ps(pid)?,
        };
        Some(Self { pid, began })
    }

    /// The process that asks.
    pub(crate) fn current() -> Option<Self> {
        Self::find(std::process::id())
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> bool {
        Self::find(self.pid).as_ref() == Some(self)
    }

    /// Asks it to end, and kills it when it does not.
    pub(crate) fn stop(&self) {
        for (signal, patience) in REQUESTS {
            self.signal(signal);
            let asked = Instant::now();
            while self.runs() && asked.elapsed() < patience {
                sleep(Duration::from_millis(10));
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.runs()) {
            let _ = kill_process(pid, signal); // it may have ended in between
        }
    }
}

/// The 22nd field of the process table, unless the process is a zombie.
fn began_by_proc(pid: u32) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets that may hold anything: count from the last bracket.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn began_by_ps(pid: u32) -> Option<String> {
    let pid = pid.to_string();
    let output = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid]).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let (state, began) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| began.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn sleeper() -> (std::process::Child, Process) {
        let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        (child, process)
    }

    #[test]
    fn a_process_runs_until_it_is_stopped() {
        let (mut child, process) = sleeper();
        assert!(process.runs());
        process.stop();
        assert!(!process.runs());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn another_process_of_the_same_number_is_left_alone() {
        let (mut child, process) = sleeper();
        let former = Process { began: "earlier".into(), ..process };
        assert!(!former.runs());
        former.stop();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn both_ways_to_ask_know_this_process() {
        assert!(began_by_proc(std::process::id()).is_some() || !Path::new("/proc").exists());
        assert!(Process::current().unwrap().runs());
    }
}
