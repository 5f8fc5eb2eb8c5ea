//! The bodies that are sent: those inside the program, or the lines of a file.

use std::fs;
use std::path::Path;

use sealmq::Bytes;
use serde_json::Value;

use crate::error::CliError;

/// See `data/README.md`.
const EMBEDDED: &str = include_str!("../../data/webhooks.jsonl");

/// A message type travels in the clear, and brokers limit what that may be.
const MAX_EVENT_BYTES: usize = 128;

/// The message type of lines that do not say what they are.
const NO_EVENT: &str = "message";

/// One line.
#[derive(Debug)]
pub(super) struct Body {
    /// What it is: the member `event` of the line.
    pub(super) event: String,
    /// The line.
    pub(super) text: Bytes,
}

/// All lines, at least one.
#[derive(Debug)]
pub(super) struct Input {
    /// Where they are from, for people.
    pub(super) name: String,
    /// Where they are from, for the attribute `source`.
    pub(super) source: &'static str,
    pub(super) bodies: Vec<Body>,
}

impl Input {
    /// Reads the file, or takes the lines inside.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, CliError> {
        let Some(file) = file else {
            let name = "GitHub webhooks, embedded".to_owned();
            return Ok(Self { bodies: parse(EMBEDDED, &name)?, name, source: "github" });
        };
        let name = file.display().to_string();
        let bytes = fs::read(file)
            .map_err(|error| CliError::usage(format!("cannot read {name}")).because(error))?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        Ok(Self { bodies: parse(&text, &name)?, name, source: "file" })
    }

    /// The body of message number `index`; after the last one the first comes again.
    pub(super) fn body(&self, index: usize) -> &Body {
        &self.bodies[index % self.bodies.len()]
    }
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> CliError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    CliError::usage(format!("{name}, line {line}: not UTF-8"))
}

/// Lines of white space alone are passed over.
fn parse(text: &str, name: &str) -> Result<Vec<Body>, CliError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let bodies: Vec<Body> = lines
        .map(|(index, line)| {
            parse_line(line)
                .map_err(|reason| CliError::usage(format!("{name}, line {}: {reason}", index + 1)))
        })
        .collect::<Result<_, _>>()?;
    if bodies.is_empty() {
        return Err(CliError::usage(format!("{name} is empty: it needs a JSON value on a line")));
    }
    Ok(bodies)
}

fn parse_line(line: &str) -> Result<Body, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| {
        let position = format!(" at line {} column {}", error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.strip_suffix(&position).unwrap_or(&reason);
        format!("not JSON: {reason} at column {}", error.column())
    })?;
    let event = match value.get("event") {
        None => NO_EVENT,
        Some(Value::String(event)) => event,
        Some(_) => return Err("\"event\" is not a text".to_owned()),
    };
    if !(1..=MAX_EVENT_BYTES).contains(&event.len()) || event.chars().any(char::is_control) {
        return Err(format!(
            "\"event\" must have 1 to {MAX_EVENT_BYTES} bytes and no control characters"
        ));
    }
    let text = Bytes::copy_from_slice(line.as_bytes());
    Ok(Body { event: event.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhooks_inside_are_real_ones_of_all_sizes() {
        let input = Input::load(None).unwrap();
        let sizes: Vec<usize> = input.bodies.iter().map(|body| body.text.len()).collect();
        assert_eq!(sizes.len(), 24);
        assert!(sizes.iter().sum::<usize>() < 400_000);
        assert!(sizes.iter().any(|size| *size < 1_000));
        assert!(sizes.iter().any(|size| *size > 20_000));
    }

    #[test]
    fn the_event_of_a_line_is_its_type() {
        let bodies = parse("{\"event\":\"push\"}\r\n\n[1]\n", "f").unwrap();
        let events: Vec<&str> = bodies.iter().map(|body| body.event.as_str()).collect();
        assert_eq!(events, ["push", NO_EVENT]);
        assert_eq!(bodies[0].text, "{\"event\":\"push\"}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(parse("\u{feff}1\n", "f").unwrap()[0].text, "1");
    }

    #[test]
    fn events_that_no_broker_carries_are_refused_with_their_line() {
        for event in ["\"\"", "\"a\\nb\"", "7"] {
            let error = parse(&format!("1\n{{\"event\":{event}}}\n"), "f").unwrap_err();
            assert!(error.to_string().starts_with("f, line 2: \"event\""), "{error}");
        }
    }
}
