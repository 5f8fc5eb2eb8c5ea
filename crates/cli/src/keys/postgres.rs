//! KEKs in PostgreSQL, under a master key of the environment.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::postgres::{
    MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService, PostgresKeyServiceConfig,
    schema_version,
};
use sealmq::settings::Settings;
use sealmq::{KeyError, KeyManagementService};

use super::{KeySource, Purpose, database_login};

pub(crate) struct PostgresSource {
    /// As the command line has it, with its scheme; none if it is the environment's.
    url: Option<String>,
    purpose: Purpose,
}

impl PostgresSource {
    /// What the environment says, at this server if one is named. Others see the arguments of a
    /// program: a password among them is refused.
    pub(super) fn at(rest: &str, purpose: Purpose) -> Result<Self, KeyError> {
        if holds_password(rest) {
            let reason = "holds a password, which others see in the list of processes: put the URL \
                          into SEALMQ_POSTGRES_URL, or the password into the file that \
                          SEALMQ_POSTGRES_PASSWORD_FILE names";
            return Err(KeyError::invalid_input("url", reason));
        }
        let url = Some(rest).filter(|rest| !rest.is_empty()).map(|rest| format!("postgres:{rest}"));
        let source = Self { url, purpose };
        let config = source.config()?;
        if database_login::is_wanted() {
            config.validate_without_login()?;
            database_login::check()?;
        }
        PostgresKeyServiceConfig::from_env()?;
        MasterKeys::from_env()?;
        Ok(source)
    }

    fn config(&self) -> Result<PostgresConfig, KeyError> {
        let settings = Settings::from_env().with("SEALMQ_POSTGRES_URL", self.url.clone());
        PostgresConfig::from_settings(&settings)
    }

    /// Connections of their own, by the user that Vault makes if there is to be one. PostgreSQL is
    /// not asked yet.
    pub(crate) async fn client(&self) -> Result<PostgresClient, KeyError> {
        match database_login::is_wanted() {
            true => {
                let credentials = database_login::credentials().await?;
                PostgresClient::with_credentials(&self.config()?, credentials)
            }
            false => PostgresClient::new(&self.config()?),
        }
    }

    /// The service itself, which can do more than the trait says.
    pub(crate) fn service(&self, client: PostgresClient) -> Result<PostgresKeyService, KeyError> {
        let auto_create = self.purpose.creates();
        let config = PostgresKeyServiceConfig::from_env()?.with_auto_create(auto_create);
        PostgresKeyService::new(client, MasterKeys::from_env()?, config)
    }
}

fn holds_password(rest: &str) -> bool {
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = before_query.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.to_ascii_lowercase().contains("password")
}

#[async_trait]
impl KeySource for PostgresSource {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn describe(&self) -> String {
        // Nobody logs in by this client.
        let client = self.config().and_then(|config| PostgresClient::new(&config));
        let client = client.and_then(|client| self.service(client));
        // The name says where and in which schema, and has neither user nor password.
        let name = client.map_or_else(|_| String::new(), |service| service.name().to_owned());
        format!("PostgreSQL at {}", name.strip_prefix("postgres://").unwrap_or(&name))
    }

    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        let client = self.client().await?;
        schema_version(&client).await?;
        Ok(Arc::new(self.service(client)?))
    }

    fn how_to_prepare(&self) -> &'static str {
        "sealmq keys migrate --keys postgres:"
    }

    fn remains(&self) -> &'static str {
        "rows without a key"
    }

    fn as_postgres(&self) -> Option<&PostgresSource> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_noticed_wherever_they_stand() {
        for rest in ["//me:s3cr3t@host/db", "//host/db?user=me&PASSWORD=s3cr3t", "//me:@host"] {
            assert!(holds_password(rest), "{rest}");
            let error = PostgresSource::at(rest, Purpose::Demo).err().unwrap().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        for rest in ["", "//host:5432/db", "//me@host:5432/db?sslmode=require"] {
            assert!(!holds_password(rest), "{rest}");
        }
    }
}
