//! A call that was not answered.

use std::error::Error;
use std::fmt;

/// That there is no answer, or none that can be taken. Of a kind that no policy of the SDK retries.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) reason: String,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for NoAnswer {}
