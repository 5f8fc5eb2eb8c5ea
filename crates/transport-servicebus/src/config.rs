//! How to reach a namespace, as whom, and within what bounds.

use std::fmt;
use std::time::Duration;

use sealmq_queue_core::TransportError;
use sealmq_tls::TlsConfig;

use crate::connection_string::ConnectionString;
use crate::credential::Credential;

mod env;

const TLS_PORT: u16 = 5671;
const PLAIN_PORT: u16 = 5672;

/// The settings of a [`ServiceBusTransport`](crate::ServiceBusTransport).
///
/// ```
/// use sealmq_transport_servicebus::{Credential, ServiceBusConfig};
///
/// let key = Credential::shared_access_key("orders-service", "the key");
/// let config = ServiceBusConfig::new("contoso.servicebus.windows.net", key);
/// assert!(!format!("{config:?}").contains("the key"));
/// ```
#[non_exhaustive]
#[derive(Clone)]
pub struct ServiceBusConfig {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) entity_path: Option<String>,
    pub(crate) credential: Credential,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) max_message_bytes: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) token_lifetime: Duration,
    pub(crate) max_deliveries: Option<u32>,
}

impl ServiceBusConfig {
    /// A namespace, `<name>.servicebus.windows.net`, over TLS on port 5671.
    pub fn new(namespace: impl Into<String>, credential: Credential) -> Self {
        Self {
            host: namespace.into(),
            port: None,
            entity_path: None,
            credential,
            tls: Some(TlsConfig::new()),
            max_message_bytes: 256 * 1024,
            connect_timeout: Duration::from_secs(15),
            operation_timeout: Duration::from_secs(30),
            token_lifetime: Duration::from_secs(20 * 60),
            max_deliveries: Some(10),
        }
    }

    /// What a connection string says: `Endpoint` with or without a port, a key or a
    /// `SharedAccessSignature`, an `EntityPath`. With `UseDevelopmentEmulator=true` AMQP is spoken
    /// without TLS, on port 5672 unless `Endpoint` has another.
    ///
    /// # Errors
    /// `InvalidInput` for `connection_string`; the reason names the part and shows no value.
    pub fn from_connection_string(text: &str) -> Result<Self, TransportError> {
        let read = ConnectionString::parse(text)?;
        let mut config = Self::new(read.host, read.credential);
        config.port = read.port;
        config.entity_path = read.entity_path;
        if read.emulator {
            config.tls = None;
        }
        config.validate()?;
        Ok(config)
    }

    /// The same settings with another credential.
    #[must_use]
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// The same settings with this trust and this client certificate.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The same settings with another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same settings with the size of message the tier allows, all of it: 256 KiB on Standard
    /// (the default), more on Premium ("Service Bus quotas"). The adapter keeps 4 KiB of it for
    /// the encoding.
    #[must_use]
    pub fn with_max_message_bytes(mut self, max_message_bytes: usize) -> Self {
        self.max_message_bytes = max_message_bytes;
        self
    }

    /// The same settings with this long to connect, TLS and AMQP included; 15 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// The same settings with this long for the broker to answer; 30 s.
    #[must_use]
    pub fn with_operation_timeout(mut self, operation_timeout: Duration) -> Self {
        self.operation_timeout = operation_timeout;
        self
    }

    /// The same settings with tokens signed for this long; 20 minutes. A token is put anew when a
    /// third of its life is left.
    #[must_use]
    pub fn with_token_lifetime(mut self, token_lifetime: Duration) -> Self {
        self.token_lifetime = token_lifetime;
        self
    }

    /// The same settings with messages dead-lettered that were delivered so often and are to be held
    /// back once more; 10, as the broker's own default, and `None` is never. The broker counts a
    /// message anew that was held back, because what comes back is a copy: give the
    /// `MaxDeliveryCount` of the queues, or a message that no handler can handle never ends.
    #[must_use]
    pub fn with_max_deliveries(mut self, max_deliveries: impl Into<Option<u32>>) -> Self {
        self.max_deliveries = max_deliveries.into();
        self
    }

