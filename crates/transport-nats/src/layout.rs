//! How queues are laid out on the server: one subject, or ordered groups in partitions.
//!
//! A queue of ordered groups stores a message under `<subject>.<partition>.<session id>`. Each
//! partition has a consumer that lets one message be in flight: whatever becomes of it, what comes
//! next is what was stored next. Groups of one partition wait for each other, others do not.

use std::collections::HashMap;

use sealmq_queue_core::TransportError;

use crate::names::{QueueNames, encode};

/// Where a consumer keeps how many partitions its queue has.
const PARTITIONS: &str = "sealmq-partitions";

/// The most partitions of a queue: each is a consumer, and a request of each receiver that waits.
pub(crate) const MOST_PARTITIONS: u16 = 64;

/// How a queue is laid out on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One subject and one consumer; session ids are metadata.
    Plain,
    /// A subject for each session id, in so many partitions.
    Groups(u16),
}

impl Layout {
    /// The layout that was asked for.
    pub(crate) fn new(partitions: Option<u16>) -> Self {
        partitions.map_or(Self::Plain, Self::Groups)
    }

    /// The layout that the first consumer of a queue tells.
    pub(crate) fn of(metadata: &HashMap<String, String>) -> Self {
        let partitions = metadata.get(PARTITIONS).and_then(|text| text.parse::<u16>().ok());
        Self::new(partitions.filter(|count| (1..=MOST_PARTITIONS).contains(count)))
    }

    /// What the first consumer is told to tell.
    pub(crate) fn metadata(self) -> Option<(String, String)> {
        match self {
            Self::Plain => None,
            Self::Groups(partitions) => Some((PARTITIONS.to_owned(), partitions.to_string())),
        }
    }

    pub(crate) fn partitions(self) -> u16 {
        match self {
            Self::Plain => 1,
            Self::Groups(partitions) => partitions,
        }
    }

    /// The subject of a message.
    ///
    /// # Errors
    /// `InvalidInput` for `session_id`, if there must be one.
    pub(crate) fn subject(
        self,
        names: &QueueNames,
        session_id: Option<&str>,
    ) -> Result<String, TransportError> {
        let Self::Groups(partitions) = self else {
            return Ok(names.subject.clone());
        };
        let session_id = session_id.filter(|id| !id.is_empty()).ok_or_else(missing_session_id)?;
        let partition = partition(session_id, partitions);
        Ok(format!("{}.{partition}.{}", names.subject, encode(session_id)))
    }

    /// All subjects of messages.
    pub(crate) fn subjects(self, names: &QueueNames) -> String {
        match self {
            Self::Plain => names.subject.clone(),
            Self::Groups(_) => format!("{}.*.*", names.subject),
        }
    }

    /// The subjects that a partition's consumer hands out.
    pub(crate) fn filter(self, names: &QueueNames, partition: u16) -> String {
        match self {
            Self::Plain => names.subject.clone(),
            Self::Groups(_) => format!("{}.{partition}.*", names.subject),
        }
    }
}

/// The name of a partition's consumer. The first has the name that a plain queue's has.
pub(crate) fn consumer(name: &str, partition: u16) -> String {
    match partition {
        0 => name.to_owned(),
        _ => format!("{name}-{partition}"),
    }
}

pub(crate) fn missing_session_id() -> TransportError {
    TransportError::invalid_input("session_id", "the queue is one of ordered groups")
}

/// The partition of a session id, the same for every sender: FNV-1a over its bytes.
fn partition(session_id: &str, partitions: u16) -> u64 {
    let hash = session_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % u64::from(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> QueueNames {
        QueueNames::new("orders", "sealmq-", "sealmq").unwrap()
    }

    #[test]
    fn a_session_has_one_subject_that_its_partitions_consumer_hands_out() {
        let layout = Layout::Groups(8);
        for session in ["a", "b", "customer 17", "größe", "*", "a.b"] {
            let subject = layout.subject(&names(), Some(session)).unwrap();
            assert_eq!(layout.subject(&names(), Some(session)).unwrap(), subject);
            let filters: Vec<_> = (0..8).map(|p| layout.filter(&names(), p)).collect();
            let fits = |filter: &&String| subject.starts_with(filter.trim_end_matches('*'));
            assert_eq!(filters.iter().filter(fits).count(), 1, "{subject}");
            assert_eq!(subject.split('.').count(), layout.subjects(&names()).split('.').count());
        }
    }

    #[test]
    fn partitions_are_what_they_were_in_earlier_versions() {
        assert_eq!(partition("a", 8), 4);
        assert_eq!(partition("b", 8), 5);
        assert_eq!(partition("customer 17", 64), partition("customer 17", 64));
    }

    #[test]
    fn a_group_needs_a_session_id_and_a_plain_queue_does_not() {
        assert!(Layout::Groups(8).subject(&names(), None).is_err());
        assert!(Layout::Groups(8).subject(&names(), Some("")).is_err());
        assert_eq!(Layout::Plain.subject(&names(), None).unwrap(), names().subject);
    }

    #[test]
    fn a_layout_is_read_back_from_what_it_tells() {
        for layout in [Layout::Plain, Layout::Groups(1), Layout::Groups(64)] {
            assert_eq!(Layout::of(&layout.metadata().into_iter().collect()), layout);
        }
        for text in ["0", "65", "many"] {
            let metadata = HashMap::from([(PARTITIONS.to_owned(), text.to_owned())]);
            assert_eq!(Layout::of(&metadata), Layout::Plain);
        }
    }
}
