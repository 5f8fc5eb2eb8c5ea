//! The configuration from settings: the environment, or a configuration file.

use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};

use super::NatsReplayConfig;
use crate::error::NatsReplayError;

const BUCKET: &str = "SEALMQ_NATS_REPLAY_BUCKET";
const MAX_AGE: &str = "SEALMQ_NATS_REPLAY_MAX_AGE_S";
const REPLICAS: &str = "SEALMQ_NATS_REPLAY_REPLICAS";
const MAX_BYTES: &str = "SEALMQ_NATS_REPLAY_MAX_BYTES";
const MAKE_BUCKET: &str = "SEALMQ_NATS_REPLAY_MAKE_BUCKET";

impl NatsReplayConfig {
    /// The settings that [`NatsReplayConfig::from_env`] reads. The connection is not among them:
    /// its owner has settings of its own.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(BUCKET, Kind::Text, "the bucket, one for each group of consumers; required"),
        Setting::new(
            MAX_AGE,
            Kind::Seconds,
            "how long a nonce is remembered; as long as the policy needs",
        ),
        Setting::new(REPLICAS, Kind::Number, "how many servers keep the bucket, 1 to 5; 1"),
        Setting::new(MAX_BYTES, Kind::Number, "the limit of a bucket that is made; the account's"),
        Setting::new(MAKE_BUCKET, Kind::Flag, "makes a bucket that does not exist; true"),
    ]];

    /// The configuration from the environment: [`NatsReplayConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_env() -> Result<Self, NatsReplayError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`NatsReplayConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, NatsReplayError> {
        let config = Self::read(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let mut config = Self::new(settings.required(BUCKET)?);
        config.max_age = settings.seconds(MAX_AGE)?.unwrap_or(config.max_age);
        config.replicas = settings.number(REPLICAS)?.unwrap_or(config.replicas);
        config.max_bytes = settings.number(MAX_BYTES)?;
        config.make_bucket = settings.flag(MAKE_BUCKET)?.unwrap_or(config.make_bucket);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::NatsReplayErrorKind;

    fn from(values: &[(&str, &str)]) -> Result<NatsReplayConfig, NatsReplayError> {
        NatsReplayConfig::from_settings(&Settings::from_lookup(|asked| {
            let name = asked.strip_prefix("SEALMQ_NATS_REPLAY_").unwrap();
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn everything_can_come_from_the_environment() {
        let all = [
            ("BUCKET", "orders"),
            ("MAX_AGE_S", "3600"),
            ("REPLICAS", "3"),
            ("MAX_BYTES", "1000000"),
            ("MAKE_BUCKET", "false"),
        ];
        let expected = NatsReplayConfig::new("orders")
            .with_max_age(Duration::from_secs(3600))
            .with_replicas(3)
            .with_max_bytes(1_000_000)
            .with_existing_bucket();
        assert_eq!(from(&all).unwrap(), expected);
        assert_eq!(from(&all[..1]).unwrap(), NatsReplayConfig::new("orders"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bucket = ("BUCKET", "orders");
        let bad: [(&[(&str, &str)], &str); 6] = [
            (&[], BUCKET),
            (&[("BUCKET", "a.b")], "bucket"),
            (&[bucket, ("MAX_AGE_S", "1.5")], MAX_AGE),
            (&[bucket, ("REPLICAS", "6")], "replicas"),
            (&[bucket, ("MAX_BYTES", "-1")], MAX_BYTES),
            (&[bucket, ("MAKE_BUCKET", "yes")], MAKE_BUCKET),
        ];
        for (values, field) in bad {
            let error = from(values).unwrap_err();
            assert_eq!(error.kind(), &NatsReplayErrorKind::InvalidInput { field }, "{error}");
        }
    }
}
