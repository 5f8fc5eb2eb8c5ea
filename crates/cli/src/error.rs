//! The one error of the program: what to print, and the exit code.

use std::error::Error;
use std::fmt;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) struct CliError {
    exit_code: u8,
    message: String,
    source: Option<Box<dyn Error>>,
    advice: Option<String>,
}

impl CliError {
    /// The command line or an input is at fault; nothing was done.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: 2, message: message.into(), source: None, advice: None }
    }

    /// The command ran, and the answer is bad.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit_code: 1, message: message.into(), source: None, advice: None }
    }

    /// The same error with its cause behind it.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with what may be done about it, on a line of its own.
    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// 1 or 2, as the help says.
    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// The message and its causes, one after the other.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}
