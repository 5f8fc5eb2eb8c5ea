//! The text as TOML: its tables, and the line of each value.

use toml::de::DeTable;

use crate::error::ConfigError;

/// The lines of a text, for places in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'t>(&'t str);

impl Lines<'_> {
    /// The line, from 1, of what begins at this byte.
    pub(crate) fn of(self, place: &std::ops::Range<usize>) -> usize {
        let before = self.0.as_bytes().iter().take(place.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// The tables of the text.
///
/// # Errors
/// The line that is no TOML. The parser's own display would print that line, which may hold a
/// secret; its message alone names the rule.
pub(crate) fn parse(text: &str) -> Result<(DeTable<'_>, Lines<'_>), ConfigError> {
    let lines = Lines(text);
    match DeTable::parse(text) {
        Ok(table) => Ok((table.into_inner(), lines)),
        Err(error) => {
            let line = error.span().map(|place| lines.of(&place));
            let reason = format!("the file is no TOML: {}", error.message());
            Err(ConfigError::new("", reason).at(line))
        }
    }
}

/// A name of the file as a part of a path: as it is where TOML takes it so, else quoted.
pub(crate) fn shown(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { format!("{name:?}") }
}
