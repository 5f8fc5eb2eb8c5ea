//! How to reach NATS, who to be there, and what things are called.

use std::fmt;
use std::time::Duration;

use sealmq_tls::TlsConfig;

use crate::credentials::NatsCredentials;
use crate::queue_settings::NatsQueueSettings;

mod env;
mod validate;

/// Who makes the streams and consumers of a queue.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NatsProvisioning {
    /// Somebody else, or [`NatsTransport::create_queue`](crate::NatsTransport::create_queue): a
    /// queue that does not exist is `NotFound`.
    #[default]
    Existing,
    /// The transport, with these settings, when a queue that does not exist is first used. A queue
    /// that exists is taken as it is.
    OnDemand(NatsQueueSettings),
}

/// How both transports of this crate reach a server and name things there.
///
/// Nothing is read or dialled before `connect`; [`NatsConfig::validate`] checks it all at once and
/// names the field. `Debug` shows no credential.
///
/// ```
/// use std::time::Duration;
/// use sealmq_transport_nats::{NatsConfig, NatsCredentials, TlsConfig};
///
/// let config = NatsConfig::new("tls://nats.example.com:4222")
///     .with_credentials(NatsCredentials::user_password("orders", "s3cr3t"))
///     .with_tls(TlsConfig::new().with_root_ca("/etc/ssl/nats-ca.pem"))
///     .with_connect_timeout(Duration::from_secs(3));
/// assert!(config.validate().is_ok());
/// assert!(!format!("{config:?}").contains("s3cr3t"));
/// ```
#[non_exhaustive]
pub struct NatsConfig {
    pub(crate) urls: Vec<String>,
    pub(crate) connection_name: Option<String>,
    pub(crate) credentials: NatsCredentials,
    pub(crate) tls: TlsConfig,
    pub(crate) tls_first: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) retry_initial_connect: bool,
    pub(crate) request_timeout: Duration,
    pub(crate) domain: Option<String>,
    pub(crate) stream_prefix: String,
    pub(crate) subject_prefix: String,
    pub(crate) consumer: String,
    pub(crate) provisioning: NatsProvisioning,
    pub(crate) queue_group: String,
    pub(crate) subscription_capacity: usize,
}

impl NatsConfig {
    /// A connection to this server without credentials: `nats://host:port`, or `tls://host:port`
    /// to insist on TLS. Credentials do not belong in the URL and are refused there.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            connection_name: None,
            credentials: NatsCredentials::none(),
            tls: TlsConfig::new(),
            tls_first: false,
            connect_timeout: Duration::from_secs(5),
            retry_initial_connect: false,
            request_timeout: Duration::from_secs(5),
            domain: None,
            stream_prefix: "sealmq-".into(),
            subject_prefix: "sealmq".into(),
            consumer: "sealmq".into(),
            provisioning: NatsProvisioning::default(),
            queue_group: "sealmq".into(),
            subscription_capacity: 65_536,
        }
    }

    /// The same configuration with one more server of the cluster.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// The same configuration with this name of the connection in the server's monitoring.
    #[must_use]
    pub fn with_connection_name(mut self, name: impl Into<String>) -> Self {
        self.connection_name = Some(name.into());
        self
    }

    /// The same configuration with these credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: NatsCredentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same configuration with this trust, and this client certificate; those of the
    /// operating system, and none. Unless it is the default, TLS is required from here on.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// The same configuration, encrypting before the server has said anything: for servers with
    /// `handshake_first`. TLS is required from here on.
    #[must_use]
    pub fn with_tls_first(mut self) -> Self {
        self.tls_first = true;
        self
    }

    /// The same configuration with this bound on connecting, all servers together; 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same configuration, where a server that cannot be reached at first is tried again until
    /// the connect timeout is over. Off: the first failure is reported. Either way connecting is
    /// bounded, and a refused credential is not tried twice.
    #[must_use]
    pub fn with_initial_connect_retry(mut self, retry: bool) -> Self {
        self.retry_initial_connect = retry;
        self
    }

    /// The same configuration with this bound on each answer of the server; 5 s. It also bounds
    /// how long a call waits for a connection that broke.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The same configuration in this `JetStream` domain, as behind a leaf node.
    #[must_use]
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The same configuration with this in front of the names of streams; `sealmq-`.
    #[must_use]
    pub fn with_stream_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.stream_prefix = prefix.into();
        self
    }

    /// The same configuration with this as the first part of all subjects; `sealmq`.
    #[must_use]
    pub fn with_subject_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.subject_prefix = prefix.into();
        self
    }

    /// The same configuration with this name of the durable consumer of each stream; `sealmq`.
    #[must_use]
    pub fn with_consumer_name(mut self, name: impl Into<String>) -> Self {
        self.consumer = name.into();
        self
    }

    /// The same configuration with queues made this way; [`NatsProvisioning::Existing`].
    #[must_use]
    pub fn with_provisioning(mut self, provisioning: NatsProvisioning) -> Self {
        self.provisioning = provisioning;
        self
    }

    /// The same configuration with this queue group for receivers of core NATS; `sealmq`.
    /// Receivers of one group share a queue's messages, each group gets all of them.
    #[must_use]
    pub fn with_queue_group(mut self, group: impl Into<String>) -> Self {
        self.queue_group = group.into();
        self
    }

    /// The same configuration with room for this many messages that a receiver of core NATS has
    /// not fetched yet; 65,536. What comes beyond that is dropped.
    #[must_use]
    pub fn with_subscription_capacity(mut self, messages: usize) -> Self {
        self.subscription_capacity = messages;
        self
    }
}

/// Shows what was set and hides every credential.
impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL with a password in it is refused later, but may be printed before.
        let urls: Vec<&str> = match self.server_addresses() {
            Ok(_) => self.urls.iter().map(String::as_str).collect(),
            Err(_) => vec!["[invalid]"],
        };
        f.debug_struct("NatsConfig")
            .field("urls", &urls)
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("tls_first", &self.tls_first)
            .field("connect_timeout", &self.connect_timeout)
            .field("retry_initial_connect", &self.retry_initial_connect)
            .field("request_timeout", &self.request_timeout)
            .field("domain", &self.domain)
            .field("stream_prefix", &self.stream_prefix)
            .field("subject_prefix", &self.subject_prefix)
            .field("consumer", &self.consumer)
            .field("provisioning", &self.provisioning)
            .field("queue_group", &self.queue_group)
            .field("subscription_capacity", &self.subscription_capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
