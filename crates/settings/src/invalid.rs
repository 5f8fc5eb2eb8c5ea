//! The one error of settings.

use std::error::Error;
use std::fmt;

/// A setting that is missing, or is not what it has to be. It never repeats the value.
#[derive(Debug)]
pub struct InvalidSetting {
    /// The name of its variable, or of the field in code.
    pub variable: &'static str,
    /// What is wrong with it, as a clause.
    pub reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl InvalidSetting {
    /// This variable or field, refused for this reason.
    pub fn new(variable: &'static str, reason: impl Into<String>) -> Self {
        Self { variable, reason: reason.into(), source: None }
    }

    /// The same, with what is behind it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Takes out what is behind it, for an error of another type.
    pub fn take_source(&mut self) -> Option<Box<dyn Error + Send + Sync>> {
        self.source.take()
    }
}

/// What is behind it is not compared.
impl PartialEq for InvalidSetting {
    fn eq(&self, other: &Self) -> bool {
        (self.variable, &self.reason) == (other.variable, &other.reason)
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.variable, self.reason)
    }
}

impl Error for InvalidSetting {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
