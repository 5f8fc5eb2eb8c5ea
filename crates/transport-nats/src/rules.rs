//! What a consumer says about deliveries, and whether it is one to receive from.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config as ConsumerConfig};
use sealmq_queue_core::TransportError;

/// Where a consumer keeps the limit of deliveries that the adapters enforce.
pub(crate) const MAX_DELIVERIES: &str = "sealmq-max-deliveries";

/// What a consumer that this adapter can use says about deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryRules {
    /// How long a delivery is locked.
    pub(crate) ack_wait: Duration,
    /// The number of deliveries from which on a message is not handed out any more.
    pub(crate) too_many: Option<i64>,
}

impl DeliveryRules {
    /// The rules of a consumer, if it is one to receive from with locks.
    ///
    /// # Errors
    /// `InvalidInput` for `queue`: the consumer was made for something else.
    pub(crate) fn of(config: &ConsumerConfig, subject: &str) -> Result<Self, TransportError> {
        let fits = config.ack_policy == AckPolicy::Explicit
            && config.deliver_subject.is_none()
            && (config.filter_subject == subject || config.filter_subject.is_empty());
        if !fits {
            let reason = "its consumer is no pull consumer with explicit acknowledgement";
            return Err(TransportError::invalid_input("queue", reason));
        }
        let ours = config.metadata.get(MAX_DELIVERIES).and_then(|text| text.parse::<i64>().ok());
        // A limit of the server's own keeps the last delivery for dead-lettering: there is no more.
        let servers = (config.max_deliver > 0).then_some(config.max_deliver);
        let too_many = match (ours.map(|limit| limit.saturating_add(1)), servers) {
            (Some(ours), Some(servers)) => Some(ours.min(servers)),
            (ours, servers) => ours.or(servers),
        };
        Ok(Self { ack_wait: config.ack_wait, too_many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> ConsumerConfig {
        ConsumerConfig {
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(30),
            filter_subject: "q".into(),
            max_deliver: -1,
            ..ConsumerConfig::default()
        }
    }

    fn too_many(ours: Option<&str>, servers: i64) -> Option<i64> {
        let mut config = ConsumerConfig { max_deliver: servers, ..consumer() };
        config.metadata.extend(ours.map(|limit| (MAX_DELIVERIES.to_owned(), limit.to_owned())));
        DeliveryRules::of(&config, "q").unwrap().too_many
    }

    #[test]
    fn the_last_delivery_the_server_makes_is_kept_for_dead_lettering() {
        assert_eq!(too_many(None, -1), None);
        assert_eq!(too_many(Some("3"), -1), Some(4));
        assert_eq!(too_many(None, 5), Some(5));
        assert_eq!(too_many(Some("3"), 5), Some(4));
        assert_eq!(too_many(Some("9"), 5), Some(5));
        assert_eq!(too_many(Some("many"), -1), None);
    }

    #[test]
    fn a_consumer_made_for_something_else_is_refused() {
        let others = [
            ConsumerConfig { ack_policy: AckPolicy::None, ..consumer() },
            ConsumerConfig { deliver_subject: Some("push".into()), ..consumer() },
            ConsumerConfig { filter_subject: "other".into(), ..consumer() },
        ];
        for config in others {
            assert!(DeliveryRules::of(&config, "q").is_err());
        }
        let unfiltered = ConsumerConfig { filter_subject: String::new(), ..consumer() };
        assert!(DeliveryRules::of(&unfiltered, "q").is_ok());
    }
}
