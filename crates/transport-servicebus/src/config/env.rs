//! The configuration from settings: the environment, or a configuration file.

use sealmq_queue_core::TransportError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::{TlsConfig, tls_settings};

use super::ServiceBusConfig;

const CONNECTION_STRING: &str = "SEALMQ_SERVICEBUS_CONNECTION_STRING";
const MAX_MESSAGE_BYTES: &str = "SEALMQ_SERVICEBUS_MAX_MESSAGE_BYTES";
const MAX_DELIVERIES: &str = "SEALMQ_SERVICEBUS_MAX_DELIVERIES";
const CONNECT_TIMEOUT: &str = "SEALMQ_SERVICEBUS_CONNECT_TIMEOUT_MS";
const OPERATION_TIMEOUT: &str = "SEALMQ_SERVICEBUS_OPERATION_TIMEOUT_MS";

const TLS: [Setting; 5] = tls_settings!("SEALMQ_SERVICEBUS_");

impl ServiceBusConfig {
    /// The settings that [`ServiceBusConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(
                CONNECTION_STRING,
                Kind::Secret,
                "the connection string of the namespace or of an entity; required",
            ),
            Setting::new(
                MAX_MESSAGE_BYTES,
                Kind::Number,
                "the size of message that the tier allows; 262144",
            ),
            Setting::new(
                MAX_DELIVERIES,
                Kind::Number,
                "deliveries after which what would be held back is dead-lettered: the MaxDeliveryCount of the queues; 10",
            ),
            Setting::new(CONNECT_TIMEOUT, Kind::Milliseconds, "for a connection; 15000"),
            Setting::new(OPERATION_TIMEOUT, Kind::Milliseconds, "for an answer; 30000"),
        ],
        &TLS,
    ];

    /// The configuration from the environment: [`ServiceBusConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable that is missing or the field that is wrong.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`ServiceBusConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`ServiceBusConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, TransportError> {
        let string = settings.required(CONNECTION_STRING)?;
        let mut config = Self::from_connection_string(&string)?;
        config.read(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read(&mut self, settings: &Settings<'_>) -> Result<(), InvalidSetting> {
        let tls = TlsConfig::from_settings(settings, &TLS)?;
        // An emulator has no TLS, and gets none for the authorities that a machine trusts.
        if self.tls.is_some() || !tls.is_default() {
            self.tls = Some(tls);
        }
        self.max_message_bytes =
            settings.number(MAX_MESSAGE_BYTES)?.unwrap_or(self.max_message_bytes);
        self.max_deliveries = settings.number(MAX_DELIVERIES)?.or(self.max_deliveries);
        for (variable, timeout) in [
            (CONNECT_TIMEOUT, &mut self.connect_timeout),
            (OPERATION_TIMEOUT, &mut self.operation_timeout),
        ] {
            *timeout = settings.milliseconds(variable)?.unwrap_or(*timeout);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMULATOR: &str = "Endpoint=sb://localhost;SharedAccessKeyName=root;SharedAccessKey=k;\
                            UseDevelopmentEmulator=true";

    fn from(values: &[(&str, &str)]) -> Result<ServiceBusConfig, TransportError> {
        ServiceBusConfig::from_settings(&Settings::from_lookup(|variable| {
            let name = variable.strip_prefix("SEALMQ_SERVICEBUS_")?;
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn everything_can_come_from_the_environment() {
        let string = EMULATOR.strip_suffix(";UseDevelopmentEmulator=true").unwrap();
        let plain = from(&[("CONNECTION_STRING", EMULATOR)]).unwrap();
        assert!(plain.tls.is_none());
        let config = from(&[
            ("CONNECTION_STRING", string),
            ("ROOT_CA", "/ca.pem"),
            ("MAX_MESSAGE_BYTES", "1048576"),
            ("MAX_DELIVERIES", "77"),
            ("OPERATION_TIMEOUT_MS", "7000"),
        ]);
        let shown = format!("{:?}", config.unwrap());
        for part in ["/ca.pem", "1048576", "Some(77)", "7s"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let string = ("CONNECTION_STRING", EMULATOR);
        let table = [
            (vec![], "SEALMQ_SERVICEBUS_CONNECTION_STRING: is not set"),
            (vec![string, ("CLIENT_CERT", "/c")], "SEALMQ_SERVICEBUS_CLIENT_KEY: "),
            (vec![string, ("CONNECT_TIMEOUT_MS", "soon")], "SEALMQ_SERVICEBUS_CONNECT_TIMEOUT_MS"),
            (vec![string, ("MAX_MESSAGE_BYTES", "1")], "max_message_bytes: "),
            (vec![string, ("MAX_DELIVERIES", "0")], "max_deliveries: "),
        ];
        for (values, says) in table {
            let error = from(&values).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {says}")), "{error}");
        }
    }
}
