//! The configuration from environment variables.

use std::time::Duration;

use sealmq_crypto_core::KeyError;

use super::PostgresConfig;

impl PostgresConfig {
    /// The configuration from the environment.
    ///
    /// | variable | sets |
    /// | --- | --- |
    /// | `SEALMQ_POSTGRES_URL` | the server; required |
    /// | `SEALMQ_POSTGRES_PASSWORD_FILE` | path of a file that holds the password |
    /// | `SEALMQ_POSTGRES_TLS` | `require` (the default) or `disable` |
    /// | `SEALMQ_POSTGRES_ROOT_CA` | path of the trusted authorities, PEM |
    /// | `SEALMQ_POSTGRES_CLIENT_CERT`, `SEALMQ_POSTGRES_CLIENT_KEY` | paths of the client certificate, PEM |
    /// | `SEALMQ_POSTGRES_SCHEMA` | the schema of the tables |
    /// | `SEALMQ_POSTGRES_MAX_CONNECTIONS` | connections at a time |
    /// | `SEALMQ_POSTGRES_CONNECT_TIMEOUT_MS`, `SEALMQ_POSTGRES_STATEMENT_TIMEOUT_MS`, `SEALMQ_POSTGRES_REQUEST_TIMEOUT_MS` | the bounds |
    ///
    /// # Errors
    /// `InvalidInput` names the field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same, with the server at this URL, whatever `SEALMQ_POSTGRES_URL` says.
    ///
    /// # Errors
    /// As [`PostgresConfig::from_env`].
    pub fn from_env_at(url: &str) -> Result<Self, KeyError> {
        Self::from_lookup(|name| match name {
            "SEALMQ_POSTGRES_URL" => Some(url.to_owned()),
            _ => std::env::var(name).ok(),
        })
    }

    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        let invalid = KeyError::invalid_input;
        let get = |name: &str| {
            lookup(&format!("SEALMQ_POSTGRES_{name}")).filter(|value| !value.is_empty())
        };
        let url = get("URL").ok_or_else(|| invalid("url", "SEALMQ_POSTGRES_URL is not set"))?;
        let mut config = Self::new(url);
        config.password_file = get("PASSWORD_FILE").map(Into::into);
        config.tls.root_ca = get("ROOT_CA").map(Into::into);
        config.tls.off = match get("TLS").as_deref() {
            None | Some("require") => false,
            Some("disable") => true,
            Some(_) => {
                let reason = "SEALMQ_POSTGRES_TLS is neither require nor disable";
                return Err(invalid("tls", reason));
            }
        };
        config = match (get("CLIENT_CERT"), get("CLIENT_KEY")) {
            (Some(chain), Some(key)) => config.with_client_certificate(chain, key),
            (None, None) => config,
            _ => {
                let reason =
                    "SEALMQ_POSTGRES_CLIENT_CERT and SEALMQ_POSTGRES_CLIENT_KEY go together";
                return Err(invalid("client_certificate", reason));
            }
        };
        if let Some(schema) = get("SCHEMA") {
            config = config.with_schema(schema);
        }
        if let Some(connections) = get("MAX_CONNECTIONS") {
            let connections = connections.parse().map_err(|_| {
                invalid("max_connections", "SEALMQ_POSTGRES_MAX_CONNECTIONS is no number")
            })?;
            config = config.with_max_connections(connections);
        }
        for (field, name, place) in [
            ("connect_timeout", "CONNECT_TIMEOUT_MS", &mut config.connect_timeout),
            ("statement_timeout", "STATEMENT_TIMEOUT_MS", &mut config.statement_timeout),
            ("request_timeout", "REQUEST_TIMEOUT_MS", &mut config.request_timeout),
        ] {
            if let Some(text) = get(name) {
                let ms = text.parse().map_err(|_| invalid(field, "no number of milliseconds"))?;
                *place = Duration::from_millis(ms);
            }
        }
        config.validate()?;
        Ok(config)
    }
}
