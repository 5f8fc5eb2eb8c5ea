//! Queue names in NATS's terms: the streams and subjects of a queue.

use sealmq_queue_core::TransportError;

/// Longest encoded name: streams are folders on the server, and file names end at 255 bytes.
const MAX_ENCODED_BYTES: usize = 200;

/// What a queue is called on the server.
///
/// Letters, digits, `-` and `_` stand for themselves; every other byte of the UTF-8 name becomes
/// `%` and two upper-case hexadecimal digits, so that `eu/orders.v2` is `eu%2Forders%2Ev2`. What
/// the names are made of otherwise (`.`, `=`) cannot come out of that, so no two queues meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueNames {
    /// The queue as users call it.
    pub(crate) queue: String,
    /// The stream that stores the queue: prefix and encoded name.
    pub(crate) stream: String,
    /// The subject that messages are sent to.
    pub(crate) subject: String,
    /// The stream that stores the dead letters.
    pub(crate) dead_stream: String,
    /// The subject that dead letters are sent to.
    pub(crate) dead_subject: String,
    /// Below this subject the queue's stream keeps the messages that are held back.
    pub(crate) schedules: String,
}

impl QueueNames {
    /// The names of a queue under these prefixes.
    ///
    /// # Errors
    /// `InvalidInput` for `queue` when the name is empty or too long.
    pub(crate) fn new(
        queue: &str,
        stream_prefix: &str,
        subject_prefix: &str,
    ) -> Result<Self, TransportError> {
        let encoded = encode_queue(queue)?;
        Ok(Self {
            queue: queue.to_owned(),
            stream: format!("{stream_prefix}{encoded}"),
            subject: format!("{subject_prefix}.queue.{encoded}"),
            dead_stream: format!("{stream_prefix}{encoded}=dead"),
            dead_subject: format!("{subject_prefix}.dead.{encoded}"),
            schedules: format!("{subject_prefix}.schedule.{encoded}"),
        })
    }
}

/// The encoded name of a queue.
///
/// # Errors
/// `InvalidInput` for `queue` when the name is empty or too long.
pub(crate) fn encode_queue(queue: &str) -> Result<String, TransportError> {
    let encoded = encode(queue);
    if encoded.is_empty() || encoded.len() > MAX_ENCODED_BYTES {
        let reason = format!("1 to {MAX_ENCODED_BYTES} bytes once encoded");
        return Err(TransportError::invalid_input("queue", reason));
    }
    Ok(encoded)
}

/// Whether a name needs no encoding: what prefixes, consumers and queue groups are made of.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(stands_for_itself)
}

fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A name as one token of a subject.
pub(crate) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if stands_for_itself(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::percent;

    fn names(queue: &str) -> QueueNames {
        QueueNames::new(queue, "sealmq-", "sealmq").unwrap()
    }

    #[test]
    fn plain_names_stand_for_themselves() {
        let names = names("orders_EU-1");
        assert_eq!(names.stream, "sealmq-orders_EU-1");
        assert_eq!(names.subject, "sealmq.queue.orders_EU-1");
        assert_eq!(names.dead_stream, "sealmq-orders_EU-1=dead");
    }

    #[test]
    fn every_name_can_be_told_from_what_it_became() {
        for queue in ["eu/orders.v2", "a b", "*", ">", "größe", "50%", "%2F", "a\\b", "日本", "="]
        {
            let encoded = encode(queue);
            assert!(encoded.bytes().all(|b| stands_for_itself(b) || b == b'%'), "{encoded}");
            assert_eq!(percent::decode(&encoded), queue);
        }
    }

    #[test]
    fn no_two_queues_share_a_stream_or_a_subject() {
        let queues = ["a", "A", "a.dead", "a=dead", "dead", "queue", "a.schedule", "schedule.a"];
        let mut seen = BTreeSet::new();
        for queue in queues {
            let n = names(queue);
            for name in [n.stream, n.dead_stream, n.subject, n.dead_subject, n.schedules] {
                assert!(seen.insert(name.clone()), "{name}");
            }
        }
    }

    #[test]
    fn empty_and_endless_names_are_refused() {
        for queue in [String::new(), "q".repeat(201), "%".repeat(67)] {
            assert!(QueueNames::new(&queue, "sealmq-", "sealmq").is_err());
        }
        assert!(QueueNames::new(&"q".repeat(200), "sealmq-", "sealmq").is_ok());
    }
}
