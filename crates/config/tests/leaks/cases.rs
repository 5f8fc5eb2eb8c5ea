//! Each secret that a table may hold, with lines that lead to a server which refuses it.

use sealmq_keys_local::{FileKeyring, Passphrase};
use sealmq_test_kit::{KeyVault, NatsServer, PostgresAdmin, VaultAdmin, required};
use tempfile::TempDir;

use crate::needles::needles;

/// 32 bytes: a key, a passphrase, a token.
const CANARY: &str = "mArKeR-0f-a-s3cret-that-is-wrong";
const ROLE: &str = "vault = 'main'\nvault_database_role = 'r'\n";

pub(crate) struct Case {
    /// `transport`, `keys`, `replay_guard` or `vault`.
    pub(crate) table: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) key: &'static str,
    /// What stands in the setting.
    pub(crate) value: String,
    pub(crate) needles: Vec<String>,
    /// The rest of the table.
    pub(crate) more: String,
    /// What of it names the server, and what names one that is not there.
    pub(crate) server: (String, String),
    /// Other tables.
    pub(crate) others: String,
    /// Whether the server knows better; a master key is one that nobody has used.
    pub(crate) refuses: bool,
}

impl Case {
    fn new(table: &'static str, kind: &'static str, key: &'static str, more: String) -> Self {
        let (value, needles) = (CANARY.to_owned(), needles(CANARY));
        let (server, others) = Default::default();
        Self { table, kind, key, value, needles, more, server, others, refuses: true }
    }

    fn at(mut self, server: &str, away: &str) -> Self {
        self.server = (server.to_owned(), away.to_owned());
        self
    }

    fn holding(mut self, value: String, secrets: &[&str]) -> Self {
        self.needles = secrets.iter().flat_map(|secret| needles(secret)).collect();
        self.value = value;
        self
    }

    pub(crate) fn setting(&self) -> String {
        format!("{} {} {}", self.table, self.kind, self.key)
    }
}

/// What lives as long as the cases.
pub(crate) struct Servers {
    _nats: NatsServer,
    _files: TempDir,
}

pub(crate) async fn cases() -> (Vec<Case>, Servers) {
    let nats = NatsServer::with_config("authorization { token: \"another one\" }\n").await;
    let files = tempfile::tempdir().unwrap();
    let mut cases = of_nats(&nats);
    cases.extend(of_vault().await);
    cases.extend(of_postgres());
    cases.extend(of_azure().await);
    cases.push(of_servicebus());
    let path = files.path().join("keyring");
    let other = Passphrase::new("of the file".to_owned()).unwrap();
    FileKeyring::create(path.as_path(), other).await.unwrap();
    let more = format!("path = {path:?}\n");
    cases.push(Case::new("keys", "file", "passphrase", more).at("keyring", "no-such-keyring"));
    let more = "module = '/no/such/module.so'\ntoken_label = 'sealmq'\nalias = 'k'\n";
    cases.push(Case::new("keys", "pkcs11", "pin", more.to_owned()));
    (cases, Servers { _nats: nats, _files: files })
}

fn of_nats(server: &NatsServer) -> Vec<Case> {
    let seed = nkeys::KeyPair::new_user().seed().unwrap();
    let mut cases = Vec::new();
    for (table, kind, more) in [
        ("transport", "nats", ""),
        ("transport", "nats-core", ""),
        ("replay_guard", "nats", "bucket = 'leaks'\n"),
    ] {
        let more = format!("url = '{}'\n{more}", server.url());
        let case = |key, user: &str| {
            let case = Case::new(table, kind, key, format!("{more}{user}"));
            case.at(&server.url(), "nats://127.0.0.1:1")
        };
        cases.push(case("token", ""));
        cases.push(case("password", "user = 'me'\n"));
        cases.push(case("nkey_seed", "").holding(seed.clone(), &[&seed]));
    }
    cases
}

