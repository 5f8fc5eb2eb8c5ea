//! From a configuration to connections: all of its parts, each with its outcome.

use sealmq_client::{QueueClient, QueueClientBuilder};

use crate::config::{Checked, Config};
use crate::error::ConfigError;
use crate::service::Service;
use crate::{keys, transport};

/// What came of connecting one part.
#[non_exhaustive]
#[derive(Debug)]
pub struct Connected {
    /// Its table, such as `keys[0]`.
    pub path: String,
    /// Its kind.
    pub kind: &'static str,
    /// Why it is not connected, if it is not.
    pub error: Option<ConfigError>,
}

impl Config {
    /// Connects the transport and the sources of keys.
    ///
    /// # Errors
    /// As [`Config::validate`]; and the first table whose server cannot be reached or refuses us,
    /// with the adapter's error behind it. Nothing is retried.
    pub async fn connect(&self) -> Result<Service, ConfigError> {
        self.connect_with(|builder| builder).await
    }

    /// The same with what a file cannot say: a replay guard that replicas share, another retry
    /// policy.
    ///
    /// # Errors
    /// As [`Config::connect`].
    pub async fn connect_with(
        &self,
        more: impl FnOnce(QueueClientBuilder) -> QueueClientBuilder + Send,
    ) -> Result<Service, ConfigError> {
        let (parts, builder, checked) = self.connect_parts().await?;
        match parts.into_iter().find_map(|part| part.error) {
            Some(error) => Err(error),
            None => build(more(builder), checked),
        }
    }

    /// Connects every part, also after one has failed: for those who check a file. The service is
    /// there if all are connected.
    ///
    /// # Errors
    /// As [`Config::validate`]: then nothing was connected.
    pub async fn connect_each(&self) -> Result<(Vec<Connected>, Option<Service>), ConfigError> {
        let (parts, builder, checked) = self.connect_parts().await?;
        let all = parts.iter().all(|part| part.error.is_none());
        let service = if all { Some(build(builder, checked)?) } else { None };
        Ok((parts, service))
    }

    async fn connect_parts(
        &self,
    ) -> Result<(Vec<Connected>, QueueClientBuilder, Checked), ConfigError> {
        self.validate()?;
        let checked = self.check()?;
        let queue = checked.queues.keys().next().map_or("sealmq", String::as_str);
        let mut builder = QueueClient::builder(queue)
            .with_crypto(checked.crypto.clone())
            .with_environment(&checked.environment);
        if let Some(tenant) = &checked.tenant {
            builder = builder.with_tenant(tenant);
        }
        let mut parts = Vec::new();
        let mut add = |adapter: &crate::config::Adapter, error| {
            let path = adapter.section.path.clone();
            parts.push(Connected { path, kind: adapter.kind, error });
        };
        let table = self.transport.section.resolve()?;
        let prepared = transport::Prepared::of(self.transport.kind, &table)?;
        builder = match prepared.connect(&table).await {
            Ok(transport) => {
                add(&self.transport, None);
                builder.with_transport(transport)
            }
            Err(error) => {
                add(&self.transport, Some(error));
                builder
            }
        };
        for adapter in &self.keys {
            let table = adapter.section.resolve()?;
            let source = keys::Prepared::of(adapter.kind, &table)?.connect(&table).await;
            let (source, error) = match source {
                Ok(source) => (Some(source), None),
                Err(error) => (None, Some(error)),
            };
            add(adapter, error);
            builder = match source {
                Some(keys::Source::Service { alias, service }) => {
                    builder.with_key_management(alias, service)
                }
                Some(keys::Source::Store(store)) => builder.with_key_provider(store),
                None => builder,
            };
        }
        Ok((parts, builder, checked))
    }
}

fn build(builder: QueueClientBuilder, checked: Checked) -> Result<Service, ConfigError> {
    let client = builder.build();
    let client = client
        .map_err(|error| ConfigError::new("", "the parts do not fit together").because(error))?;
    Ok(Service::new(client, checked.tenant, checked.queues))
}
