//! Names of queues: what SQS allows, and where dead letters go.

use sealmq_queue_core::TransportError;

use crate::config::QueueType;

const FIFO_SUFFIX: &str = ".fifo";

/// With the suffix `.fifo`.
const MAX_NAME_BYTES: usize = 80;

/// Checks a queue's name, and that the queue is of the transport's type.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
///
/// # Errors
/// `InvalidInput` for `queue`.
pub(crate) fn check(queue: &str, queue_type: QueueType) -> Result<(), TransportError> {
    let invalid = |reason: &str| Err(TransportError::invalid_input("queue", reason));
    let base = queue.strip_suffix(FIFO_SUFFIX);
    match (queue_type, base) {
        (QueueType::Standard, Some(_)) => {
            return invalid("a FIFO queue needs a transport of queue type FIFO");
        }
        (QueueType::Fifo, None) => {
            return invalid("a transport of queue type FIFO needs names that end in .fifo");
        }
        _ => {}
    }
    let base = base.unwrap_or(queue);
    if base.is_empty() || queue.len() > MAX_NAME_BYTES || !base.bytes().all(is_name_byte) {
        return invalid("names are 1 to 80 of A-Z a-z 0-9 _ -, a suffix .fifo included");
    }
    Ok(())
}

pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The name of a queue's dead-letter queue where no redrive policy says otherwise: the suffix goes
/// before `.fifo`.
pub(crate) fn dead_letter(queue: &str, suffix: &str) -> String {
    match queue.strip_suffix(FIFO_SUFFIX) {
        Some(base) => format!("{base}{suffix}{FIFO_SUFFIX}"),
        None => format!("{queue}{suffix}"),
    }
}

/// Account and name of the queue of an ARN: `arn:partition:sqs:region:account:name`.
pub(crate) fn from_arn(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    (scheme == "arn" && service == "sqs" && !name.is_empty()).then_some((account, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_decides_the_type() {
        assert!(check("orders", QueueType::Standard).is_ok());
        assert!(check("orders.fifo", QueueType::Fifo).is_ok());
        assert!(check("orders", QueueType::Fifo).is_err());
        assert!(check("orders.fifo", QueueType::Standard).is_err());
    }

    #[test]
    fn names_are_checked_before_any_request() {
        let longest = "n".repeat(80);
        assert!(check(&longest, QueueType::Standard).is_ok());
        let bad = ["", "a b", "a.b", "ä", "a/b", "https://host/1/q", &format!("{longest}n")];
        for name in bad {
            assert!(check(name, QueueType::Standard).is_err(), "{name}");
        }
        assert!(check(".fifo", QueueType::Fifo).is_err());
        assert!(check(&format!("{}.fifo", "n".repeat(75)), QueueType::Fifo).is_ok());
        assert!(check(&format!("{}.fifo", "n".repeat(76)), QueueType::Fifo).is_err());
    }

    #[test]
    fn dead_letter_queues_are_of_the_same_type() {
        assert_eq!(dead_letter("orders", "-dlq"), "orders-dlq");
        assert_eq!(dead_letter("orders.fifo", "-dlq"), "orders-dlq.fifo");
    }

    #[test]
    fn an_arn_names_account_and_queue() {
        let arn = "arn:aws:sqs:eu-central-1:123456789012:orders-dlq.fifo";
        assert_eq!(from_arn(arn), Some(("123456789012", "orders-dlq.fifo")));
        assert_eq!(from_arn("arn:aws:sns:eu-central-1:123456789012:topic"), None);
        assert_eq!(from_arn("orders-dlq"), None);
    }
}
