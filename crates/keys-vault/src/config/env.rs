//! The configuration from environment variables.

use std::time::Duration;

use sealmq_crypto_core::KeyError;

use super::{VaultConfig, VaultTransitConfig};
use crate::auth::{VaultAuth, VaultSecretId};

impl VaultConfig {
    /// The configuration from the environment.
    ///
    /// | variable | sets |
    /// | --- | --- |
    /// | `SEALMQ_VAULT_ADDR` | the address; required |
    /// | `SEALMQ_VAULT_NAMESPACE` | the namespace |
    /// | `SEALMQ_VAULT_TOKEN` | a token |
    /// | `SEALMQ_VAULT_TOKEN_FILE` | path of a token that an agent keeps fresh |
    /// | `SEALMQ_VAULT_USERNAME`, `SEALMQ_VAULT_PASSWORD` | user name and password |
    /// | `SEALMQ_VAULT_ROLE_ID` and one of the next three | an AppRole |
    /// | `SEALMQ_VAULT_SECRET_ID` | its secret id |
    /// | `SEALMQ_VAULT_SECRET_ID_FILE` | path of its secret id |
    /// | `SEALMQ_VAULT_WRAPPED_SECRET_ID` | a response-wrapping token around its secret id |
    /// | `SEALMQ_VAULT_KUBERNETES_ROLE` | the role of the pod's service account |
    /// | `SEALMQ_VAULT_KUBERNETES_JWT_FILE` | path of the account's token, if it is elsewhere |
    /// | `SEALMQ_VAULT_AUTH_MOUNT` | where the auth method is mounted, if elsewhere |
    /// | `SEALMQ_VAULT_ROOT_CA` | path of the trusted authorities, PEM |
    /// | `SEALMQ_VAULT_CLIENT_CERT`, `SEALMQ_VAULT_CLIENT_KEY` | paths of the client certificate |
    /// | `SEALMQ_VAULT_CONNECT_TIMEOUT_MS`, `SEALMQ_VAULT_REQUEST_TIMEOUT_MS` | the bounds |
    ///
    /// # Errors
    /// `InvalidInput` naming the field, also when none or two kinds of credentials are given.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same, with the server at this address, whatever `SEALMQ_VAULT_ADDR` says.
    ///
    /// # Errors
    /// As [`VaultConfig::from_env`].
    pub fn from_env_at(address: &str) -> Result<Self, KeyError> {
        Self::from_lookup(|name| match name {
            "SEALMQ_VAULT_ADDR" => Some(address.to_owned()),
            _ => std::env::var(name).ok(),
        })
    }

    pub(super) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        let get =
            |name: &str| lookup(&format!("SEALMQ_VAULT_{name}")).filter(|value| !value.is_empty());
        let invalid = KeyError::invalid_input;
        let address =
            get("ADDR").ok_or_else(|| invalid("address", "SEALMQ_VAULT_ADDR is not set"))?;
        let mut auth = auth(&get)?;
        if let Some(mount) = get("AUTH_MOUNT") {
            auth = auth.with_mount(mount);
        }
        if let Some(path) = get("KUBERNETES_JWT_FILE") {
            auth = auth.with_jwt_file(path);
        }
        let mut config = Self::new(address, auth);
        config.namespace = get("NAMESPACE");
        config.root_ca = get("ROOT_CA").map(Into::into);
        config.client_certificate = match (get("CLIENT_CERT"), get("CLIENT_KEY")) {
            (Some(chain), Some(key)) => Some((chain.into(), key.into())),
            (None, None) => None,
            _ => {
                let reason = "SEALMQ_VAULT_CLIENT_CERT and SEALMQ_VAULT_CLIENT_KEY go together";
                return Err(invalid("client_certificate", reason));
            }
        };
        if let Some(timeout) = get("CONNECT_TIMEOUT_MS") {
            config.connect_timeout = milliseconds("connect_timeout", &timeout)?;
        }
        if let Some(timeout) = get("REQUEST_TIMEOUT_MS") {
            config.request_timeout = milliseconds("request_timeout", &timeout)?;
        }
        config.validate()?;
        Ok(config)
    }
}

impl VaultTransitConfig {
    /// The configuration from the environment: `SEALMQ_VAULT_TRANSIT_MOUNT` and
    /// `SEALMQ_VAULT_KEY_PREFIX`, where they differ from [`VaultTransitConfig::new`].
    ///
    /// # Errors
    /// `InvalidInput` naming the field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    pub(super) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        let get =
            |name: &str| lookup(&format!("SEALMQ_VAULT_{name}")).filter(|value| !value.is_empty());
        let mut config = Self::new();
        if let Some(mount) = get("TRANSIT_MOUNT") {
            config = config.with_mount(mount);
        }
        if let Some(prefix) = get("KEY_PREFIX") {
            config = config.with_key_prefix(prefix);
        }
        config.validate()?;
        Ok(config)
    }
}

fn auth(get: &impl Fn(&str) -> Option<String>) -> Result<VaultAuth, KeyError> {
    let invalid = |reason: &str| KeyError::invalid_input("auth", reason);
    let mut given = Vec::new();
    given.extend(get("TOKEN").map(VaultAuth::token));
    given.extend(get("TOKEN_FILE").map(VaultAuth::token_file));
    match (get("USERNAME"), get("PASSWORD")) {
        (Some(username), Some(password)) => given.push(VaultAuth::userpass(username, password)),
        (None, None) => {}
        _ => return Err(invalid("user name and password go together")),
    }
    let mut secret_ids = Vec::new();
    secret_ids.extend(get("SECRET_ID").map(|id| VaultSecretId::Plain(id.into())));
    secret_ids.extend(get("SECRET_ID_FILE").map(|path| VaultSecretId::File(path.into())));
    secret_ids.extend(get("WRAPPED_SECRET_ID").map(|id| VaultSecretId::Wrapped(id.into())));
    match (get("ROLE_ID"), secret_ids.pop(), secret_ids.is_empty()) {
        (Some(role_id), Some(secret_id), true) => {
            given.push(VaultAuth::approle(role_id, secret_id));
        }
        (None, None, _) => {}
        _ => return Err(invalid("a role id and one secret id go together")),
    }
    given.extend(get("KUBERNETES_ROLE").map(VaultAuth::kubernetes));
    match (given.pop(), given.is_empty()) {
        (Some(auth), true) => Ok(auth),
        (Some(_), false) => Err(invalid("more than one kind is set")),
        (None, _) => Err(invalid("none is set")),
    }
}

fn milliseconds(field: &'static str, text: &str) -> Result<Duration, KeyError> {
    let number = text.parse();
    let number =
        number.map_err(|_| KeyError::invalid_input(field, "is no number of milliseconds"))?;
    Ok(Duration::from_millis(number))
}
