//! Percent-encoding of header values, so that what NATS clients trim or cannot carry survives.

use std::borrow::Cow;

/// Text as a header value carries it unchanged: `%`, control characters, and white space at
/// either end become `%` and two hexadecimal digits for each byte. All else stays readable.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    let core = text.trim();
    let carried = |c: char| c != '%' && !c.is_control();
    if core.len() == text.len() && text.chars().all(carried) {
        return Cow::Borrowed(text);
    }
    // `trim` works by character, so the core begins at a character's first byte.
    let start = text.len() - text.trim_start().len();
    let end = start + core.len();
    let mut encoded = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if carried(c) && (start..end).contains(&at) {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Cow::Owned(encoded)
}

/// The text behind a header value. What is no encoding stays as it is.
pub(crate) fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).zip(hex(*low)).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(value), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives() {
        let texts = [
            "",
            " ",
            "plain",
            " led and followed ",
            "\ta\tb\t",
            "100%",
            "%41",
            "%",
            "%zz",
            "Grüße",
            "\u{a0}no-break\u{a0}",
            "\u{2028}line\u{2028}",
            "🦀",
            "a\r\nb",
            "\u{85}",
            "é\u{301}",
        ];
        for text in texts {
            let encoded = encode(text);
            assert_eq!(encoded.trim(), encoded, "{text:?}");
            assert!(!encoded.chars().any(char::is_control), "{text:?}");
            assert_eq!(decode(&encoded), text);
        }
    }

    #[test]
    fn readable_text_stays_readable() {
        assert_eq!(encode("Grüße aus 日本"), "Grüße aus 日本");
        assert_eq!(encode(" 5% "), "%205%25%20");
    }

    #[test]
    fn what_is_no_encoding_stays() {
        for value in ["%", "%4", "%g1", "%FF"] {
            assert_eq!(decode(value), value);
        }
    }
}
