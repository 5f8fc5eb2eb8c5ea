//! A NATS server of one test: started, stopped and started again on the same port and folder.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{Authority, free_port, freezing, required};

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server with `JetStream`. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl NatsServer {
    /// A server with `JetStream` and nothing else. Its program is `SEALMQ_NATS_SERVER_BIN`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start() -> Self {
        Self::with_config("").await
    }

    /// A server with further lines in its configuration; `FOLDER` in them is its folder.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn with_config(lines: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), lines).await
    }

    /// A server with a certificate that this authority signed. `options` are further lines for its
    /// TLS: with `verify: true` clients need a certificate of the same authority. The authority's
    /// own certificate is `authority.pem` in its folder.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn with_tls(authority: &Authority, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        authority.write(folder.path(), "authority");
        authority.write_signed(folder.path(), "server");
        let lines = format!(
            "tls {{\n cert_file: \"FOLDER/server.pem\"\n key_file: \"FOLDER/server.key\"\n \
             ca_file: \"FOLDER/authority.pem\"\n timeout: 10\n {options}\n}}"
        );
        Self::in_folder(folder, &lines).await
    }

    /// A server in a folder that was prepared.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn in_folder(folder: TempDir, lines: &str) -> Self {
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

    /// Its port, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, with its configuration and what it stored.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL, without TLS.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it is gone already.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Stops it in its tracks: it takes connections, and answers nothing.
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

    /// Starts it again with what it had stored.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_again(&mut self) {
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
    let program = required("SEALMQ_NATS_SERVER_BIN");
    let mut command = Command::new(&program);
    command.arg("-c").arg(folder.join("server.conf"));
    command.arg("-l").arg(folder.join("server.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("SEALMQ_NATS_SERVER_BIN {program}: {error}"))
}
