//! The kinds of transports, key sources and replay guards that a file may name, and the settings of
//! each.

use sealmq_settings::{Kind as Value, Setting};

use crate::catalogue::{Kind, Role};
use crate::section::Group;

/// The settings of an adapter if its feature is chosen.
macro_rules! built_in {
    ($feature:literal, [$(($($group:expr),+)),*]) => {{
        #[cfg(feature = $feature)]
        {
            const GROUPS: &[Group] = &[$(group!($($group),+)),*];
            Some(GROUPS)
        }
        #[cfg(not(feature = $feature))]
        {
            None
        }
    }};
}

/// Prefix, settings, and what this file says of some of them instead.
macro_rules! group {
    ($prefix:expr, $settings:expr) => {
        group!($prefix, $settings, &[])
    };
    ($prefix:expr, $settings:expr, $instead:expr) => {
        Group { prefix: $prefix, settings: $settings, instead: $instead }
    };
}

/// What `kind` of `[transport]` may be.
pub(crate) const TRANSPORTS: &[Kind] = &[
    Kind {
        name: "memory",
        role: Role::Transport,
        feature: Some("memory"),
        about: "a broker in this process, which makes queues on first use; for tests",
        groups: built_in!("memory", []),
    },
    Kind {
        name: "nats",
        role: Role::Transport,
        feature: Some("nats"),
        about: "NATS JetStream",
        groups: NATS,
    },
    Kind {
        name: "nats-core",
        role: Role::Transport,
        feature: Some("nats"),
        about: "core NATS, at most once",
        groups: NATS,
    },
    Kind {
        name: "sqs",
        role: Role::Transport,
        feature: Some("sqs"),
        about: "Amazon SQS",
        groups: built_in!("sqs", [("SEALMQ_SQS_", sealmq_transport_sqs::SqsConfig::SETTINGS)]),
    },
    Kind {
        name: "servicebus",
        role: Role::Transport,
        feature: Some("servicebus"),
        about: "Azure Service Bus",
        groups: built_in!(
            "servicebus",
            [("SEALMQ_SERVICEBUS_", sealmq_transport_servicebus::ServiceBusConfig::SETTINGS)]
        ),
    },
];

const NATS: Option<&[Group]> =
    built_in!("nats", [("SEALMQ_NATS_", sealmq_transport_nats::NatsConfig::SETTINGS)]);

