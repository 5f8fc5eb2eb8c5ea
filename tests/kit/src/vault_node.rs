//! An OpenBao server that is initialized and sealed as in production, and keeps what it stores.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::vault::{VaultAdmin, text_of};
use crate::{free_port, freezing, required};

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// What opens a server, and who may do everything on it.
#[derive(Debug)]
pub(crate) struct Keys {
    unseal: String,
    pub(crate) root: String,
}

/// One server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Node {
    pub(crate) async fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, cluster_port) = (free_port(), free_port());
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let config = format!(
            "storage \"raft\" {{ path = \"{}\" node_id = \"{name}\" }}\n\
             listener \"tcp\" {{ address = \"127.0.0.1:{port}\" \
             cluster_address = \"127.0.0.1:{cluster_port}\" tls_disable = true }}\n\
             api_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"https://127.0.0.1:{cluster_port}\"\n",
            data.display()
        );
        std::fs::write(folder.path().join("config.hcl"), config).unwrap();
        let node = Self { child: spawn(folder.path()), port, folder };
        node.until_up().await;
        node
    }

    async fn until_up(&self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, up).await.expect("the server comes up");
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn admin(&self, token: &str) -> VaultAdmin {
        VaultAdmin::new(&self.address(), token)
    }

    /// Waits until `sys/health` answers with this status.
    pub(crate) async fn until(&self, expected: &[u16]) {
        let reached = async {
            while !expected.contains(&self.admin("").ask("GET", "sys/health", "", "").await.0) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the server reaches its state");
    }

    pub(crate) async fn init(&self) -> Keys {
        let shares = r#"{"secret_shares":1,"secret_threshold":1}"#;
        let made = self.admin("").must("POST", "sys/init", shares).await;
        let keys = made.split_once("\"keys_base64\":[\"").expect("a key to unseal with").1;
        let unseal = keys.split('"').next().unwrap_or_default().to_owned();
        Keys { unseal, root: text_of(&made, "root_token") }
    }

    pub(crate) async fn unseal(&self, keys: &Keys) {
        let json = format!(r#"{{"key":"{}"}}"#, keys.unseal);
        let unsealing = async {
            // A server that has just joined knows only after a while that it can be unsealed.
            while self.admin("").ask("POST", "sys/unseal", "", &json).await.0 != 200 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, unsealing).await.expect("the server is unsealed");
    }
}

fn spawn(folder: &Path) -> Child {
    let program = required("SEALMQ_VAULT_BIN");
    let mut command = Command::new(&program);
    command.arg("server").arg("-config").arg(folder.join("config.hcl"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("SEALMQ_VAULT_BIN {program}: {error}"))
}

/// A server of one test that is killed and started again with what it had stored.
#[derive(Debug)]
pub struct PersistentVault {
    node: Node,
    keys: Keys,
}

impl PersistentVault {
    /// A server that is unsealed. Its program is `SEALMQ_VAULT_BIN`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start() -> Self {
        let node = Node::start("one").await;
        let keys = node.init().await;
        node.unseal(&keys).await;
        node.until(&[200]).await;
        Self { node, keys }
    }

    /// Its administrator.
    pub fn admin(&self) -> VaultAdmin {
        self.node.admin(&self.keys.root)
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it is gone already.
    pub async fn kill(&mut self) {
        self.node.child.kill().await.unwrap();
    }

    /// Stops it in its tracks: it takes connections, and answers nothing.
    ///
    /// # Panics
    /// When it is gone already.
    pub async fn freeze(&self) {
        freezing::freeze(&self.node.child).await;
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it is gone.
    pub async fn thaw(&self) {
        freezing::thaw(&self.node.child).await;
    }

    /// Starts it again where it was, sealed at first, and unseals it.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_again(&mut self) {
        self.node.child = spawn(self.node.folder.path());
        self.node.until_up().await;
        self.node.unseal(&self.keys).await;
        self.node.until(&[200]).await;
    }
}
