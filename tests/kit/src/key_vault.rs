//! The Key Vault server of `tests/servers/keyvault`: the one that the tests share, or one of a test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{AdminSide, required};

/// The token that the server accepts for ever, with all permissions.
const OPERATOR_TOKEN: &str = "TOKEN_VALUE";

/// A running vault or managed HSM. One that was started ends when this is dropped.
#[derive(Debug)]
pub struct KeyVault {
    url: String,
    admin_url: String,
    authority_url: String,
    imds_url: String,
    ca_pem: String,
    child: Option<Child>,
    _folder: Option<TempDir>,
}

impl KeyVault {
    /// The server that the `SEALMQ_KEYVAULT_…` variables name.
    ///
    /// # Panics
    /// When they are not set, or name no file.
    pub fn from_env() -> Self {
        Self {
            url: required("SEALMQ_KEYVAULT_URL"),
            admin_url: required("SEALMQ_KEYVAULT_ADMIN_URL"),
            authority_url: required("SEALMQ_KEYVAULT_AUTHORITY_URL"),
            imds_url: required("SEALMQ_KEYVAULT_IMDS_URL"),
            ca_pem: std::fs::read_to_string(required("SEALMQ_KEYVAULT_CA_FILE")).unwrap(),
            child: None,
            _folder: None,
        }
    }

    /// A server of its own, run by `SEALMQ_PYTHON` in the folder of the servers.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(servers: &Path, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(required("SEALMQ_PYTHON"))
            .args(["-m", "keyvault", "--folder"])
            .arg(folder.path())
            .args(arguments)
            .current_dir(servers)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = |name: &str| {
            let rest = line.split(&format!("\"{name}\": ")).nth(1);
            let rest = rest.unwrap_or_else(|| panic!("the server tells its {name}, not {line:?}"));
            rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().to_owned()
        };
        Self {
            url: format!("https://127.0.0.1:{}", port("port")),
            admin_url: format!("http://127.0.0.1:{}", port("admin_port")),
            authority_url: format!("https://127.0.0.1:{}", port("authority_port")),
            imds_url: format!("http://127.0.0.1:{}", port("imds_port")),
            ca_pem: std::fs::read_to_string(folder.path().join("ca.pem")).unwrap(),
            child: Some(child),
            _folder: Some(folder),
        }
    }

    /// The vault: `https://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its `host:port`, for what stands before it.
    ///
    /// # Panics
    /// When its URL is of another kind.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("https://").unwrap()
    }

    /// Where applications get their tokens.
    pub fn authority_url(&self) -> &str {
        &self.authority_url
    }

    /// Where managed identities get theirs.
    pub fn imds_url(&self) -> &str {
        &self.imds_url
    }

    /// The authority of its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Where it is told what to accept and what to break.
    pub fn admin(&self) -> AdminSide {
        AdminSide::new(&self.admin_url)
    }

    /// An operation on the vault by somebody who may do everything: the body of the answer.
    ///
    /// # Panics
    /// When it is not a success.
    pub async fn operate(&self, method: &str, path: &str, json: &str) -> String {
        let answer = self.exchange(method, path, json).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('2'), "{method} {path}: {status} {body}");
        body.to_owned()
    }

    async fn exchange(&self, method: &str, path: &str, json: &str) -> std::io::Result<String> {
        let head = format!(
            "{method} {path}?api-version=7.6 HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\
             Connection: close\r\n\r\n",
            self.address(),
            json.len()
        );
        let stream = TcpStream::connect(self.address()).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(self.client_config()).connect(name, stream).await?;
        stream.write_all((head + json).as_bytes()).await?;
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await; // it may end without a word of TLS
        if answer.is_empty() {
            end?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl Drop for KeyVault {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
