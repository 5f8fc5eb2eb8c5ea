//! The kinds of transports and key sources that a file may name, and the settings of each.

use sealmq_settings::{Kind as Value, Setting};
use toml::de::{DeTable, DeValue};

use crate::document::Lines;
use crate::error::ConfigError;
use crate::nearest::unknown;
use crate::section::Group;

/// What a kind of keys does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Transport,
    /// Wraps DEKs under an alias.
    KeyService,
    /// Holds named keys.
    KeyStore,
    /// Either: a service if it has an alias.
    ServiceOrStore,
}

/// One kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// The feature that builds it in.
    pub(crate) feature: &'static str,
    /// What it is, for the documentation.
    pub(crate) about: &'static str,
    /// Its settings; none unless it is built in.
    pub(crate) groups: Option<&'static [Group]>,
}

/// The settings of an adapter if its feature is chosen.
macro_rules! built_in {
    ($feature:literal, [$(($prefix:expr, $settings:expr)),*]) => {{
        #[cfg(feature = $feature)]
        {
            const GROUPS: &[Group] = &[$(Group { prefix: $prefix, settings: $settings }),*];
            Some(GROUPS)
        }
        #[cfg(not(feature = $feature))]
        {
            None
        }
    }};
}

/// What `kind` of `[transport]` may be.
pub(crate) const TRANSPORTS: &[Kind] = &[
    Kind {
        name: "memory",
        role: Role::Transport,
        feature: "memory",
        about: "a broker in this process, which makes queues on first use; for tests",
        groups: built_in!("memory", []),
    },
    Kind {
        name: "nats",
        role: Role::Transport,
        feature: "nats",
        about: "NATS JetStream",
        groups: NATS,
    },
    Kind {
        name: "nats-core",
        role: Role::Transport,
        feature: "nats",
        about: "core NATS, at most once",
        groups: NATS,
    },
    Kind {
        name: "sqs",
        role: Role::Transport,
        feature: "sqs",
        about: "Amazon SQS",
        groups: built_in!("sqs", [("SEALMQ_SQS_", sealmq_transport_sqs::SqsConfig::SETTINGS)]),
    },
    Kind {
        name: "servicebus",
        role: Role::Transport,
        feature: "servicebus",
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
        feature: "vault",
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
        feature: "vault",
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
        feature: "aws-kms",
        about: "KEKs in AWS KMS",
        groups: built_in!(
            "aws-kms",
            [("SEALMQ_AWS_", sealmq_keys_aws::AwsKmsConfig::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "aws-secrets",
        role: Role::KeyStore,
        feature: "aws-secrets",
        about: "named keys in AWS Secrets Manager",
        groups: built_in!(
            "aws-secrets",
            [("SEALMQ_AWS_", sealmq_keys_aws::AwsSecretsConfig::SETTINGS)]
        ),
    },
    Kind {
        name: "azure-keyvault",
        role: Role::KeyService,
        feature: "azure-keyvault",
        about: "KEKs in Azure Key Vault",
        groups: built_in!(
            "azure-keyvault",
            [("SEALMQ_AZURE_", sealmq_keys_azure::AzureKeyVaultConfig::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "azure-secrets",
        role: Role::KeyStore,
        feature: "azure-keyvault",
        about: "named keys among the secrets of Azure Key Vault",
        groups: built_in!(
            "azure-keyvault",
            [("SEALMQ_AZURE_", sealmq_keys_azure::AzureSecretsConfig::SETTINGS)]
        ),
    },
    Kind {
        name: "postgres",
        role: Role::KeyService,
        feature: "postgres",
        about: "KEKs in PostgreSQL under a master key",
        groups: built_in!(
            "postgres",
            [
                ("SEALMQ_POSTGRES_", sealmq_keys_postgres::PostgresConfig::SETTINGS),
                ("SEALMQ_", sealmq_keys_postgres::MasterKeys::SETTINGS),
                ("", ALIAS)
            ]
        ),
    },
    Kind {
        name: "pkcs11",
        role: Role::KeyService,
        feature: "pkcs11",
        about: "KEKs in an HSM",
        groups: built_in!(
            "pkcs11",
            [("SEALMQ_PKCS11_", sealmq_keys_pkcs11::Pkcs11Config::SETTINGS), ("", ALIAS)]
        ),
    },
    Kind {
        name: "file",
        role: Role::ServiceOrStore,
        feature: "local",
        about: "a keyring file; its KEKs with an alias, else its named keys",
        groups: built_in!("local", [("", FILE), ("", OPTIONAL_ALIAS)]),
    },
];

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

/// The kind that a table names, which has to be built in.
pub(crate) fn kind_of<'k>(
    table: &DeTable<'_>,
    path: &str,
    line: usize,
    known: &'k [Kind],
    lines: Lines<'_>,
) -> Result<(&'k Kind, &'static [Group]), ConfigError> {
    let path = format!("{path}.kind");
    let names = known.iter().map(|kind| kind.name);
    let Some(value) = table.get("kind") else {
        let names: Vec<_> = names.collect();
        let reason = format!("is not set; there are {}", names.join(", "));
        return Err(ConfigError::new(path, reason).at(line));
    };
    let line = lines.of(&value.span());
    let DeValue::String(name) = value.get_ref() else {
        return Err(ConfigError::new(path, "is a string").at(line));
    };
    let Some(kind) = known.iter().find(|kind| kind.name == name) else {
        return Err(ConfigError::new(path, unknown("kind", name, names)).at(line));
    };
    let groups = kind.groups.ok_or_else(|| {
        let feature = kind.feature;
        ConfigError::new(path, format!("this program was built without the feature {feature}"))
            .at(line)
    });
    Ok((kind, groups?))
}
