//! `[replay_guard]`: the memory of nonces that replicas share.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{MemoryReplayGuard, ReplayGuard};
use sealmq_settings::{InvalidSetting, Settings};

use crate::error::ConfigError;
use crate::kinds::{CAPACITY_KEY, GROUP_KEY};
use crate::opening::Opening;
use crate::section::Resolved;

/// A guard that was checked without I/O to its server.
pub(crate) enum Prepared {
    Memory(MemoryReplayGuard),
    #[cfg(feature = "nats-replay")]
    Nats(Box<sealmq_transport_nats::NatsConfig>, sealmq_replay_nats::NatsReplayConfig),
    #[cfg(feature = "postgres")]
    Postgres(Box<sealmq_keys_postgres::PostgresConfig>, String),
}

/// What a guard has to fit to.
pub(crate) struct Surroundings<'s> {
    /// The settings of a transport on NATS.
    pub(crate) nats: Option<Settings<'s>>,
    /// How long the policy has nonces remembered.
    pub(crate) nonce_ttl: Duration,
}

impl Prepared {
    /// What the table says to the guard of this kind.
    pub(crate) fn of(
        kind: &str,
        table: &Resolved<'_>,
        around: &Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        Self::read(kind, &table.settings(), around).map_err(|error| table.invalid(&error))
    }

    /// What these settings say to the guard of this kind.
    pub(crate) fn read(
        kind: &str,
        settings: &Settings<'_>,
        around: &Surroundings<'_>,
    ) -> Result<Self, InvalidSetting> {
        match kind {
            "memory" => match settings.number(CAPACITY_KEY)? {
                Some(0) => Err(InvalidSetting::new(CAPACITY_KEY, "at least 1")),
                Some(capacity) => Ok(Self::Memory(MemoryReplayGuard::with_capacity(capacity))),
                None => Ok(Self::Memory(MemoryReplayGuard::new())),
            },
            #[cfg(feature = "nats-replay")]
            "nats" => nats::read(settings, around),
            #[cfg(feature = "postgres")]
            "postgres" => {
                let config = crate::database::read(settings)?;
                let group = settings.required(GROUP_KEY)?;
                // A group is named as a tenant is.
                sealmq_crypto_core::TenantId::new(&group).map_err(|_| {
                    let reason = "is not 1 to 128 bytes without a control character";
                    InvalidSetting::new(GROUP_KEY, reason)
                })?;
                Ok(Self::Postgres(Box::new(config), group))
            }
            _ => Err(InvalidSetting::new("kind", "is not built in")),
        }
    }

    /// The guard, after its server was asked for what it needs.
    pub(crate) async fn connect(
        self,
        table: &Resolved<'_>,
        opening: &mut Opening,
    ) -> Result<Arc<dyn ReplayGuard>, ConfigError> {
        match self {
            Self::Memory(guard) => Ok(Arc::new(guard)),
            #[cfg(feature = "nats-replay")]
            Self::Nats(connection, config) => {
                use sealmq_replay_nats::NatsReplayGuard;
                use sealmq_transport_nats::NatsConnection;
                let cannot = |error| crate::transport::refused(table, error);
                let connection = NatsConnection::connect(&connection).await.map_err(cannot)?;
                opening.keep_nats(connection.clone());
                let guard = NatsReplayGuard::new(connection.jetstream(), config)
                    .map_err(|error| nats::refused(table, error))?;
                guard.open().await.map_err(|error| nats::refused(table, error))?;
                Ok(Arc::new(guard))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(config, group) => {
                use sealmq_keys_postgres::{PostgresReplayGuard, schema_version};
                let credentials = opening.credentials(table).await?;
                let cannot = |error| crate::key_error::refused(table, error);
                let client = crate::database::client(&config, credentials).map_err(cannot)?;
                schema_version(&client).await.map_err(cannot)?;
                let guard = PostgresReplayGuard::new(client, &group).map_err(cannot)?;
                Ok(Arc::new(guard.with_collection()))
            }
        }
    }
}

#[cfg(feature = "nats-replay")]
mod nats {
    //! A guard on NATS: on a server of its own, or on that of the transport.

    use sealmq_queue_core::{TransportError, TransportErrorKind};
    use sealmq_replay_nats::{NatsReplayConfig, NatsReplayError, NatsReplayErrorKind};
    use sealmq_transport_nats::NatsConfig;

    use super::*;
    use crate::section::invalid;

    const URL: &str = "SEALMQ_NATS_URL";
    const MAX_AGE: &str = "SEALMQ_NATS_REPLAY_MAX_AGE_S";

    pub(super) fn read(
        settings: &Settings<'_>,
        around: &Surroundings<'_>,
    ) -> Result<Prepared, InvalidSetting> {
        let bucket = bucket(settings, around.nonce_ttl)?;
        let connection = connection(settings, around.nats.as_ref())?;
        Ok(Prepared::Nats(Box::new(connection), bucket))
    }

    /// A bucket that remembers for as long as the policy needs.
    fn bucket(
        settings: &Settings<'_>,
        nonce_ttl: Duration,
    ) -> Result<NatsReplayConfig, InvalidSetting> {
        let config = NatsReplayConfig::from_settings(settings);
        let config = config.map_err(|error| match error.kind() {
            NatsReplayErrorKind::InvalidInput { field } => invalid(field, &error),
            _ => invalid("bucket", &error),
        })?;
        match settings.seconds(MAX_AGE)? {
            None => Ok(config.with_max_age(nonce_ttl)),
            Some(max_age) if max_age < nonce_ttl => {
                let needed = nonce_ttl.as_secs();
                let reason = format!("is less than the {needed} s that the policy needs");
                Err(InvalidSetting::new(MAX_AGE, reason))
            }
            Some(_) => Ok(config),
        }
    }

    /// A server of its own, or that of the transport with all that leads there.
    fn connection(
        settings: &Settings<'_>,
        transport: Option<&Settings<'_>>,
    ) -> Result<NatsConfig, InvalidSetting> {
        let from = match (settings.get(URL), transport) {
            (Some(_), _) => settings,
            (None, Some(transport)) => {
                let mut own = NatsConfig::CONNECTION_SETTINGS.iter().copied().flatten();
                if let Some(own) = own.find(|own| settings.get(own.variable).is_some()) {
                    let reason = "goes with a url: without one all is as the transport has it";
                    return Err(InvalidSetting::new(own.variable, reason));
                }
                transport
            }
            (None, None) => {
                let reason = "is not set, and the transport is not NATS";
                return Err(InvalidSetting::new(URL, reason));
            }
        };
        let config = NatsConfig::connection_from_settings(from);
        config.map_err(|error| invalid(field_of(&error), &error))
    }

    fn field_of(error: &TransportError) -> &'static str {
        match error.kind() {
            TransportErrorKind::InvalidInput { field } => field,
            _ => URL,
        }
    }

    /// The guard's error in the names of the file.
    pub(super) fn refused(table: &Resolved<'_>, error: NatsReplayError) -> ConfigError {
        match error.kind() {
            NatsReplayErrorKind::InvalidInput { field } => table.refused_by(field, &error),
            _ => table.section.error("cannot connect").because(error),
        }
    }
}
