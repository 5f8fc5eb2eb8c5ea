//! The superuser of a PostgreSQL server, through the vendor's own program.

use std::path::Path;

use tokio::process::Command;

use crate::required;

/// Somebody with every right on a server without TLS.
#[derive(Debug, Clone)]
pub struct PostgresAdmin {
    url: String,
}

impl PostgresAdmin {
    /// The superuser of the server that the tests share: `SEALMQ_POSTGRES_URL`.
    ///
    /// # Panics
    /// When there is none.
    pub fn from_env() -> Self {
        Self { url: required("SEALMQ_POSTGRES_URL") }
    }

    /// `host:port/database` of the server.
    ///
    /// # Panics
    /// When the URL names no user.
    pub fn server(&self) -> &str {
        self.url.rsplit_once('@').expect("a URL with a user").1
    }

    /// User name and password of the superuser.
    ///
    /// # Panics
    /// When the URL has none.
    pub fn login(&self) -> (&str, &str) {
        let (login, _) = self.url.rsplit_once('@').expect("a URL with a user");
        login.trim_start_matches("postgres://").split_once(':').expect("a URL with a password")
    }

    /// What the server answers to SQL: one line a row, `|` between columns.
    ///
    /// # Panics
    /// When a statement fails. The program is in `SEALMQ_POSTGRES_BIN_DIR`.
    pub async fn run(&self, sql: &str) -> String {
        let psql = Path::new(&required("SEALMQ_POSTGRES_BIN_DIR")).join("psql");
        let mut command = Command::new(&psql);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url]);
        let output = command.arg("-c").arg(sql).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}
