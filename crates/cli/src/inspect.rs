//! `sealmq inspect`: the header of a sealed message, read without keys.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sealmq::format::{Frame, KeyReference, Marker, VERSION, dearmour, find_marker};
use sealmq::{Clock, CryptoError, CryptoErrorKind, Suite, SystemClock};
use serde::Serialize;

use crate::command::EXIT_CODES;
use crate::error::CliError;
use crate::output::{self, hex, thousands};
use crate::utc::format_unix_ms;

/// No transport carries anything near it.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Prints the header of a sealed message. Needs no keys.
///
/// For those who look into a dead-letter queue: which key a message was sealed with, when, and how
/// long it is. Takes the body of the message, binary or as base64 text. Nothing of what is shown is
/// authenticated: only opening the message with its key does that.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The body of a message; - is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Header {
    form: &'static str,
    version: u8,
    suite: SuiteName,
    encrypted_at: String,
    encrypted_at_ms: u64,
    key_reference: Reference,
    nonce: String,
    commitment: String,
    tag: String,
    frame_bytes: usize,
    header_bytes: usize,
    body_bytes: usize,
    authenticated: bool,
}

#[derive(Serialize)]
struct SuiteName {
    id: u8,
    name: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Reference {
    NamedKey { key_id: String },
    WrappedDek { keks: Vec<Kek> },
}

#[derive(Serialize)]
struct Kek {
    alias: String,
    wrapped_bytes: usize,
}

/// Reads, and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let input = read(&arguments.file)?;
    let header = read_header(&input)?;
    if arguments.json { output::print_json(&header) } else { output::print(&describe(&header)) }
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let read = |source: &mut dyn Read| {
        let mut bytes = Vec::new();
        source.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = if file == Path::new("-") {
        read(&mut io::stdin().lock())
    } else {
        File::open(file).and_then(|mut file| read(&mut file))
    };
    let bytes = bytes.map_err(|error| {
        CliError::usage(format!("cannot read {}", file.display())).because(error)
    })?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        let file = file.display();
        let limit = thousands(MAX_INPUT_BYTES as usize);
        return Err(CliError::usage(format!("{file} is over {limit} bytes: that is no message")));
    }
    Ok(bytes)
}

fn read_header(input: &[u8]) -> Result<Header, CliError> {
    let refuse = |error: CryptoError| {
        let what = match error.kind() {
            CryptoErrorKind::Unsupported { .. } => "a sealed message that this program cannot read",
            _ => "not a sealed message",
        };
        CliError::failed(what).because(error)
    };
    let (form, frame) = match find_marker(input) {
        Marker::Binary => ("binary", input.to_vec()),
        // Whoever saved the text may have ended its line; nothing else is forgiven.
        Marker::Armoured => ("base64", dearmour(without_line_end(input)).map_err(refuse)?),
        Marker::None => {
            let reason =
                "not a sealed message: it does not begin with QRE1, nor with its base64 form";
            return Err(CliError::failed(reason));
        }
    };
    let parsed = Frame::parse(&frame).map_err(refuse)?;
    Ok(Header {
        form,
        version: VERSION,
        suite: SuiteName { id: parsed.suite().id(), name: suite_name(parsed.suite()) },
        encrypted_at: format_unix_ms(parsed.encrypted_at_ms()),
        encrypted_at_ms: parsed.encrypted_at_ms(),
        key_reference: match parsed.key_reference() {
            KeyReference::Named(key_id) => Reference::NamedKey { key_id: (*key_id).to_owned() },
            KeyReference::Wrapped(deks) => {
                let kek = |alias: &str, wrapped: &[u8]| Kek {
                    alias: alias.to_owned(),
                    wrapped_bytes: wrapped.len(),
                };
                let keks = deks.iter().map(|dek| kek(dek.kek_alias, dek.wrapped)).collect();
                Reference::WrappedDek { keks }
            }
        },
        nonce: hex(&parsed.nonce()),
        commitment: hex(&parsed.commitment()),
        tag: hex(&parsed.tag()),
        frame_bytes: frame.len(),
        header_bytes: parsed.header_len(),
        body_bytes: parsed.sealed().len() - parsed.tag().len(),
        authenticated: false,
    })
}

fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn suite_name(suite: Suite) -> &'static str {
    match suite {
        Suite::Aes256Gcm => "AES-256-GCM",
        Suite::ChaCha20Poly1305 => "ChaCha20-Poly1305",
        _ => "unknown to this program",
    }
}

fn describe(header: &Header) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<13} {value}");
    };
    line("format", format!("QRE1, version {}, {}", header.version, header.form));
    line("suite", format!("{:#04x} {}", header.suite.id, header.suite.name));
    let ago = age(header.encrypted_at_ms, SystemClock::new().unix_ms());
    line("sealed at", format!("{} ({ago})", header.encrypted_at));
    match &header.key_reference {
        // Quoted and escaped: the one who sealed it chose the text.
        Reference::NamedKey { key_id } => line("key", format!("{key_id:?}")),
        Reference::WrappedDek { keks } => {
            for Kek { alias, wrapped_bytes } in keks {
                line(
                    "DEK by KEK",
                    format!("{alias:?}, wrapped in {} bytes", thousands(*wrapped_bytes)),
                );
            }
        }
    }
    line("body", format!("{} bytes", thousands(header.body_bytes)));
    let (frame, head) = (thousands(header.frame_bytes), thousands(header.header_bytes));
    line("frame", format!("{frame} bytes: header {head}, body, tag {}", header.tag.len() / 2));
    line("nonce", header.nonce.clone());
    line("commitment", header.commitment.clone());
    line("tag", header.tag.clone());
    text.push_str("Nothing of this is authenticated until the message is opened.\n");
    text
}

fn age(sealed_at_ms: u64, now_ms: u64) -> String {
    let (ms, direction) = match now_ms.checked_sub(sealed_at_ms) {
        Some(ms) => (ms, "ago"),
        None => (sealed_at_ms - now_ms, "in the future"),
    };
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s {direction}"),
        (0, 0, _) => format!("{minutes} min {} s {direction}", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min {direction}"),
        _ => format!("{days} d {hours} h {direction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_in_the_two_largest_units() {
        let minute = 60_000;
        assert_eq!(age(0, 1_999), "1 s ago");
        assert_eq!(age(0, 2 * minute + 5_000), "2 min 5 s ago");
        assert_eq!(age(0, 61 * minute), "1 h 1 min ago");
        assert_eq!(age(0, 49 * 60 * minute), "2 d 1 h ago");
        assert_eq!(age(10 * minute, 0), "10 min 0 s in the future");
    }

    #[test]
    fn one_line_end_is_forgiven_and_no_more() {
        assert_eq!(without_line_end(b"UVJF\r\n"), b"UVJF");
        assert_eq!(without_line_end(b"UVJF\n"), b"UVJF");
        assert_eq!(without_line_end(b"UVJF\n\n"), b"UVJF\n");
    }
}
