//! Azure Service Bus, or the server that the tests run against.

use std::env;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq::servicebus::{ServiceBusConfig, ServiceBusTransport};
use sealmq::{Transport, TransportError};

use super::Broker;
use super::servicebus_admin::Admin;

const CONNECTION_STRING: &str = "SEALMQ_SERVICEBUS_CONNECTION_STRING";

pub(super) struct ServiceBusBroker {
    host: String,
    config: ServiceBusConfig,
    /// The service makes queues over HTTP, which no transport speaks; the test server does so too.
    admin: Option<Admin>,
}

impl ServiceBusBroker {
    /// The namespace of this connection string, or of that of the environment.
    pub(super) fn of(connection_string: &str) -> Result<Self, TransportError> {
        let (config, text) = if connection_string.is_empty() {
            (ServiceBusConfig::from_env()?, env::var(CONNECTION_STRING).unwrap_or_default())
        } else {
            let config = ServiceBusConfig::from_connection_string(connection_string)?;
            (config, connection_string.to_owned())
        };
        if config.entity_path().is_some() {
            let reason = "is for one entity; the demo needs one for the namespace";
            return Err(TransportError::invalid_input("connection_string", reason));
        }
        Ok(Self { host: host(&text), config, admin: Admin::from_env()? })
    }
}

/// The host of `Endpoint=sb://host/`, which is no secret.
fn host(connection_string: &str) -> String {
    let parts = connection_string.split(';').filter_map(|part| part.trim().split_once('='));
    let mut endpoints = parts.filter(|(name, _)| name.trim().eq_ignore_ascii_case("endpoint"));
    let (_, url) = endpoints.next().unwrap_or_default(); // a second one is refused
    url.trim().rsplit_once("//").map_or("", |(_, host)| host).trim_end_matches('/').to_owned()
}

#[async_trait]
impl Broker for ServiceBusBroker {
    fn kind(&self) -> &'static str {
        "servicebus"
    }

    fn describe(&self) -> String {
        format!("Service Bus at {}", self.host)
    }

    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        let transport = ServiceBusTransport::new(self.config.clone())?;
        transport.health().await?;
        Ok(Arc::new(transport))
    }

    fn makes_queues(&self) -> bool {
        self.admin.is_some()
    }

    async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        self.admin()?.create_queue(queue).await
    }

    async fn remove_queue(&self, queue: &str) -> Result<(), TransportError> {
        self.admin()?.remove_queue(queue).await
    }

    fn how_to_create(&self, queue: &str) -> String {
        let namespace = self.host.split('.').next().unwrap_or_default();
        format!(
            "az servicebus queue create --resource-group GROUP --namespace-name {namespace} \
             --name {queue}"
        )
    }
}

impl ServiceBusBroker {
    fn admin(&self) -> Result<&Admin, TransportError> {
        let unsupported = || TransportError::unsupported("servicebus", "making queues");
        self.admin.as_ref().ok_or_else(unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_host_is_shown() {
        let text =
            "SharedAccessKeyName=root;SharedAccessKey=s3cr3t=;Endpoint=sb://ns.example:5671/";
        assert_eq!(host(text), "ns.example:5671");
        let broker = ServiceBusBroker::of(text).unwrap();
        assert_eq!(broker.describe(), "Service Bus at ns.example:5671");
    }

    #[test]
    fn a_connection_string_of_one_entity_is_refused() {
        let text = "Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=s3cr3t;EntityPath=q";
        let error = ServiceBusBroker::of(text).err().unwrap().to_string();
        assert!(error.contains("for one entity") && !error.contains("s3cr3t"), "{error}");
    }
}