/// What `kind` of `[[keys]]` may be.
pub(crate) const KEYS: &[Kind] = &[
    Kind {
        name: "vault-transit",
        role: Role::KeyService,
        feature: Some("vault"),
        about: "KEKs in Transit of Vault or OpenBao",
        groups: built_in!(
            "vault",
            [
                ("SEALMQ_VAULT_", sealmq_keys_vault::VaultConfig::SETTINGS),
                ("SEALMQ_VAULT_", sealmq_keys_vault::VaultTransitConfig::SETTINGS),
                ("", ALIAS)
            ]
        ),
    },
    Kind {
        name: "vault-kv",
        role: Role::KeyStore,
        feature: Some("vault"),
        about: "named keys in KV of Vault or OpenBao",
        groups: built_in!(
            "vault",
            [
                ("SEALMQ_VAULT_", sealmq_keys_vault::VaultConfig::SETTINGS),
                ("SEALMQ_VAULT_", sealmq_keys_vault::VaultKvConfig::SETTINGS)
            ]
        ),
    },
    Kind {
        name: "aws-kms",
        role: Role::KeyService,
        feature: Some("aws-kms"),
        about: "KEKs in AWS KMS",
        groups: built_in!(
            "aws-kms",
            [("SEALMQ_AWS_", sealmq_keys_aws::AwsKmsConfig::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "aws-secrets",
        role: Role::KeyStore,
        feature: Some("aws-secrets"),
        about: "named keys in AWS Secrets Manager",
        groups: built_in!(
            "aws-secrets",
            [("SEALMQ_AWS_", sealmq_keys_aws::AwsSecretsConfig::SETTINGS)]
        ),
    },
    Kind {
        name: "azure-keyvault",
        role: Role::KeyService,
        feature: Some("azure-keyvault"),
        about: "KEKs in Azure Key Vault",
        groups: built_in!(
            "azure-keyvault",
            [("SEALMQ_AZURE_", sealmq_keys_azure::AzureKeyVaultConfig::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "azure-secrets",
        role: Role::KeyStore,
        feature: Some("azure-keyvault"),
        about: "named keys among the secrets of Azure Key Vault",
        groups: built_in!(
            "azure-keyvault",
            [("SEALMQ_AZURE_", sealmq_keys_azure::AzureSecretsConfig::SETTINGS)]
        ),
    },
    Kind {
        name: "postgres",
        role: Role::KeyService,
        feature: Some("postgres"),
        about: "KEKs in PostgreSQL under a master key",
        groups: built_in!(
            "postgres",
            [
                ("SEALMQ_POSTGRES_", sealmq_keys_postgres::PostgresConfig::SETTINGS),
                ("", VAULT),
                ("SEALMQ_", VAULT_ROLE, ABOUT_VAULT_ROLE),
                ("SEALMQ_POSTGRES_", sealmq_keys_postgres::PostgresKeyServiceConfig::SETTINGS),
                ("SEALMQ_", sealmq_keys_postgres::MasterKeys::SETTINGS),
                ("", ALIAS)
            ]
        ),
    },
    Kind {
        name: "pkcs11",
        role: Role::KeyService,
        feature: Some("pkcs11"),
        about: "KEKs in an HSM",
        groups: built_in!(
            "pkcs11",
            [("SEALMQ_PKCS11_", sealmq_keys_pkcs11::Pkcs11Config::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "file",
        role: Role::ServiceOrStore,
        feature: Some("local"),
        about: "a keyring file; its KEKs with an alias, else its named keys",
        groups: built_in!("local", [("", FILE), ("", OPTIONAL_ALIAS)]),
    },
];

/// What `kind` of `[replay_guard]` may be.
pub(crate) const REPLAY_GUARDS: &[Kind] = &[
    Kind {
        name: "memory",
        role: Role::ReplayGuard,
        feature: None,
        about: "in this process alone, which forgets at its end: for a consumer without replicas",
        groups: Some(&[group!("", MEMORY_GUARD)]),
    },
    Kind {
        name: "nats",
        role: Role::ReplayGuard,
        feature: Some("nats-replay"),
        about: "a bucket of NATS key-value. Without a url it is on the server of the transport, \
                which then is NATS",
        groups: built_in!(
            "nats-replay",
            [
                ("SEALMQ_NATS_REPLAY_", sealmq_replay_nats::NatsReplayConfig::SETTINGS),
                (
                    "SEALMQ_NATS_",
                    sealmq_transport_nats::NatsConfig::CONNECTION_SETTINGS,
                    &[(
                        "SEALMQ_NATS_URL",
                        "the servers of one cluster, nats://host:port or tls://host:port; those \
                         of the transport, with its credentials, timeouts and TLS"
                    )]
                )
            ]
        ),
    },
    Kind {
        name: "postgres",
        role: Role::ReplayGuard,
        feature: Some("postgres"),
        about: "a table in PostgreSQL",
        groups: built_in!(
            "postgres",
            [
                ("SEALMQ_POSTGRES_", sealmq_keys_postgres::PostgresConfig::SETTINGS),
                ("", VAULT),
                ("SEALMQ_", VAULT_ROLE, ABOUT_VAULT_ROLE),
                ("", POSTGRES_GUARD)
            ]
        ),
    },
];

/// The settings of `[vault.NAME]`.
pub(crate) const VAULTS: Option<&[Group]> =
    built_in!("vault", [("SEALMQ_VAULT_", sealmq_keys_vault::VaultConfig::SETTINGS)]);

/// Which `[vault.NAME]` makes the users of a database.
pub(crate) const VAULT_KEY: &str = "vault";
/// The group of consumers that share a guard.
pub(crate) const GROUP_KEY: &str = "group";
/// How much a guard in memory remembers.
pub(crate) const CAPACITY_KEY: &str = "capacity";

const MEMORY_GUARD: &[&[Setting]] = &[&[Setting::new(
    CAPACITY_KEY,
    Value::Number,
    "nonces remembered at most, 1.2 GB for as many as this; 25000000",
)]];

#[cfg(feature = "postgres")]
const POSTGRES_GUARD: &[&[Setting]] =
    &[&[Setting::new(GROUP_KEY, Value::Text, "the group of consumers that share it; required")]];

#[cfg(all(feature = "postgres", feature = "vault"))]
const VAULT: &[&[Setting]] = &[&[Setting::new(
    VAULT_KEY,
    Value::Text,
    "the NAME of the [vault.NAME] that makes user and password; none",
)]];
#[cfg(all(feature = "postgres", feature = "vault"))]
const VAULT_ROLE: &[&[Setting]] = sealmq_keys_vault::VaultDatabaseConfig::SETTINGS;
#[cfg(all(feature = "postgres", not(feature = "vault")))]
const VAULT: &[&[Setting]] = &[];
#[cfg(all(feature = "postgres", not(feature = "vault")))]
const VAULT_ROLE: &[&[Setting]] = &[];

#[cfg(feature = "postgres")]
const ABOUT_VAULT_ROLE: &[(&str, &str)] = &[(
    "SEALMQ_VAULT_DATABASE_ROLE",
    "the role of its database engine; none, and required with vault",
)];

/// Our own setting of key services.
pub(crate) const ALIAS_KEY: &str = "alias";

#[cfg(any(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "pkcs11",
    feature = "postgres",
    feature = "vault"
))]
const ALIAS: &[&[Setting]] = &[&[Setting::new(
    ALIAS_KEY,
    Value::Text,
    "the alias that messages name its KEK by, the same for all who share it; required",
)]];

#[cfg(feature = "local")]
const OPTIONAL_ALIAS: &[&[Setting]] = &[&[Setting::new(
    ALIAS_KEY,
    Value::Text,
    "the alias of its KEKs, which makes it a key service; none: its named keys are used",
)]];

/// A keyring file has no variables of its own: its keys are here.
#[cfg(feature = "local")]
const FILE: &[&[Setting]] = &[&[
    Setting::new("path", Value::Path, "the keyring file; required"),
    Setting::new("passphrase", Value::Secret, "its passphrase"),
    Setting::new("in_the_clear", Value::Flag, "it has no passphrase; false"),
    Setting::new("auto_create", Value::Flag, "may create first KEKs; true"),
    Setting::new("lock_wait_ms", Value::Milliseconds, "for other writers; 5000"),
]];
