//! A server of one test: started, stopped and started again on the same port and folder.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sealmq_transport_nats::{NatsConfig, NatsTransport};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{PATIENCE, variable};

/// A running server. Dropping it stops it and removes its folder.
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// A server with JetStream and nothing else.
    pub(crate) async fn start() -> Self {
        Self::with_config("").await
    }

    /// A server with further lines in its configuration; `FOLDER` in them is its folder.
    pub(crate) async fn with_config(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, lines).await
    }

    /// A server in a folder that was prepared.
    pub(crate) async fn in_folder(folder: TempDir, lines: &str) -> Self {
        let port = free_port();
        let path = folder.path().display().to_string();
        let config = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{path}/store\" }}\n{}\n",
            lines.replace("FOLDER", &path)
        );
        std::fs::write(folder.path().join("server.conf"), config).unwrap();
        let child = spawn(folder.path());
        let mut server = Self { child, port, folder };
        server.wait_until_up().await;
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A configuration for this server.
    pub(crate) fn config(&self) -> NatsConfig {
        NatsConfig::new(self.url()).with_connect_timeout(PATIENCE)
    }

    /// A connection to this server.
    pub(crate) async fn connect(&self) -> NatsTransport {
        NatsTransport::connect(&self.config()).await.unwrap()
    }

    /// Kills the server as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again with what it had stored.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.folder.path());
        self.wait_until_up().await;
    }

    async fn wait_until_up(&mut self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                if let Some(status) = self.child.try_wait().unwrap() {
                    let log = std::fs::read_to_string(self.folder().join("server.log"));
                    panic!("the server ended: {status}: {log:?}");
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the server comes up");
    }
}

fn spawn(folder: &Path) -> Child {
    let program = variable("SEALMQ_NATS_SERVER_BIN");
    let mut command = Command::new(&program);
    command.arg("-c").arg(folder.join("server.conf"));
    command.arg("-l").arg(folder.join("server.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("SEALMQ_NATS_SERVER_BIN {program}: {error}"))
}

/// A port that nobody listens to.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
