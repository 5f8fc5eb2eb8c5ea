//! From a configuration to connections: all of its parts, each with its outcome.

use sealmq_client::{QueueClient, QueueClientBuilder};

use crate::adapter::Adapter;
use crate::config::{Checked, Config};
use crate::error::ConfigError;
use crate::key_source::Source;
use crate::opening::Opening;
use crate::section::Section;
use crate::service::Service;
use crate::{keys, transport, vaults};

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
    /// Connects the transport, the sources of keys and the replay guard.
    ///
    /// # Errors
    /// As [`Config::validate`]; and the first table whose server cannot be reached or refuses us,
    /// with the adapter's error behind it. Nothing is retried.
    pub async fn connect(&self) -> Result<Service, ConfigError> {
        self.connect_with(|builder| builder).await
    }

    /// The same with what a file cannot say, such as another retry policy.
    ///
    /// # Errors
    /// As [`Config::connect`].
    pub async fn connect_with(
        &self,
        more: impl FnOnce(QueueClientBuilder) -> QueueClientBuilder + Send,
    ) -> Result<Service, ConfigError> {
        let (parts, builder, checked, opening) = self.connect_parts().await?;
        match parts.into_iter().find_map(|part| part.error) {
            Some(error) => {
                opening.close().await;
                Err(error)
            }
            None => build(more(builder), checked, opening).await,
        }
    }

    /// Connects every part, also after one has failed: for those who check a file. The service is
    /// there if all are connected.
    ///
    /// # Errors
    /// As [`Config::validate`]: then nothing was connected.
    pub async fn connect_each(&self) -> Result<(Vec<Connected>, Option<Service>), ConfigError> {
        let (parts, builder, checked, opening) = self.connect_parts().await?;
        if parts.iter().any(|part| part.error.is_some()) {
            opening.close().await;
            return Ok((parts, None));
        }
        let service = build(builder, checked, opening).await?;
        Ok((parts, Some(service)))
    }

    async fn connect_parts(
        &self,
    ) -> Result<(Vec<Connected>, QueueClientBuilder, Checked, Opening), ConfigError> {
        self.validate()?;
        let (checked, mut opening) = (self.check()?, Opening::default());
        let queue = checked.queues.keys().next().map_or("sealmq", String::as_str);
        let mut builder = QueueClient::builder(queue)
            .with_crypto(checked.crypto.clone())
            .with_keyring_policy(checked.keyring.clone())
            .with_environment(&checked.environment);
        if let Some(tenant) = &checked.tenant {
            builder = builder.with_tenant(tenant);
        }
        let mut parts = Vec::new();
        let mut add = |section: &Section, kind, error| {
            parts.push(Connected { path: section.path.clone(), kind, error });
        };
        let transport = async {
            let table = self.transport.section.resolve()?;
            transport::Prepared::of(self.transport.kind, &table)?.connect(&table).await
        };
        let (transport, error) = apart(transport.await);
        add(&self.transport.section, self.transport.kind, error);
        if let Some(transport) = transport {
            builder = builder.with_transport(transport);
        }
        for (name, section) in &self.vaults {
            let login = async { opening.log_in(name, &section.resolve()?).await };
            add(section, vaults::KIND, login.await.err());
        }
        for Adapter { kind, section, .. } in &self.keys {
            let source = async {
                let table = section.resolve()?;
                keys::Prepared::of(kind, &table)?.connect(&table, &mut opening).await
            };
            let (source, error) = apart(source.await);
            add(section, kind, error);
            builder = match source {
                Some(Source::Service { alias, service }) => {
                    builder.with_key_management(alias, service)
                }
                Some(Source::Store(store)) => builder.with_key_provider(store),
                None => builder,
            };
        }
        if let Some(adapter) = &self.replay_guard {
            let guard = async {
                let table = adapter.section.resolve()?;
                let prepared = self.prepare_guard(adapter, &checked.crypto)?;
                prepared.connect(&table, &mut opening).await
            };
            let (guard, error) = apart(guard.await);
            add(&adapter.section, adapter.kind, error);
            if let Some(guard) = guard {
                builder = builder.with_replay_guard(guard);
            }
        }
        Ok((parts, builder, checked, opening))
    }
}

fn apart<T>(outcome: Result<T, ConfigError>) -> (Option<T>, Option<ConfigError>) {
    match outcome {
        Ok(connected) => (Some(connected), None),
        Err(error) => (None, Some(error)),
    }
}

async fn build(
    builder: QueueClientBuilder,
    checked: Checked,
    opening: Opening,
) -> Result<Service, ConfigError> {
    match builder.build() {
        Ok(client) => Ok(Service::new(client, checked.tenant, checked.queues, opening)),
        Err(error) => {
            opening.close().await;
            Err(ConfigError::new("", "the parts do not fit together").because(error))
        }
    }
}
