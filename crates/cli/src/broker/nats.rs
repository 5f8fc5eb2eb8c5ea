//! NATS `JetStream` at the URL of the command line.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq::nats::{NatsConfig, NatsCredentials, NatsQueueSettings, NatsStorage, NatsTransport};
use sealmq::{Transport, TransportError};

use super::Broker;

/// The least that the server takes: an attacker who puts a copy of a message on the queue must
/// outwait it, or the server drops the copy as a duplicate.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

pub(super) struct NatsBroker {
    url: String,
    config: NatsConfig,
}

impl NatsBroker {
    /// The server at this URL; credentials and certificates are those of the environment.
    pub(super) fn at(url: &str) -> Result<Self, TransportError> {
        let mut config = NatsConfig::new(url)
            .with_connection_name("sealmq demo")
            .with_credentials(credentials()?);
        if let Some(path) = variable("ROOT_CA") {
            config = config.with_root_ca(path);
        }
        config = match (variable("CLIENT_CERT"), variable("CLIENT_KEY")) {
            (Some(chain), Some(key)) => config.with_client_certificate(chain, key),
            (None, None) => config,
            _ => {
                let reason = "SEALMQ_NATS_CLIENT_CERT and SEALMQ_NATS_CLIENT_KEY go together";
                return Err(TransportError::invalid_input("client_certificate", reason));
            }
        };
        if let Some(domain) = variable("DOMAIN") {
            config = config.with_domain(domain);
        }
        config.validate()?;
        Ok(Self { url: url.to_owned(), config })
    }
}

/// The variables of [`NatsConfig::from_env`], which would want the URL there as well.
fn variable(name: &str) -> Option<String> {
    env::var(format!("SEALMQ_NATS_{name}")).ok().filter(|value| !value.is_empty())
}

fn credentials() -> Result<NatsCredentials, TransportError> {
    let invalid = |reason: &str| TransportError::invalid_input("credentials", reason);
    let mut given = Vec::new();
    given.extend(variable("TOKEN").map(NatsCredentials::token));
    match (variable("USER"), variable("PASSWORD")) {
        (Some(user), Some(password)) => given.push(NatsCredentials::user_password(user, password)),
        (None, None) => {}
        _ => return Err(invalid("SEALMQ_NATS_USER and SEALMQ_NATS_PASSWORD go together")),
    }
    given.extend(variable("NKEY_SEED").map(NatsCredentials::nkey_seed));
    given.extend(variable("CREDS_FILE").map(NatsCredentials::file));
    if given.len() > 1 {
        return Err(invalid("the environment has more than one kind"));
    }
    Ok(given.pop().unwrap_or_else(NatsCredentials::none))
}

#[async_trait]
impl Broker for NatsBroker {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn describe(&self) -> String {
        format!("NATS JetStream at {}", self.url)
    }

    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(NatsTransport::connect(&self.config).await?))
    }

    async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        let transport = NatsTransport::connect(&self.config).await?;
        let settings = NatsQueueSettings::default()
            .with_duplicate_window(DUPLICATE_WINDOW)
            .with_storage(NatsStorage::Memory);
        transport.create_queue(queue, &settings).await?;
        transport.close().await
    }

    async fn remove_queue(&self, queue: &str) -> Result<(), TransportError> {
        let transport = NatsTransport::connect(&self.config).await?;
        transport.delete_queue(queue).await?;
        transport.close().await
    }

    fn how_to_create(&self, _queue: &str) -> String {
        "leave out --queues: the demo makes queues of its own".to_owned()
    }
}
