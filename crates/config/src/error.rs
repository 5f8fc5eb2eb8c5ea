//! The one error of a configuration: where in the file, and why.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What is wrong with a configuration, or with what it leads to.
///
/// `Display` is one clause that begins with the path of the setting. It never repeats a value of
/// the file nor one of its lines.
#[derive(Clone)]
pub struct ConfigError {
    path: String,
    line: Option<usize>,
    reason: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, reason: reason.into(), source: None }
    }

    pub(crate) fn at(mut self, line: impl Into<Option<usize>>) -> Self {
        self.line = line.into();
        self
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The setting or table, such as `keys[1].token_file`; empty for the file as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line of the file, from 1, where one is at fault.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong, as a clause.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigError")
            .field("path", &self.path)
            .field("line", &self.line)
            .field("reason", &self.reason)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
