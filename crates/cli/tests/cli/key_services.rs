//! The demo and the commands of `sealmq keys` on real key services, as their operators set them up.

use crate::keys::Source;
use crate::lifecycle::assert_lifecycle;

/// A name that no other test has.
#[cfg(any(feature = "aws-kms", feature = "azure-keyvault", feature = "postgres"))]
fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{:x}-{:x}-{count}", std::process::id(), now.as_nanos())
}

fn keys(argument: &str) -> Vec<String> {
    vec!["--keys".to_owned(), argument.to_owned()]
}

#[cfg(feature = "vault")]
mod vault {
    use sealmq_test_kit::VaultAdmin;

    use super::*;
    use crate::support::{program, run, sealmq};

    const POLICIES: [&str; 4] = [
        include_str!("../../../keys-vault/policies/transit-use.hcl"),
        include_str!("../../../keys-vault/policies/transit-first-use.hcl"),
        include_str!("../../../keys-vault/policies/transit-operate.hcl"),
        include_str!("../../../keys-vault/policies/token-self.hcl"),
    ];

    /// A mount of its own, and a token under the published policies.
    async fn source() -> Source {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        let rules = POLICIES.concat().replace("\"transit/", &format!("\"{mount}/"));
        let token = admin.token_under(&rules, "").await;
        Source {
            kind: "vault",
            arguments: keys(&format!("vault:{}", admin.address())),
            variables: vec![
                ("SEALMQ_VAULT_TOKEN", token.clone()),
                ("SEALMQ_VAULT_TRANSIT_MOUNT", mount),
            ],
            secrets: vec![token],
        }
    }

    #[tokio::test]
    async fn the_demo_runs_on_vault() {
        source().await.assert_demo();
    }

    #[tokio::test]
    async fn keys_are_checked_rotated_and_shredded_on_vault() {
        assert_lifecycle(&source().await, true);
    }

    #[tokio::test]
    async fn a_mount_that_is_not_there_is_named_with_the_command_that_makes_it() {
        let mut source = source().await;
        source.variables.push(("SEALMQ_VAULT_TRANSIT_MOUNT", "absent".to_owned()));
        let run = source.run(&["demo"]);
        run.assert_refused(1, "cannot use Vault Transit at http://127.0.0.1:");
        assert!(run.stderr.contains("vault secrets enable transit"), "{}", run.stderr);
    }

    #[test]
    fn malformed_addresses_are_refused_and_never_repeated() {
        for address in
            ["vault:http://vault.example", "vault://me:c2VjcmV0@host", "vault:c2VjcmV0", "vault://"]
        {
            let mut demo = program();
            demo.args(["demo", "--keys", address]).env("SEALMQ_VAULT_TOKEN", "t0ken");
            let run = run(&mut demo, b"");
            run.assert_refused(2, "--keys vault:…: invalid address");
            assert!(!run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
        }
        let run = sealmq(["demo", "--keys", "vault://127.0.0.1:1"]);
        run.assert_refused(2, "--keys vault:…: invalid SEALMQ_VAULT_TOKEN: is not set, nor is");
        sealmq(["demo", "--keys", "vault:"])
            .assert_refused(2, "invalid SEALMQ_VAULT_ADDR: is not set");
    }
}

#[cfg(feature = "aws-kms")]
mod aws_kms {
    use super::*;
    use crate::support::{program, required, run, sealmq};

    const SECRET: &str = "aws secret that must not be seen";

    /// A region of its own: the stand-in stumbles where keys of one region are made and looked
    /// through at once.
    fn source() -> Source {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let regions = ["eu-south-1", "eu-south-2", "ap-south-2", "me-south-1"];
        let region = regions[COUNT.fetch_add(1, Ordering::Relaxed) % regions.len()];
        Source {
            kind: "aws-kms",
            arguments: keys(&format!("aws-kms:{}", required("SEALMQ_AWS_KMS_ENDPOINT"))),
            variables: vec![
                ("SEALMQ_AWS_KMS_ALIAS_PREFIX", format!("alias/{}", unique("sealmq-cli"))),
                ("AWS_REGION", region.to_owned()),
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ],
            secrets: vec![SECRET.to_owned()],
        }
    }

    #[test]
    fn the_demo_runs_on_kms() {
        source().assert_demo();
    }

    #[test]
    fn keys_are_checked_rotated_and_shredded_on_kms() {
        assert_lifecycle(&source(), false);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let run = sealmq(["demo", "--keys", "aws-kms:"]);
        run.assert_refused(2, "invalid SEALMQ_AWS_KMS_ALIAS_PREFIX: is not set");
        for endpoint in ["aws-kms:localhost", "aws-kms:http://me:c2VjcmV0@host"] {
            let mut demo = program();
            demo.args(["demo", "--keys", endpoint]);
            demo.env("SEALMQ_AWS_KMS_ALIAS_PREFIX", "alias/x");
            let run = self::run(&mut demo, b"");
            run.assert_refused(2, "--keys aws-kms:…: invalid endpoint_url");
            assert!(!run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
        }
    }
}

#[cfg(feature = "azure-keyvault")]
mod azure {
    use sealmq_test_kit::KeyVault;

