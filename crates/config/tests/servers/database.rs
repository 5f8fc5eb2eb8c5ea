//! A schema of one test in PostgreSQL, and an engine in Vault that makes users of it.

use sealmq_keys_postgres::{PostgresClient, PostgresConfig, grants, migrate};
use sealmq_test_kit::{PostgresAdmin, VaultAdmin, text_of};

use crate::support::Files;

const CREDENTIALS: &str = include_str!("../../../keys-vault/policies/database-credentials.hcl");
const TOKEN_SELF: &str = include_str!("../../../keys-vault/policies/token-self.hcl");
const CREATE_USER: &str = include_str!("../../../keys-postgres/sql/dynamic-user.sql");

pub(crate) struct Database {
    pub(crate) postgres: PostgresAdmin,
    pub(crate) schema: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let postgres = PostgresAdmin::from_env();
        let schema = format!("configured_{}", uuid::Uuid::now_v7().simple());
        let (user, password) = postgres.login();
        let url = format!("postgres://{user}:{password}@{}", postgres.server());
        let config = PostgresConfig::new(url).without_tls().with_schema(&*schema);
        migrate(&PostgresClient::new(&config).unwrap()).await.unwrap();
        Self { postgres, schema }
    }

    /// The lines that lead to it: with a password, or without.
    pub(crate) fn lines(&self, files: &Files, with_password: bool) -> String {
        let (user, password) = self.postgres.login();
        let login = if with_password { format!("{user}:{password}@") } else { String::new() };
        let url = format!("postgres://{login}{}", self.postgres.server());
        let name = format!("url-{with_password}");
        let url = files.reference(&name, &url);
        let patience = "connect_timeout_ms = 60000\nrequest_timeout_ms = 120000\n\
                        statement_timeout_ms = 60000\n";
        format!("url = {url}\ntls = 'disable'\nschema = '{}'\n{patience}", self.schema)
    }

    pub(crate) async fn count(&self, table: &str, which: &str) -> usize {
        let sql = format!("SELECT count(*) FROM {}.{table} WHERE {which}", self.schema);
        self.postgres.run(&sql).await.parse().unwrap()
    }
}

/// The engine: its users may do what a service does at run time, and no more.
pub(crate) struct Engine {
    pub(crate) vault: VaultAdmin,
    pub(crate) mount: String,
    pub(crate) policy: String,
    runtime: String,
}

impl Engine {
    pub(crate) async fn of(database: &Database) -> Self {
        let (vault, schema) = (VaultAdmin::from_env(), &database.schema);
        let (runtime, operator) = (format!("{schema}_runtime"), format!("{schema}_operator"));
        let grants = grants(schema, &runtime, &operator).unwrap();
        let sql = format!(
            "CREATE ROLE {runtime}; CREATE ROLE {operator}; {grants} \
             CREATE ROLE {schema}_vault LOGIN CREATEROLE PASSWORD 'engine'; \
             GRANT {runtime} TO {schema}_vault WITH ADMIN OPTION"
        );
        database.postgres.run(&sql).await;
        let mount = VaultAdmin::unique("database");
        vault.must("POST", &format!("sys/mounts/{mount}"), r#"{"type":"database"}"#).await;
        let server = database.postgres.server();
        let config = format!(
            r#"{{"plugin_name":"postgresql-database-plugin","allowed_roles":"sealmq","username":
            "{schema}_vault","password":"engine","connection_url":
            "postgresql://{{{{username}}}}:{{{{password}}}}@{server}?sslmode=disable"}}"#
        );
        vault.must("POST", &format!("{mount}/config/postgres"), &config).await;
        let create = CREATE_USER.lines().filter(|line| !line.starts_with("--"));
        let create = create.collect::<String>().replace("sealmq_runtime", &runtime);
        let create = create.replace('"', r#"\""#);
        let role = format!(
            r#"{{"db_name":"postgres","creation_statements":["{create}"],
            "revocation_statements":["DROP ROLE IF EXISTS \"{{{{name}}}}\""],
            "default_ttl":3600,"max_ttl":7200}}"#
        );
        vault.must("POST", &format!("{mount}/roles/sealmq"), &role).await;
        let rules = CREDENTIALS.replace("database/", &format!("{mount}/")) + TOKEN_SELF;
        let policy = vault.policy(&rules).await;
        Self { vault, mount, policy, runtime }
    }

    /// `[vault.main]` with a token under the published policy, and who is behind it.
    pub(crate) async fn table(&self, files: &Files) -> String {
        let json = format!(r#"{{"policies":["{}"],"no_default_policy":true}}"#, self.policy);
        let made = self.vault.must("POST", "auth/token/create", &json).await;
        let token = files.reference("token", &text_of(&made, "client_token"));
        format!("[vault.main]\naddr = '{}'\ntoken = {token}\n", self.vault.address())
    }

    /// The lines of a table that is to have its users.
    pub(crate) fn lines(&self) -> String {
        let mount = &self.mount;
        format!(
            "vault = 'main'\nvault_database_role = 'sealmq'\nvault_database_mount = '{mount}'\n"
        )
    }

    /// How many users it made that are still there.
    pub(crate) async fn users(&self, database: &Database) -> usize {
        let sql = format!(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%' \
             AND pg_has_role(rolname, '{}', 'member')",
            self.runtime
        );
        database.postgres.run(&sql).await.parse().unwrap()
    }
}

#[tokio::test]
async fn a_tenant_is_created_by_its_first_message_only_where_the_file_allows_it() {
    let (database, files) = (Database::new().await, Files::new().await);
    let master = files.reference("master", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=");
    for (auto_create, versions) in [("false", 0), ("true", 1)] {
        let service = crate::support::connect(&format!(
            "environment = 'test'\ntenant = 'acme'\n[transport]\nkind = 'memory'\n\
             [[keys]]\nkind = 'postgres'\nalias = 'main'\nmaster_key_id = 'm1'\n\
             master_key = {master}\nauto_create = {auto_create}\n{}",
            database.lines(&files, true)
        ))
        .await;
        let orders = service.queue("orders").unwrap();
        let sent = orders.send(sealmq_queue_core::Message::new("one teapot")).await;
        assert_eq!(sent.is_ok(), versions == 1, "auto_create = {auto_create}");
        assert_eq!(database.count("kms_keys", "tenant_id = 'acme'").await, versions);
        service.close().await.unwrap();
    }
}
