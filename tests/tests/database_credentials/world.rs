//! A database engine and a schema of one test, each under the least privilege that is published.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{CredentialSource, EncryptionKey, EncryptionKeyId, TenantId, WrapContext};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService,
    PostgresKeyServiceConfig, grants, migrate,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultDatabaseConfig, VaultDatabaseCredentials,
};
use sealmq_test_kit::{HttpProxy, PostgresAdmin, Request, TcpProxy, VaultAdmin};

const CREDENTIALS: &str =
    include_str!("../../../crates/keys-vault/policies/database-credentials.hcl");
const TOKEN_SELF: &str = include_str!("../../../crates/keys-vault/policies/token-self.hcl");
const CREATE_USER: &str = include_str!("../../../crates/keys-postgres/sql/dynamic-user.sql");

pub(crate) struct World {
    pub(crate) vault: VaultAdmin,
    pub(crate) postgres: PostgresAdmin,
    /// Between the service and Vault; it counts requests.
    pub(crate) proxy: HttpProxy,
    /// Behind it; it can be cut.
    pub(crate) line: TcpProxy,
    pub(crate) mount: String,
    pub(crate) policy: String,
    /// The schema; its roles begin with this name.
    schema: String,
}

impl World {
    /// Users live for `ttl` and, with renewals, for `max_ttl`: seconds.
    pub(crate) async fn new(ttl: u64, max_ttl: u64) -> Self {
        let (vault, postgres) = (VaultAdmin::from_env(), PostgresAdmin::from_env());
        let schema = format!("dynamic_{}", uuid::Uuid::now_v7().simple());
        let line = TcpProxy::before(vault.authority()).await;
        let proxy = HttpProxy::before(line.address()).await;
        prepare_postgres(&postgres, &schema).await;
        let mount = mount_engine(&vault, &postgres, &schema, ttl, max_ttl).await;
        let rules = CREDENTIALS.replace("database/", &format!("{mount}/")) + TOKEN_SELF;
        let policy = vault.policy(&rules).await;
        Self { vault, postgres, proxy, line, mount, policy, schema }
    }

    /// Under the published policy, with a token that lives long.
    pub(crate) async fn credentials(&self) -> VaultDatabaseCredentials {
        let json = format!(r#"{{"policies":["{}"],"no_default_policy":true}}"#, self.policy);
        let made = self.vault.must("POST", "auth/token/create", &json).await;
        let token = sealmq_test_kit::text_of(&made, "client_token");
        self.credentials_as(VaultAuth::token(token)).await
    }

    pub(crate) async fn credentials_as(&self, auth: VaultAuth) -> VaultDatabaseCredentials {
        let config = VaultConfig::new(self.proxy.url(), auth);
        let client = VaultClient::connect(config).await.unwrap();
        let config = VaultDatabaseConfig::new("sealmq").with_mount(&*self.mount);
        VaultDatabaseCredentials::fetch(client, config).await.unwrap()
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        config(&format!("postgres://{}", self.postgres.server()), &self.schema)
    }

    /// The glue: a client of the database that takes its credentials from Vault.
    pub(crate) fn service(&self, credentials: &VaultDatabaseCredentials) -> PostgresKeyService {
        let source = Arc::new(credentials.clone());
        service(PostgresClient::with_credentials(&self.config(), source).unwrap())
    }

    /// A service that stays with the credentials that there are now.
    pub(crate) fn service_that_stays(
        &self,
        credentials: &VaultDatabaseCredentials,
    ) -> PostgresKeyService {
        let now = credentials.current().unwrap();
        let db = PostgresClient::new(&self.config()).unwrap();
        db.replace_credentials(now.user(), now.expose_password());
        service(db)
    }

    /// The users of the database that Vault made and that are still there.
    pub(crate) async fn users(&self) -> Vec<String> {
        let sql = format!(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' \
             AND pg_has_role(rolname, '{}_runtime', 'member') ORDER BY 1",
            self.schema
        );
        self.postgres.run(&sql).await.lines().map(str::to_owned).collect()
    }

    pub(crate) fn count(&self, part: &'static str) -> usize {
        self.proxy.count(|request: &Request| request.path.contains(part))
    }

    /// What an operator does who has seen enough of a lease.
    pub(crate) async fn revoke_all(&self) {
        let before = self.users().await;
        let path = format!("sys/leases/revoke-prefix/{}/creds/sealmq", self.mount);
        self.vault.must("POST", &path, r#"{"sync":true}"#).await;
        let after = self.users().await; // there may be a new one already
        assert!(before.iter().all(|user| !after.contains(user)), "the users are gone");
    }
}

fn config(url: &str, schema: &str) -> PostgresConfig {
    // However busy the machine is.
    let patience = Duration::from_secs(60);
    let config = PostgresConfig::new(url).without_tls().with_schema(schema);
    let config = config.with_connect_timeout(patience).with_statement_timeout(patience);
    config.with_request_timeout(patience * 2)
}

pub(crate) fn service(db: PostgresClient) -> PostgresKeyService {
    let key = EncryptionKey::from_slice(&[7; 32]).unwrap();
    let masters = MasterKeys::new(MasterKey::new(EncryptionKeyId::new("master-1").unwrap(), key));
    PostgresKeyService::new(db, masters, PostgresKeyServiceConfig::new()).unwrap()
}

pub(crate) fn acme() -> WrapContext {
    WrapContext::new(Some("test"), TenantId::new("acme").unwrap(), "orders")
}

async fn prepare_postgres(postgres: &PostgresAdmin, schema: &str) {
    let (user, password) = postgres.login();
    let url = format!("postgres://{user}:{password}@{}", postgres.server());
    migrate(&PostgresClient::new(&config(&url, schema)).unwrap()).await.unwrap();
    let (runtime, operator) = (format!("{schema}_runtime"), format!("{schema}_operator"));
    let grants = grants(schema, &runtime, &operator).unwrap();
    let sql = format!(
        "CREATE ROLE {runtime}; CREATE ROLE {operator}; {grants} \
         CREATE ROLE {schema}_vault LOGIN CREATEROLE PASSWORD 'engine'; \
         GRANT {runtime} TO {schema}_vault WITH ADMIN OPTION"
    );
    postgres.run(&sql).await;
}

async fn mount_engine(
    vault: &VaultAdmin,
    postgres: &PostgresAdmin,
    schema: &str,
    ttl: u64,
    max_ttl: u64,
) -> String {
    let mount = VaultAdmin::unique("database");
    vault.must("POST", &format!("sys/mounts/{mount}"), r#"{"type":"database"}"#).await;
    let url = format!("postgresql://{{{{username}}}}:{{{{password}}}}@{}", postgres.server());
    let config = serde_json::json!({
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": "sealmq,other",
        "connection_url": format!("{url}?sslmode=disable"),
        "username": format!("{schema}_vault"),
        "password": "engine",
    });
    vault.must("POST", &format!("{mount}/config/postgres"), &config.to_string()).await;
    vault.must("POST", &format!("{mount}/rotate-root/postgres"), "").await;
    let create = CREATE_USER.replace("sealmq_runtime", &format!("{schema}_runtime"));
    let role = serde_json::json!({
        "db_name": "postgres",
        "creation_statements": [create],
        "revocation_statements": [r#"DROP ROLE IF EXISTS "{{name}}""#],
        "default_ttl": ttl,
        "max_ttl": max_ttl,
    });
    for name in ["sealmq", "other"] {
        vault.must("POST", &format!("{mount}/roles/{name}"), &role.to_string()).await;
    }
    mount
}
