//! A cluster of two OpenBao servers that are initialized and sealed as in production.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::vault::{VaultAdmin, text_of};
use crate::{free_port, required};

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// One server of a cluster. Dropping it kills it.
#[derive(Debug)]
struct Node {
    _child: Child,
    address: String,
    _folder: TempDir,
}

impl Node {
    async fn start(name: &str) -> Self {
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
        let file = folder.path().join("config.hcl");
        std::fs::write(&file, config).unwrap();
        let child = spawn(&file);
        let address = format!("http://127.0.0.1:{port}");
        let up = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, up).await.expect("the server comes up");
        Self { _child: child, address, _folder: folder }
    }

    fn admin(&self, token: &str) -> VaultAdmin {
        VaultAdmin::new(&self.address, token)
    }

    /// Waits until `sys/health` answers with this status.
    async fn until(&self, expected: &[u16]) {
        let reached = async {
            while !expected.contains(&self.admin("").ask("GET", "sys/health", "", "").await.0) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the server reaches its state");
    }
}

fn spawn(config: &Path) -> Child {
    let program = required("SEALMQ_VAULT_BIN");
    let mut command = Command::new(&program);
    command.arg("server").arg("-config").arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("SEALMQ_VAULT_BIN {program}: {error}"))
}

/// An active server and one that is not initialized yet, which may become its standby.
#[derive(Debug)]
pub struct VaultCluster {
    active: Node,
    standby: Node,
    unseal: String,
    root: String,
}

impl VaultCluster {
    /// Two servers: the first is active, the second waits to be initialized. Their program is
    /// `SEALMQ_VAULT_BIN`.
    ///
    /// # Panics
    /// When they do not come up.
    pub async fn start() -> Self {
        let (active, standby) = (Node::start("one").await, Node::start("two").await);
        let shares = r#"{"secret_shares":1,"secret_threshold":1}"#;
        let made = active.admin("").must("POST", "sys/init", shares).await;
        let keys = made.split_once("\"keys_base64\":[\"").expect("a key to unseal with").1;
        let unseal = keys.split('"').next().unwrap_or_default().to_owned();
        let cluster = Self { active, standby, unseal, root: text_of(&made, "root_token") };
        cluster.unseal(&cluster.active).await;
        cluster.active.until(&[200]).await;
        cluster
    }

    /// Makes the second server a standby of the first.
    ///
    /// # Panics
    /// When it does not become one.
    pub async fn join(&self) {
        let json = format!(r#"{{"leader_api_addr":"{}"}}"#, self.active.address);
        self.standby.admin("").must("POST", "sys/storage/raft/join", &json).await;
        self.unseal(&self.standby).await;
        self.standby.until(&[429, 473]).await;
    }

    /// The administrator of the active server.
    pub fn active(&self) -> VaultAdmin {
        self.active.admin(&self.root)
    }

    /// The administrator, asking the second server.
    pub fn standby(&self) -> VaultAdmin {
        self.standby.admin(&self.root)
    }

    async fn unseal(&self, node: &Node) {
        let json = format!(r#"{{"key":"{}"}}"#, self.unseal);
        let unsealing = async {
            // A server that has just joined knows only after a while that it can be unsealed.
            while node.admin("").ask("POST", "sys/unseal", "", &json).await.0 != 200 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, unsealing).await.expect("the server is unsealed");
    }
}
