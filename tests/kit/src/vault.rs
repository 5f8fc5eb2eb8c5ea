//! The administrator of a Vault or OpenBao server, and a server of one test.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{free_port, required};

/// How long a server has to come up, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody with a token, who makes mounts, policies and tokens over HTTP without TLS.
#[derive(Debug, Clone)]
pub struct VaultAdmin {
    address: String,
    token: String,
}

impl VaultAdmin {
    /// The administrator of the server that the tests share: `SEALMQ_VAULT_ADDR`,
    /// `SEALMQ_VAULT_TOKEN`.
    ///
    /// # Panics
    /// When there is none.
    pub fn from_env() -> Self {
        Self::new(&required("SEALMQ_VAULT_ADDR"), &required("SEALMQ_VAULT_TOKEN"))
    }

    /// Somebody with this token, at this URL, `http://host:port`.
    pub fn new(address: &str, token: &str) -> Self {
        Self { address: address.trim_end_matches('/').to_owned(), token: token.to_owned() }
    }

    /// The URL of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `host:port` of the server.
    pub fn authority(&self) -> &str {
        self.address.strip_prefix("http://").unwrap_or(&self.address)
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Status and body of the answer to a request; further headers end with a line break each.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, json: &str) -> (u16, String) {
        // HTTP/1.0 has no chunks: the answer ends with the connection.
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {}\r\n{headers}Content-Length: {}\r\n\r\n{json}",
            self.token,
            json.len()
        );
        let mut stream = TcpStream::connect(self.authority()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The body of the answer to a request that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn must(&self, method: &str, path: &str, json: &str) -> String {
        let (status, body) = self.ask(method, path, "", json).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        body
    }

    /// A name that nothing on the server has yet.
    pub fn unique(kind: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        format!("{kind}-{}-{}-{count}", std::process::id(), now.unwrap_or_default().as_nanos())
    }

    /// A Transit mount of its own.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn mount_transit(&self) -> String {
        let mount = Self::unique("transit");
        self.must("POST", &format!("sys/mounts/{mount}"), r#"{"type":"transit"}"#).await;
        mount
    }

    /// A KV version 2 mount of its own.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn mount_kv(&self) -> String {
        let mount = Self::unique("kv");
        let json = r#"{"type":"kv","options":{"version":"2"}}"#;
        self.must("POST", &format!("sys/mounts/{mount}"), json).await;
        // The mount is upgraded in the background, and refuses requests meanwhile.
        while self.ask("GET", &format!("{mount}/config"), "", "").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        mount
    }

    /// A policy of its own with these rules.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn policy(&self, rules: &str) -> String {
        let name = Self::unique("policy");
        let rules = rules.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let json = format!(r#"{{"policy":"{rules}"}}"#);
        self.must("POST", &format!("sys/policies/acl/{name}"), &json).await;
        name
    }

    /// A token under these rules and no others; `more` are further fields of the request, each
    /// with a comma before it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn token_under(&self, rules: &str, more: &str) -> String {
        let policy = self.policy(rules).await;
        let json = format!(
            r#"{{"policies":["{policy}"],"no_default_policy":true,"no_parent":true{more}}}"#
        );
        text_of(&self.must("POST", "auth/token/create", &json).await, "client_token")
    }
}

/// The text of the first field of this name in JSON whose texts need no escapes.
///
/// # Panics
/// When there is none.
pub fn text_of(json: &str, field: &str) -> String {
    let start = json.split_once(&format!("\"{field}\":\"")).unwrap_or_else(|| panic!("no {field}"));
    start.1.split('"').next().unwrap_or_default().to_owned()
}

/// A running server in memory. Dropping it stops it.
#[derive(Debug)]
pub struct VaultServer {
    child: Child,
    admin: VaultAdmin,
}

impl VaultServer {
    /// A server whose root token is `root`. Its program is `SEALMQ_VAULT_BIN`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start() -> Self {
        let program = required("SEALMQ_VAULT_BIN");
        let port = free_port(); // it takes the next one as well
        let mut command = Command::new(&program);
        command.args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("SEALMQ_VAULT_BIN {program}: {error}"));
        let admin = VaultAdmin::new(&format!("http://127.0.0.1:{port}"), "root");
        let mut server = Self { child, admin };
        let up = async {
            while TcpStream::connect(server.admin.authority()).await.is_err()
                || server.admin.ask("GET", "auth/token/lookup-self", "", "").await.0 != 200
            {
                if let Some(status) = server.child.try_wait().unwrap() {
                    panic!("the server ended: {status}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the server comes up");
        server
    }

    /// Its administrator.
    pub fn admin(&self) -> &VaultAdmin {
        &self.admin
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it is gone already.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
