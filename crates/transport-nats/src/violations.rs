//! What the server forbade: it says so apart from the call, which just gets no answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::time::Instant;

/// As many as can matter to calls that wait at the same time.
const MOST: usize = 64;

/// The latest violations of permissions on a connection.
#[derive(Default)]
pub(crate) struct Violations(Mutex<VecDeque<Violation>>);

struct Violation {
    at: Instant,
    /// The subject of a publish; a refused subscription concerns every call.
    published_to: Option<String>,
}

impl Violations {
    /// Takes note of an error message of the server, if it is about permissions:
    /// `Permissions Violation for Publish to "subject"`.
    pub(crate) fn note(&self, message: &str) {
        let Some((_, what)) = message.split_once("ermissions Violation for ") else {
            return;
        };
        let subject = what.split('"').nth(1).unwrap_or_default();
        let published_to = what.starts_with("Publish").then(|| subject.to_owned());
        let mut violations = self.lock();
        if violations.len() == MOST {
            violations.pop_front();
        }
        violations.push_back(Violation { at: Instant::now(), published_to });
    }

    /// The error of a call to `subject` that got no answer since it was made: `Denied`, if the
    /// server has forbidden it, or else the error as it is.
    pub(crate) fn explain(
        &self,
        error: TransportError,
        subject: &str,
        since: Instant,
    ) -> TransportError {
        if *error.kind() == TransportErrorKind::Unavailable && self.forbid(subject, since) {
            return denied(subject).with_source(error);
        }
        error
    }

    /// Whether the server has forbidden something to a call to `subject` since it was made.
    pub(crate) fn forbid(&self, subject: &str, since: Instant) -> bool {
        self.lock().iter().any(|violation| {
            violation.at >= since
                && violation.published_to.as_deref().is_none_or(|forbidden| forbidden == subject)
        })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Violation>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The error of a call that the server has forbidden.
pub(crate) fn denied(subject: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Denied, format!("no permission for {subject}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(messages: &[&str], subject: &str) -> TransportErrorKind {
        let violations = Violations::default();
        let since = Instant::now();
        for message in messages {
            violations.note(message);
        }
        let error = TransportError::new(TransportErrorKind::Unavailable, "sending");
        violations.explain(error, subject, since).kind().clone()
    }

    #[test]
    fn a_call_that_was_forbidden_is_denied() {
        let publish = r#"Permissions Violation for Publish to "sealmq.queue.a""#;
        assert_eq!(explained(&[publish], "sealmq.queue.a"), TransportErrorKind::Denied);
        assert_eq!(explained(&[publish], "sealmq.queue.b"), TransportErrorKind::Unavailable);
        let subscription = r#"Permissions Violation for Subscription to "_INBOX.1.*""#;
        assert_eq!(explained(&[subscription], "any"), TransportErrorKind::Denied);
        assert_eq!(explained(&["Stale Connection"], "any"), TransportErrorKind::Unavailable);
    }

    #[test]
    fn what_was_forbidden_before_says_nothing() {
        let violations = Violations::default();
        violations.note(r#"Permissions Violation for Publish to "a""#);
        let since = Instant::now() + std::time::Duration::from_millis(1);
        let error = TransportError::new(TransportErrorKind::Unavailable, "sending");
        let error = violations.explain(error, "a", since);
        assert_eq!(error.kind(), &TransportErrorKind::Unavailable);
    }
}
