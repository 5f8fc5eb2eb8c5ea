//! Our message in NATS's terms: a body as it is, and everything else in headers.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use sealmq_queue_core::{DeadLetterInfo, Message, TransportError};

use crate::percent;

/// The id the server deduplicates by. Copies have one of their own, so ours has its own header.
pub(crate) const BROKER_ID: &str = "Nats-Msg-Id";

const ID: &str = "Sealmq-Message-Id";
const SESSION_ID: &str = "Sealmq-Session-Id";
const CORRELATION_ID: &str = "Sealmq-Correlation-Id";
const REPLY_TO: &str = "Sealmq-Reply-To";
const MESSAGE_TYPE: &str = "Sealmq-Message-Type";
const CONTENT_TYPE: &str = "Sealmq-Content-Type";
const DEAD_LETTER_REASON: &str = "Sealmq-Dead-Letter-Reason";
const DEAD_LETTER_DESCRIPTION: &str = "Sealmq-Dead-Letter-Description";

/// In front of attributes whose own name would be taken for a header of NATS or of ours.
const ATTRIBUTE_PREFIX: &str = "Sealmq-Attribute-";

/// Header names that begin with these, in any case, mean something to the server or to us.
const RESERVED_PREFIXES: [&str; 2] = ["nats-", "sealmq-"];

/// Longest encoded reason and description of a dead letter, together well below what is kept
/// free for them.
const MOST_REASON_BYTES: usize = 256;
const MOST_DESCRIPTION_BYTES: usize = 1_024;

/// The headers of a message, the server's own aside.
///
/// Attributes are headers of their own name, so that consumers of other make see them. Values are
/// percent-encoded where a header would not carry them.
///
/// # Errors
/// `InvalidInput` when they are longer than `max_header_bytes`.
pub(crate) fn encode(
    message: &Message,
    max_header_bytes: usize,
) -> Result<HeaderMap, TransportError> {
    let mut headers = HeaderMap::new();
    set(&mut headers, ID, &message.id);
    let fields = [
        (SESSION_ID, &message.session_id),
        (CORRELATION_ID, &message.correlation_id),
        (REPLY_TO, &message.reply_to),
        (MESSAGE_TYPE, &message.message_type),
        (CONTENT_TYPE, &message.content_type),
    ];
    for (name, text) in fields {
        if let Some(text) = text {
            set(&mut headers, name, text);
        }
    }
    for (name, value) in &message.attributes {
        if is_reserved(name) {
            set(&mut headers, &format!("{ATTRIBUTE_PREFIX}{name}"), value);
        } else {
            set(&mut headers, name, value);
        }
    }
    let bytes = header_bytes(&headers);
    if bytes > max_header_bytes {
        let reason = format!("{bytes} bytes of headers, at most {max_header_bytes}");
        return Err(TransportError::invalid_input("attributes", reason));
    }
    Ok(headers)
}

/// The message behind headers and body. A message that somebody else sent has no id of ours, and
/// gets `fallback_id`; its headers are attributes as they are.
pub(crate) fn decode(headers: Option<&HeaderMap>, body: Bytes, fallback_id: &str) -> Message {
    let empty = HeaderMap::new();
    let headers = headers.unwrap_or(&empty);
    let ours = headers.get(ID).is_some();
    let text = |value: &HeaderValue| match ours {
        true => percent::decode(value.as_str()).into_owned(),
        false => value.as_str().to_owned(),
    };
    let mut message = Message::with_id(headers.get_last(ID).map_or(fallback_id.into(), text), body);
    let get = |name: &'static str| headers.get_last(name).map(text);
    message.session_id = get(SESSION_ID);
    message.correlation_id = get(CORRELATION_ID);
    message.reply_to = get(REPLY_TO);
    message.message_type = get(MESSAGE_TYPE);
    message.content_type = get(CONTENT_TYPE);
    for (name, values) in headers.iter() {
        let name: &str = name.as_ref();
        let name = match name.strip_prefix(ATTRIBUTE_PREFIX) {
            Some(name) => name,
            None if is_reserved(name) => continue,
            None => name,
        };
        if let Some(value) = values.last() {
            message.attributes.insert(name.to_owned(), text(value));
        }
    }
    message
}

/// Why a message is a dead letter, if it is one.
pub(crate) fn dead_letter_info(headers: Option<&HeaderMap>) -> DeadLetterInfo {
    let get = |name: &'static str| {
        let value = headers.and_then(|headers| headers.get_last(name));
        value.map(|value| percent::decode(value.as_str()).into_owned())
    };
    DeadLetterInfo { reason: get(DEAD_LETTER_REASON), description: get(DEAD_LETTER_DESCRIPTION) }
}

/// The headers of a copy of a stored message: without those of the server, which would apply to
/// the copy as they did to the original, and without those of a dead letter.
pub(crate) fn copy(headers: Option<&HeaderMap>, fallback_id: &str) -> HeaderMap {
    let mut copy = HeaderMap::new();
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let text: &str = name.as_ref();
        let is_dropped = text.to_ascii_lowercase().starts_with("nats-")
            || [DEAD_LETTER_REASON, DEAD_LETTER_DESCRIPTION].contains(&text);
        if !is_dropped {
            for value in values {
                copy.append(name.clone(), value.clone());
            }
        }
    }
    if copy.get(ID).is_none() {
        set(&mut copy, ID, fallback_id);
    }
    copy
}

/// Adds to the headers of a copy why it is a dead letter. Long texts are cut.
pub(crate) fn set_dead_letter(headers: &mut HeaderMap, reason: &str, description: &str) {
    set(headers, DEAD_LETTER_REASON, cut(reason, MOST_REASON_BYTES));
    set(headers, DEAD_LETTER_DESCRIPTION, cut(description, MOST_DESCRIPTION_BYTES));
}

/// Sets a header. The names here are portable, and encoded values have no line breaks.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name: Result<HeaderName, _> = name.parse();
    let value: Result<HeaderValue, _> = percent::encode(value).parse();
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.insert(name, value);
    }
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The longest beginning of the text whose encoding fits.
fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) || percent::encode(&text[..end]).len() > most_bytes {
        end -= 1;
    }
    &text[..end]
}

/// Bytes of the headers on the wire: a version line, `name: value` lines, an empty line.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    let line = |name: &HeaderName, value: &HeaderValue| {
        let (name, value): (&str, &str) = (name.as_ref(), value.as_str());
        name.len() + value.len() + 4
    };
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |v| line(name, v)));
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