    use super::*;
    use crate::support::{required, sealmq};

    const SECRET: &str = "application secret that must not be seen";
    const DIRECTORY: &str = "11111111-2222-3333-4444-555555555555";
    /// 32 bytes in base64.
    const WRAP_SECRET: &str = "bm90IHRvIGJlIHNlZW46IHdyYXAgc2VjcmV0IDAwMDE=";

    /// An application with a secret, and the wrap secret in the vault.
    async fn source() -> Source {
        let (vault, id, name) = (KeyVault::from_env(), unique("app"), unique("wrap"));
        let json = format!(
            r#"{{"secret": "{SECRET}", "permissions": {{"keys": ["all"], "secrets": ["all"]}}}}"#
        );
        vault.admin().request("PUT", &format!("/identities/{id}"), &json).await.unwrap();
        let json = format!(r#"{{"value": "{WRAP_SECRET}"}}"#);
        vault.operate("PUT", &format!("/secrets/{name}"), &json).await;
        Source {
            kind: "azure",
            arguments: keys(&format!("azure:{}", vault.url())),
            variables: vec![
                ("SEALMQ_AZURE_IDENTITY", "client-secret".to_owned()),
                ("SEALMQ_AZURE_TENANT_ID", DIRECTORY.to_owned()),
                ("SEALMQ_AZURE_CLIENT_ID", id),
                ("SEALMQ_AZURE_CLIENT_SECRET", SECRET.to_owned()),
                ("SEALMQ_AZURE_AUDIENCE", "https://vault.azure.net".to_owned()),
                ("SEALMQ_AZURE_AUTHORITY_HOST", vault.authority_url().to_owned()),
                ("SEALMQ_AZURE_ROOT_CA", required("SEALMQ_KEYVAULT_CA_FILE")),
                ("SEALMQ_AZURE_KEY_PREFIX", "cli".to_owned()),
                ("SEALMQ_AZURE_KEK_KIND", "rsa-2048".to_owned()),
                ("SEALMQ_AZURE_WRAP_SECRET", name),
            ],
            secrets: vec![SECRET.to_owned(), WRAP_SECRET.to_owned()],
        }
    }

    #[tokio::test]
    async fn the_demo_runs_on_key_vault() {
        source().await.assert_demo();
    }

    #[tokio::test]
    async fn keys_are_checked_rotated_and_shredded_on_key_vault() {
        assert_lifecycle(&source().await, false);
    }

    #[tokio::test]
    async fn what_is_missing_or_malformed_is_named() {
        let run = sealmq(["demo", "--keys", "azure:https://vault.example"]);
        run.assert_refused(2, "invalid SEALMQ_AZURE_WRAP_SECRET: is not set");
        assert!(run.stderr.contains("az keyvault secret set"), "{}", run.stderr);
        let mut source = source().await;
        source.variables.retain(|(name, _)| *name != "SEALMQ_AZURE_KEY_PREFIX");
        source.run(&["demo"]).assert_refused(2, "invalid SEALMQ_AZURE_KEY_PREFIX: is not set");
        source.variables.push(("SEALMQ_AZURE_KEY_PREFIX", "cli".to_owned()));
        source.arguments = keys("azure:http://me:c2VjcmV0@vault.example");
        let run = source.run(&["demo"]);
        run.assert_refused(2, "--keys azure:…: invalid vault_url");
        assert!(!run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
    }
}

#[cfg(feature = "pkcs11")]
mod pkcs11 {
    use sealmq_test_kit::{SoftHsm, required};

    use super::*;
    use crate::support::sealmq;

    fn source(softhsm: &SoftHsm) -> Source {
        let configuration = softhsm.folder().join("softhsm2.conf");
        Source {
            kind: "pkcs11",
            arguments: keys("pkcs11:"),
            variables: vec![
                ("SOFTHSM2_CONF", configuration.to_str().unwrap().to_owned()),
                ("SEALMQ_PKCS11_MODULE", required("SEALMQ_PKCS11_MODULE")),
                ("SEALMQ_PKCS11_TOKEN_LABEL", "demo".to_owned()),
                ("SEALMQ_PKCS11_PIN", SoftHsm::PIN.to_owned()),
            ],
            secrets: vec![SoftHsm::PIN.to_owned(), SoftHsm::SO_PIN.to_owned()],
        }
    }

    #[test]
    fn the_demo_runs_on_an_hsm() {
        source(&SoftHsm::new(&["demo"])).assert_demo();
    }

    #[test]
    fn keys_are_checked_rotated_and_shredded_on_an_hsm() {
        assert_lifecycle(&source(&SoftHsm::new(&["demo"])), false);
    }

    #[test]
    fn a_client_that_may_not_rotate_is_refused_before_anything_is_made() {
        let softhsm = SoftHsm::new(&["demo"]);
        let mut source = source(&softhsm);
        source.variables.push(("SEALMQ_PKCS11_READ_ONLY", "true".to_owned()));
        source.run(&["demo"]).assert_refused(2, "not allowed to rotate a KEK");
    }

    #[test]
    fn what_is_missing_is_named() {
        let run = sealmq(["demo", "--keys", "pkcs11:"]);
        run.assert_refused(2, "--keys pkcs11:: invalid SEALMQ_PKCS11_MODULE: is not set");
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::support::{required, sealmq};

    const MASTER_KEY: &str = "bWFzdGVyIGtleSB0aGF0IG11c3Qgbm90IGJlIHNlZW4=";

    /// A schema of its own, which nobody has made yet.
    fn source() -> Source {
        let url = required("SEALMQ_POSTGRES_URL");
        let password = url.split_once('@').and_then(|(user, _)| user.rsplit_once(':')).unwrap().1;
        let password = password.to_owned();
        Source {
            kind: "postgres",
            arguments: keys("postgres:"),
            variables: vec![
                ("SEALMQ_POSTGRES_URL", url),
                ("SEALMQ_POSTGRES_TLS", "disable".to_owned()),
                ("SEALMQ_POSTGRES_SCHEMA", unique("cli").replace('-', "_")),
                ("SEALMQ_MASTER_KEY_ID", "master-1".to_owned()),
                ("SEALMQ_MASTER_KEY", MASTER_KEY.to_owned()),
            ],
            secrets: vec![password, MASTER_KEY.to_owned()],
        }
    }

    fn migrated() -> Source {
        let source = source();
        let run = source.run(&["keys", "migrate", "--json"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.json()["schema_version"].as_u64() > Some(0));
        source
    }

    #[test]
    fn the_demo_runs_on_postgresql() {
        migrated().assert_demo();
    }

    #[test]
    fn keys_are_checked_rotated_and_shredded_on_postgresql() {
        assert_lifecycle(&migrated(), false);
    }

    /// A user that Vault makes for each command, without a password in any setting of PostgreSQL.
    #[cfg(feature = "vault")]
    #[tokio::test]
    async fn vault_makes_the_user_of_each_command_which_is_gone_after_it() {
        use sealmq_test_kit::{PostgresAdmin, VaultAdmin};
        const GRANTS: &str = include_str!("../../../keys-postgres/sql/grants.sql");

        let mut source = migrated();
        let (postgres, vault) = (PostgresAdmin::from_env(), VaultAdmin::from_env());
        let schema = source.variables.iter().find(|(name, _)| name.ends_with("SCHEMA")).unwrap();
        let schema = schema.1.clone();
        let operator = format!("{schema}_operator");
        let grants = GRANTS.replace("{schema}", &schema).replace("{operator}", &operator);
        let grants = grants.replace("{runtime}", &format!("{schema}_runtime"));
        let sql = format!(
            "CREATE ROLE {operator}; CREATE ROLE {schema}_runtime; {grants} \
             CREATE ROLE {schema}_vault LOGIN CREATEROLE PASSWORD 'engine'; \
             GRANT {operator} TO {schema}_vault WITH ADMIN OPTION"
        );
        postgres.run(&sql).await;
        let mount = VaultAdmin::unique("database");
        vault.must("POST", &format!("sys/mounts/{mount}"), r#"{"type":"database"}"#).await;
        let config = serde_json::json!({
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "operator",
            "connection_url":
                format!("postgresql://{{{{username}}}}:{{{{password}}}}@{}?sslmode=disable",
                    postgres.server()),
            "username": format!("{schema}_vault"),
            "password": "engine",
        });
        vault.must("POST", &format!("{mount}/config/postgres"), &config.to_string()).await;
        let create = format!(
            "CREATE ROLE \"{{{{name}}}}\" LOGIN PASSWORD '{{{{password}}}}' IN ROLE {operator};"
        );
        let role = serde_json::json!({
            "db_name": "postgres",
            "creation_statements": [create],
            "revocation_statements": [r#"DROP ROLE IF EXISTS "{{name}}""#],
            "default_ttl": 3600,
        });
        vault.must("POST", &format!("{mount}/roles/operator"), &role.to_string()).await;
        let users = async || {
            let sql = format!(
                "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%' \
                 AND pg_has_role(rolname, '{operator}', 'member')"
            );
            postgres.run(&sql).await
        };
        vault.must("GET", &format!("{mount}/creds/operator"), "").await;
        assert_eq!(users().await, "1", "the control: users that are not revoked stay");

        let url = format!("postgres://{}", postgres.server());
        source.variables.retain(|(name, _)| *name != "SEALMQ_POSTGRES_URL");
        source.variables.extend([
            ("SEALMQ_POSTGRES_URL", url),
            ("SEALMQ_VAULT_ADDR", vault.address().to_owned()),
            ("SEALMQ_VAULT_TOKEN", vault.token().to_owned()),
            ("SEALMQ_VAULT_DATABASE_ROLE", "operator".to_owned()),
            ("SEALMQ_VAULT_DATABASE_MOUNT", mount),
        ]);
        source.secrets.retain(|secret| secret == MASTER_KEY);
        for command in [&["keys", "create", "--tenant", "acme"][..], &["demo", "--count", "1"]] {
            let run = source.run(command);
            assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
            assert_eq!(users().await, "1", "{command:?}");
        }
        let run = source.run(&["keys", "check", "--tenant", "nobody"]);
        run.assert_refused(1, "tenant nobody");
        assert_eq!(users().await, "1", "after a failure, too");
        source.variables.push(("SEALMQ_VAULT_DATABASE_ROLE", "absent".to_owned()));
        source.run(&["keys", "check", "--tenant", "acme"]).assert_refused(1, "cannot use");
        source.variables.push(("SEALMQ_VAULT_DATABASE_ROLE", "/".to_owned()));
        source.run(&["keys", "check", "--tenant", "acme"]).assert_refused(2, "invalid role");
    }

    #[test]
    fn a_schema_that_is_not_there_is_named_with_the_command_that_makes_it() {
        let run = source().run(&["demo"]);
        run.assert_refused(1, "the schema is not migrated");
        assert!(run.stderr.contains("sealmq keys migrate --keys postgres:"), "{}", run.stderr);
    }

    #[test]
    fn the_url_may_be_on_the_command_line_and_the_password_may_not() {
        let (mut source, scratch) = (migrated(), crate::support::Scratch::new());
        let url = required("SEALMQ_POSTGRES_URL");
        let (user, rest) = url.split_once('@').unwrap();
        let (user, password) = user.rsplit_once(':').unwrap();
        source.variables.retain(|(name, _)| *name != "SEALMQ_POSTGRES_URL");
        source.arguments = keys(&url);
        let run = source.run(&["demo"]);
        run.assert_refused(2, "--keys postgres:…: invalid url: holds a password");
        source.arguments = keys(&format!("{user}@{rest}"));
        source
            .variables
            .push(("SEALMQ_POSTGRES_PASSWORD_FILE", scratch.file("password", password)));
        let run = source.run(&["demo", "--count", "1", "--json"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        sealmq(["demo", "--keys", "postgres:"])
            .assert_refused(2, "invalid SEALMQ_POSTGRES_URL: is not set");
        let run = sealmq(["demo", "--keys", "postgres://me@127.0.0.1:port/c2VjcmV0"]);
        run.assert_refused(2, "--keys postgres:…: invalid url");
        assert!(!run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
        let run = sealmq(["demo", "--keys", "postgres://me@127.0.0.1/db"]);
        run.assert_refused(2, "invalid SEALMQ_MASTER_KEY_ID: is not set");
    }

    #[test]
    fn versions_are_listed_and_old_ones_retired() {
        let source = migrated();
        let tenant = unique("retire");
        let command = |words: &[&str]| {
            let run = source.run(&[words, &["--tenant", tenant.as_str()]].concat());
            assert_eq!(run.code, 0, "{}", run.stderr);
            run
        };
        crate::lifecycle::make_tenant(&source, &tenant);
        command(&["keys", "rotate"]);
        let status = |n: usize| {
            let run = command(&["keys", "status", "--json"]);
            run.json()["versions"][n]["status"].as_str().unwrap().to_owned()
        };
        assert_eq!((status(0), status(1)), ("decrypt_only".into(), "active".into()));
        let rewrapped = command(&["keys", "rewrap", "--json"]).json();
        assert_eq!((&rewrapped["rewrapped"], &rewrapped["refused"]), (&0.into(), &0.into()));
        let last = source.run(&["keys", "retire", "--version", "2", "--tenant", &tenant]);
        last.assert_refused(1, "it is the one that wraps: rotate first");
        command(&["keys", "retire", "--version", "1"]);
        assert_eq!((status(0), status(1)), ("pending_deletion".into(), "active".into()));
        let run = source.run(&["keys", "rewrap"]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (0, "0 rows were wrapped anew, 0 do not open.\n")
        );
    }
}
