//! Names of queues, topics and subscriptions, and the addresses made of them.

use std::fmt;

use sealmq_queue_core::{Source, TransportError};

/// The longest path of an entity ("Service Bus quotas").
const MAX_PATH_CHARACTERS: usize = 260;
const DEAD_LETTERS: &str = "/$deadletterqueue";
const SUBSCRIPTIONS: &str = "/subscriptions/";

/// A queue, a topic, a subscription, or the dead-letter queue of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entity {
    path: String,
    is_dead_letter: bool,
}

impl Entity {
    /// The queue, topic or `topic/Subscriptions/name` of this path.
    pub(crate) fn parse(path: &str) -> Result<Self, TransportError> {
        let reason = if path.is_empty() || path.starts_with('/') || path.ends_with('/') {
            "must not be empty and neither begin nor end with a slash"
        } else if path.chars().count() > MAX_PATH_CHARACTERS {
            "at most 260 characters"
        } else if path.chars().any(|c| c.is_control() || c.is_whitespace() || "?#@\\*$".contains(c))
        {
            "holds a space, a control character or one of ? # @ \\ * $"
        } else {
            return Ok(Self { path: path.to_owned(), is_dead_letter: false });
        };
        Err(TransportError::invalid_input("queue", reason))
    }

    /// The entity that a source reads from.
    pub(crate) fn of_source(source: &Source) -> Result<Self, TransportError> {
        let entity = Self::parse(source.queue_name())?;
        let is_dead_letter = matches!(source, Source::DeadLetter(_));
        Ok(Self { is_dead_letter, ..entity })
    }

    /// The dead-letter queue of this entity.
    pub(crate) fn dead_letters(&self) -> Self {
        Self { path: self.path.clone(), is_dead_letter: true }
    }

    pub(crate) fn is_dead_letter(&self) -> bool {
        self.is_dead_letter
    }

    pub(crate) fn is_subscription(&self) -> bool {
        self.path.to_ascii_lowercase().contains(SUBSCRIPTIONS)
    }

    /// The path without its dead-letter queue: what a token is put for.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where links to the entity attach.
    pub(crate) fn address(&self) -> String {
        let suffix = if self.is_dead_letter { DEAD_LETTERS } else { "" };
        format!("{}{suffix}", self.path)
    }

    /// Where requests about the entity go.
    pub(crate) fn management_address(&self) -> String {
        format!("{}/$management", self.address())
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.is_dead_letter { "/dead-letter" } else { "" };
        write!(f, "{}{suffix}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_service() {
        let queue = Entity::of_source(&Source::queue("orders")).unwrap();
        assert_eq!(queue.address(), "orders");
        assert_eq!(queue.management_address(), "orders/$management");
        let dead = Entity::of_source(&Source::dead_letter("t/Subscriptions/s")).unwrap();
        assert_eq!(dead.address(), "t/Subscriptions/s/$deadletterqueue");
        assert_eq!(dead.path(), "t/Subscriptions/s");
        assert!(dead.is_subscription() && dead.is_dead_letter());
        assert_eq!(queue.dead_letters().address(), "orders/$deadletterqueue");
    }

    #[test]
    fn paths_that_cannot_be_are_refused() {
        for path in ["", "/q", "q/", "a b", "q\n", "q/$management", "q?x", &"q".repeat(261)] {
            let error = Entity::parse(path).unwrap_err();
            assert!(error.to_string().starts_with("invalid queue"), "{path}: {error}");
        }
    }
}
