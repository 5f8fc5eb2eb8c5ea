//! `[transport]`: the configuration of its adapter, and the connection.

use std::sync::Arc;

use sealmq_queue_core::{Transport, TransportError, TransportErrorKind};
use sealmq_settings::Settings;

use crate::error::ConfigError;
use crate::section::Resolved;

/// The configuration of one adapter, checked without I/O to its server.
pub(crate) enum Prepared {
    #[cfg(feature = "memory")]
    Memory,
    #[cfg(feature = "nats")]
    Nats(sealmq_transport_nats::NatsConfig),
    #[cfg(feature = "nats")]
    NatsCore(sealmq_transport_nats::NatsConfig),
    #[cfg(feature = "sqs")]
    Sqs(sealmq_transport_sqs::SqsConfig),
    #[cfg(feature = "servicebus")]
    ServiceBus(sealmq_transport_servicebus::ServiceBusConfig),
}

impl Prepared {
    /// What the table says to the adapter of this kind.
    pub(crate) fn of(kind: &str, table: &Resolved<'_>) -> Result<Self, ConfigError> {
        Self::read(kind, &table.settings()).map_err(|error| refused(table, error))
    }

    /// What these settings say to the adapter of this kind.
    #[allow(unused_variables, reason = "the embedded transport has no settings")]
    pub(crate) fn read(kind: &str, settings: &Settings<'_>) -> Result<Self, TransportError> {
        match kind {
            #[cfg(feature = "memory")]
            "memory" => Ok(Self::Memory),
            #[cfg(feature = "nats")]
            "nats" => sealmq_transport_nats::NatsConfig::from_settings(settings).map(Self::Nats),
            #[cfg(feature = "nats")]
            "nats-core" => {
                sealmq_transport_nats::NatsConfig::from_settings(settings).map(Self::NatsCore)
            }
            #[cfg(feature = "sqs")]
            "sqs" => sealmq_transport_sqs::SqsConfig::from_settings(settings).map(Self::Sqs),
            #[cfg(feature = "servicebus")]
            "servicebus" => sealmq_transport_servicebus::ServiceBusConfig::from_settings(settings)
                .map(Self::ServiceBus),
            _ => Err(TransportError::invalid_input("kind", "is not built in")),
        }
    }

    /// The connection.
    pub(crate) async fn connect(
        self,
        table: &Resolved<'_>,
    ) -> Result<Arc<dyn Transport>, ConfigError> {
        let connected: Result<Arc<dyn Transport>, TransportError> = match self {
            #[cfg(feature = "memory")]
            Self::Memory => sealmq_transport_memory::MemoryTransport::builder()
                .auto_create(true)
                .build()
                .map(|transport| Arc::new(transport) as _),
            #[cfg(feature = "nats")]
            Self::Nats(config) => sealmq_transport_nats::NatsTransport::connect(&config)
                .await
                .map(|transport| Arc::new(transport) as _),
            #[cfg(feature = "nats")]
            Self::NatsCore(config) => sealmq_transport_nats::NatsCoreTransport::connect(&config)
                .await
                .map(|transport| Arc::new(transport) as _),
            #[cfg(feature = "sqs")]
            Self::Sqs(config) => sealmq_transport_sqs::SqsTransport::connect(&config)
                .await
                .map(|transport| Arc::new(transport) as _),
            #[cfg(feature = "servicebus")]
            Self::ServiceBus(config) => {
                sealmq_transport_servicebus::ServiceBusTransport::new(config)
                    .map(|transport| Arc::new(transport) as _)
            }
        };
        connected.map_err(|error| refused(table, error))
    }
}

/// The adapter's error in the names of the file.
pub(crate) fn refused(table: &Resolved<'_>, error: TransportError) -> ConfigError {
    match error.kind() {
        TransportErrorKind::InvalidInput { field } => table.refused_by(field, &error),
        _ => table.section.error("cannot connect").because(error),
    }
}
