//! What goes to the terminal: plain text, JSON, errors, colours, progress.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::CliError;

/// Prints to stdout. A reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::failed("cannot write the output").because(error))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON value and a line end to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::failed("cannot write JSON").because(error))?;
    print(&(json + "\n"))
}

/// Prints one JSON value on one line: for what goes on.
pub(crate) fn print_json_line(value: &impl Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string(value)
        .map_err(|error| CliError::failed("cannot write JSON").because(error))?;
    print(&(json + "\n"))
}

/// Prints an error to stderr; there is no one to tell if that fails.
pub(crate) fn complain(error: &CliError) {
    let _ = writeln!(io::stderr(), "sealmq: {error}");
}

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// Coloured when stdout is a terminal that can, and `NO_COLOR` (<https://no-color.org>) is
    /// not set.
    pub(crate) fn of_stdout() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: understands_escapes(&io::stdout()) && !refused }
    }

    pub(crate) fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether this is a terminal, and more than a teletype.
fn understands_escapes(stream: &impl IsTerminal) -> bool {
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !dumb
}

/// A number with commas between thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text without the characters that a terminal may act on, or show with another width.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// How far a long command is, on stderr: one line that moves on a terminal, a line now and then
/// elsewhere, nothing at all for a short one.
pub(crate) struct Progress {
    what: &'static str,
    total: usize,
    on_terminal: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    /// Progress through `total` of something.
    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        let on_terminal = understands_escapes(&io::stderr());
        let next = Instant::now() + Duration::from_secs(if on_terminal { 1 } else { 5 });
        Self { what, total, on_terminal, next, shown: false }
    }

    /// `done` of them are done.
    pub(crate) fn at(&mut self, done: usize) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let (done, total) = (thousands(done), thousands(self.total));
        let (begin, end, pause) =
            if self.on_terminal { ("\r", "", 200) } else { ("", "\n", 5_000) };
        let _ = write!(io::stderr(), "{begin}{done} of {total} {}{end}", self.what);
        self.next = now + Duration::from_millis(pause);
        self.shown = true;
    }
}

impl Drop for Progress {
    /// Leaves a terminal as it was.
    fn drop(&mut self) {
        if self.shown && self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 232_864, 1_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "232,864", "1,000,000"]);
    }

    #[test]
    fn bytes_are_shown_in_two_digits() {
        assert_eq!(hex(&[0x00, 0x0f, 0xff]), "000fff");
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{202e}\n"), "a?[31mb??");
    }

    #[test]
    fn without_colours_text_is_plain() {
        assert_eq!(Style { coloured: false }.good("fine"), "fine");
        assert_eq!(Style { coloured: true }.good("fine"), "\x1b[32mfine\x1b[0m");
    }
}
