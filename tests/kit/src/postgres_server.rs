//! A PostgreSQL of one test: killed and started again on the same port and folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::{free_port, freezing, required};

const PASSWORD: &str = "postgres-of-one-test";

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running server without TLS. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct PostgresServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// A server of its own. Its programs are in `SEALMQ_POSTGRES_BIN_DIR`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut init = command("initdb");
        init.arg("-D").arg(data(folder.path())).arg("--pwfile").arg(&password);
        init.args(["-U", "postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]);
        let made = init.stdout(Stdio::null()).status().await.unwrap();
        assert!(made.success(), "initdb succeeds");
        let port = free_port();
        let child = spawn(folder.path(), port);
        let mut server = Self { child, port, folder };
        server.wait_until_up().await;
        server
    }

    /// The URL of its superuser, which has every right.
    pub fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Stops it in its tracks: it takes connections, and answers nothing. Its sessions hang with it.
    ///
    /// # Panics
    /// When it is gone already.
    pub async fn freeze(&self) {
        freezing::freeze(&self.child).await;
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it is gone.
    pub async fn thaw(&self) {
        freezing::thaw(&self.child).await;
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), self.port);
        self.wait_until_up().await;
    }

    async fn wait_until_up(&mut self) {
        let coming = async {
            loop {
                // Processes of a killed server may take a moment to go; until then it refuses.
                if self.child.try_wait().unwrap().is_some() {
                    sleep(Duration::from_millis(100)).await;
                    self.child = spawn(self.folder.path(), self.port);
                }
                let log = fs::read_to_string(log(self.folder.path())).unwrap_or_default();
                let ready = log.contains("ready to accept connections");
                if ready && TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, coming).await.expect("PostgreSQL comes up");
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn spawn(folder: &Path, port: u16) -> Child {
    let log = fs::File::create(log(folder)).unwrap();
    let mut server = command("postgres");
    server.arg("-D").arg(data(folder)).arg("-p").arg(port.to_string());
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
        server.arg("-c").arg(setting);
    }
    server.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
}

/// PostgreSQL refuses to run as root; as root it is given another user, in a namespace of its own.
fn command(program: &str) -> Command {
    let program = Path::new(&required("SEALMQ_POSTGRES_BIN_DIR")).join(program);
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(program);
    command
}