async fn of_vault() -> Vec<Case> {
    let admin = VaultAdmin::from_env();
    let mounts = [VaultAdmin::unique("userpass"), VaultAdmin::unique("approle")];
    for (mount, kind) in mounts.iter().zip(["userpass", "approle"]) {
        let json = format!(r#"{{"type":"{kind}"}}"#);
        admin.must("POST", &format!("sys/auth/{mount}"), &json).await;
    }
    let [userpass, approle] = mounts.map(|mount| format!("auth_mount = '{mount}'\n"));
    let guard = format!(
        "[replay_guard]\nkind = 'postgres'\ngroup = 'leaks'\n\
         url = 'postgres://127.0.0.1:1/db'\n{ROLE}"
    );
    let mut cases = Vec::new();
    for (table, kind, more, others) in [
        ("keys", "vault-transit", "alias = 'k'\n", ""),
        ("keys", "vault-kv", "kv_path = 'orders'\n", ""),
        ("vault", "main", "", &*guard),
    ] {
        let more = format!("addr = '{}'\n{more}", admin.address());
        for (key, login) in [
            ("token", String::new()),
            ("password", format!("username = 'me'\n{userpass}")),
            ("role_id", format!("secret_id = 'another'\n{approle}")),
            ("secret_id", format!("role_id = 'another'\n{approle}")),
            ("wrapped_secret_id", format!("role_id = 'another'\n{approle}")),
        ] {
            let mut case = Case::new(table, kind, key, format!("{more}{login}"));
            case.others = others.to_owned();
            cases.push(case.at(admin.address(), "http://127.0.0.1:1"));
        }
    }
    cases
}

fn of_postgres() -> Vec<Case> {
    let postgres = PostgresAdmin::from_env();
    let url = format!("postgres://postgres:{CANARY}@{}", postgres.server());
    let away = "127.0.0.1:1/postgres";
    let master = "master_key_id = 'm1'\n";
    // In base64, as the setting wants it: the key itself, and its text.
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, CANARY);
    let keys = |more: &str| format!("tls = 'disable'\nalias = 'k'\n{more}");
    let mut cases = vec![
        Case::new("keys", "postgres", "url", keys(&format!("{master}master_key = '{key}'\n")))
            .at(postgres.server(), away)
            .holding(url.clone(), &[CANARY]),
        Case::new("replay_guard", "postgres", "url", "tls = 'disable'\ngroup = 'g'\n".into())
            .at(postgres.server(), away)
            .holding(url.clone(), &[CANARY]),
    ];
    for (name, more) in [
        ("master_key", format!("url = '{url}'\n{master}")),
        (
            "earlier_master_key",
            format!("url = '{url}'\n{master}master_key = '{key}'\nearlier_master_key_id = 'm0'\n"),
        ),
    ] {
        let case = Case::new("keys", "postgres", name, keys(&more));
        cases.push(case.at(postgres.server(), away).holding(key.clone(), &[CANARY, &key]));
    }
    cases
}

async fn of_azure() -> Vec<Case> {
    let (vault, id) = (KeyVault::from_env(), VaultAdmin::unique("app"));
    let json = r#"{"secret": "another", "permissions": {"keys": ["all"], "secrets": ["all"]}}"#;
    vault.admin().request("PUT", &format!("/identities/{id}"), json).await.unwrap();
    let connection = format!(
        "vault_url = '{}'\nidentity = 'client-secret'\n\
         tenant_id = '11111111-2222-3333-4444-555555555555'\nclient_id = '{id}'\n\
         audience = 'https://vault.azure.net'\nauthority_host = '{}'\nroot_ca = '{}'\n",
        vault.url(),
        vault.authority_url(),
        required("SEALMQ_KEYVAULT_CA_FILE"),
    );
    let of = |kind, more| {
        let case = Case::new("keys", kind, "client_secret", format!("{connection}{more}"));
        case.at(vault.authority_url(), "https://127.0.0.1:1")
    };
    let keys = "key_prefix = 'leaks'\nwrap_secret = 'wraps'\nalias = 'k'\n";
    vec![of("azure-keyvault", keys), of("azure-secrets", "secret = 'orders'\n")]
}

fn of_servicebus() -> Case {
    let real = required("SEALMQ_SERVICEBUS_CONNECTION_STRING");
    let server = real.split("sb://").nth(1).unwrap().split(';').next().unwrap();
    let value = format!(
        "Endpoint=sb://{server};SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey={CANARY};UseDevelopmentEmulator=true"
    );
    let mut case = Case::new("transport", "servicebus", "connection_string", String::new());
    case.refuses = false; // the stand-in takes any key
    case.at(server, "127.0.0.1:1").holding(value, &[CANARY])
}
