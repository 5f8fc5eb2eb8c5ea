//! A cluster of two OpenBao servers that are initialized and sealed as in production.

use crate::vault::VaultAdmin;
use crate::vault_node::{Keys, Node};

/// An active server and one that is not initialized yet, which may become its standby.
#[derive(Debug)]
pub struct VaultCluster {
    active: Node,
    standby: Node,
    keys: Keys,
}

impl VaultCluster {
    /// Two servers: the first is active, the second waits to be initialized. Their program is
    /// `SEALMQ_VAULT_BIN`.
    ///
    /// # Panics
    /// When they do not come up.
    pub async fn start() -> Self {
        let (active, standby) = (Node::start("one").await, Node::start("two").await);
        let keys = active.init().await;
        let cluster = Self { active, standby, keys };
        cluster.active.unseal(&cluster.keys).await;
        cluster.active.until(&[200]).await;
        cluster
    }

    /// Makes the second server a standby of the first.
    ///
    /// # Panics
    /// When it does not become one.
    pub async fn join(&self) {
        let json = format!(r#"{{"leader_api_addr":"{}"}}"#, self.active.address());
        self.standby.admin("").must("POST", "sys/storage/raft/join", &json).await;
        self.standby.unseal(&self.keys).await;
        self.standby.until(&[429, 473]).await;
    }

    /// The administrator of the active server.
    pub fn active(&self) -> VaultAdmin {
        self.active.admin(&self.keys.root)
    }

    /// The administrator, asking the second server.
    pub fn standby(&self) -> VaultAdmin {
        self.standby.admin(&self.keys.root)
    }
}
