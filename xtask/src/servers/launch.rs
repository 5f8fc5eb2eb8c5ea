//! Starting one server and waiting until it answers.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server needs to be started.
pub(crate) struct Launch<'a> {
    /// The root of the checkout.
    pub(crate) root: &'a Path,
    /// The Python environment.
    pub(crate) venv: &'a Path,
    /// The server's own folder.
    pub(crate) folder: &'a Path,
}

/// A server that answers.
pub(crate) struct Launched {
    /// Its process.
    pub(crate) child: Child,
    /// What the tests get to know about it.
    pub(crate) variables: Vec<(String, String)>,
}

impl Launch<'_> {
    /// A program of the Python environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }

    /// Where the server's output goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("output.log")
    }

    /// Starts the program in a process group of its own, so that Ctrl-C reaches us and not it: it
    /// is we who stop it. Returns once `answers` is true.
    pub(crate) fn start(
        &self,
        command: &mut Command,
        mut answers: impl FnMut() -> bool,
    ) -> Result<Child> {
        fs::create_dir_all(self.folder)?;
        let log = File::create(self.log())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let program = command.get_program().display().to_string();
        let mut child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let began = Instant::now();
        loop {
            if answers() {
                return Ok(child);
            }
            if let Some(status) = child.try_wait()? {
                bail!("{program} ended ({status}):\n{}", self.tail());
            }
            if began.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("{program} did not answer in {} s:\n{}", PATIENCE.as_secs(), self.tail());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Whether the server has written this.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        fs::read(self.log()).is_ok_and(|text| String::from_utf8_lossy(&text).contains(words))
    }

    /// The end of the server's output.
    fn tail(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A port of the loopback address that nobody listens to.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether the port sends something on its own as soon as one connects.
pub(crate) fn greets(port: u16) -> bool {
    let mut first = [0];
    connect(port).is_ok_and(|mut stream| stream.read_exact(&mut first).is_ok())
}

/// Whether `GET path` is answered with success.
pub(crate) fn http_ok(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = connect(port)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let status = answer.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        Ok(status.starts_with(b"2"))
    };
    ask().unwrap_or(false)
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(script: &str, answers: impl FnMut() -> bool) -> Result<Child> {
        let folder = tempfile::tempdir()?;
        let launch = Launch { root: folder.path(), venv: folder.path(), folder: folder.path() };
        launch.start(Command::new("sh").args(["-c", script]), answers)
    }

    #[test]
    fn a_server_that_ends_is_reported_with_its_last_words() {
        let error = launch("echo the port is taken >&2; exit 3", || false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the port is taken") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_server_that_answers_is_left_running() {
        let mut child = launch("sleep 60", || true).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_port_without_a_server_does_not_answer() {
        let port = free_port().unwrap();
        assert!(!greets(port) && !http_ok(port, "/"));
    }
}
