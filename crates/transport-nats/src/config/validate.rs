//! What a configuration must be like, checked before anything is dialled.

use async_nats::ServerAddr;
use sealmq_queue_core::TransportError;

use super::{NatsConfig, NatsProvisioning};
use crate::names::is_plain;

impl NatsConfig {
    /// Checks every field, without any I/O.
    ///
    /// # Errors
    /// `InvalidInput` with the field to mend, permanent.
    pub fn validate(&self) -> Result<(), TransportError> {
        self.server_addresses()?;
        self.credentials.validate()?;
        self.tls.validate()?;
        let plain = [
            ("consumer_name", self.consumer.as_str()),
            ("queue_group", &self.queue_group),
            ("domain", self.domain.as_deref().unwrap_or("unset")),
            (
                "stream_prefix",
                if self.stream_prefix.is_empty() { "-" } else { &self.stream_prefix },
            ),
        ];
        let spoilt = plain.into_iter().find(|(_, name)| !is_plain(name) || name.len() > 32);
        if let Some((field, _)) = spoilt {
            let reason = "1 to 32 letters, digits, - and _";
            return Err(TransportError::invalid_input(field, reason));
        }
        if !self.subject_prefix.split('.').all(is_plain) {
            let reason = "letters, digits, - and _, in parts joined by dots";
            return Err(TransportError::invalid_input("subject_prefix", reason));
        }
        let zeros = [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("request_timeout", self.request_timeout.is_zero()),
            ("subscription_capacity", self.subscription_capacity == 0),
        ];
        if let Some((field, _)) = zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(TransportError::invalid_input(field, "must not be zero"));
        }
        match &self.provisioning {
            NatsProvisioning::Existing => Ok(()),
            NatsProvisioning::OnDemand(settings) => settings.validate(),
        }
    }

    /// The servers, parsed. Errors do not repeat the URL: it may hold a password.
    pub(crate) fn server_addresses(&self) -> Result<Vec<ServerAddr>, TransportError> {
        let parse = |url: &String| {
            let invalid = |reason: &str| TransportError::invalid_input("url", reason);
            let address: ServerAddr = url.parse().map_err(|_| invalid("is no URL of NATS"))?;
            if address.has_user_pass() || address.password().is_some() {
                return Err(invalid("holds credentials; give them with `with_credentials`"));
            }
            if address.is_websocket() || address.host().is_empty() {
                return Err(invalid("must be nats://host:port or tls://host:port"));
            }
            Ok(address)
        };
        self.urls.iter().map(parse).collect()
    }
}
