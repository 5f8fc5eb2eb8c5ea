//! One setting: its name, what it looks like, what it is about.

/// What a value looks like.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of any kind.
    Text,
    /// Text that must be shown to nobody.
    Secret,
    /// The path of a file.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A whole number of milliseconds.
    Milliseconds,
    /// A whole number of seconds.
    Seconds,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Values separated by commas.
    List,
}

/// A setting of an adapter, by the name of its environment variable.
#[non_exhaustive]
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The whole name of the variable, such as `SEALMQ_NATS_URL`.
    pub variable: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// What it sets, as a phrase, with its default.
    pub about: &'static str,
}

impl Setting {
    /// A setting of this kind.
    pub const fn new(variable: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { variable, kind, about }
    }

    /// Its name behind a prefix, in lower case: `url` of `SEALMQ_NATS_URL` behind `SEALMQ_NATS_`.
    /// The whole name where it does not begin with the prefix.
    pub fn key(&self, prefix: &str) -> String {
        self.variable.strip_prefix(prefix).unwrap_or(self.variable).to_ascii_lowercase()
    }
}