    /// The entity that the connection string is for, where it names one.
    pub fn entity_path(&self) -> Option<&str> {
        self.entity_path.as_deref()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls.is_some() { TLS_PORT } else { PLAIN_PORT })
    }

    /// What a token for a path is for.
    pub(crate) fn audience(&self, path: &str) -> String {
        format!("sb://{}/{path}", self.host)
    }

    /// Checks everything that can be checked without the network.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let host_ok = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if self.host.is_empty() || !self.host.bytes().all(host_ok) {
            let reason = "must be a host name, such as contoso.servicebus.windows.net";
            return Err(TransportError::invalid_input("namespace", reason));
        }
        self.credential.validate()?;
        if let Some(tls) = &self.tls {
            tls.validate()?;
        }
        if self.port == Some(0) {
            return Err(TransportError::invalid_input("port", "must not be zero"));
        }
        if !(16 * 1024..=100 * 1024 * 1024).contains(&self.max_message_bytes) {
            return Err(TransportError::invalid_input("max_message_bytes", "16 KiB to 100 MiB"));
        }
        if self.max_deliveries == Some(0) {
            return Err(TransportError::invalid_input("max_deliveries", "must not be zero"));
        }
        let durations = [
            ("connect_timeout", self.connect_timeout),
            ("operation_timeout", self.operation_timeout),
            ("token_lifetime", self.token_lifetime),
        ];
        match durations.into_iter().find(|(_, duration)| duration.as_secs() == 0) {
            Some((field, _)) => Err(TransportError::invalid_input(field, "at least a second")),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ServiceBusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusConfig")
            .field("host", &self.host)
            .field("port", &self.port())
            .field("entity_path", &self.entity_path)
            .field("credential", &self.credential)
            .field("tls", &self.tls)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("connect_timeout", &self.connect_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .field("token_lifetime", &self.token_lifetime)
            .field("max_deliveries", &self.max_deliveries)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServiceBusConfig {
        ServiceBusConfig::new("ns.example", Credential::shared_access_key("root", "c2VjcmV0"))
    }

    #[test]
    fn the_port_follows_from_tls() {
        assert_eq!(config().port(), 5671);
        assert_eq!(config().with_port(7).port(), 7);
        let text = "Endpoint=sb://localhost;SharedAccessKeyName=root;SharedAccessKey=k;\
                    UseDevelopmentEmulator=true";
        assert_eq!(ServiceBusConfig::from_connection_string(text).unwrap().port(), 5672);
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        let second = Duration::from_secs(1);
        config().with_operation_timeout(second).validate().unwrap();
        let key = |name, key| Credential::shared_access_key(name, key);
        let table = [
            (ServiceBusConfig::new("", key("root", "k")), "namespace"),
            (ServiceBusConfig::new("a b", key("root", "k")), "namespace"),
            (ServiceBusConfig::new("ns", key("", "k")), "shared_access_key_name"),
            (ServiceBusConfig::new("ns", key("root", "")), "shared_access_key"),
            (
                ServiceBusConfig::new("ns", Credential::shared_access_signature("sig")),
                "shared_access_signature",
            ),
            (config().with_port(0), "port"),
            (config().with_max_message_bytes(1), "max_message_bytes"),
            (config().with_connect_timeout(Duration::ZERO), "connect_timeout"),
            (config().with_operation_timeout(Duration::ZERO), "operation_timeout"),
            (config().with_token_lifetime(second / 2), "token_lifetime"),
        ];
        for (config, field) in table {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let tls = TlsConfig::new().with_client_certificate_pem("chain", "c2VjcmV0");
        let shown = format!("{0:?} {0:#?}", config().with_tls(tls));
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert!(shown.contains("root") && shown.contains("ns.example"), "{shown}");
    }
}
