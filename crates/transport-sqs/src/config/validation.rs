//! Which configurations are acceptable.

use sealmq_queue_core::TransportError;

use super::{MAX_POLL_WAIT, SqsConfig};
use crate::names;

impl SqsConfig {
    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), TransportError> {
        self.connection.validate()?;
        let checks = [
            ("queue_owner", "is 12 digits", self.queue_owner.as_deref().is_none_or(is_account)),
            (
                "dead_letter_suffix",
                "is 1 to 40 of A-Z a-z 0-9 _ -",
                is_suffix(&self.dead_letter_suffix),
            ),
            ("poll_wait", "is 20 s at most", self.poll_wait <= MAX_POLL_WAIT),
        ];
        match checks.into_iter().find(|(_, _, valid)| !valid) {
            Some((field, reason, _)) => Err(TransportError::invalid_input(field, reason)),
            None => Ok(()),
        }
    }
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_suffix(suffix: &str) -> bool {
    (1..=40).contains(&suffix.len()) && suffix.bytes().all(names::is_name_byte)
}
