//! A secret as it is, and in the clothes in which it might go out.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What to look for: enough of each form to be no accident.
pub(crate) fn needles(secret: &str) -> Vec<String> {
    let mut hex = String::new();
    for byte in secret.bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    let mut needles = vec![secret.to_owned(), hex.to_uppercase(), hex];
    for before in 0..3 {
        // Base64 of a text depends on where in three bytes it begins.
        let shifted = [&b"\0\0\0"[..before], secret.as_bytes()].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            let whole = encoded.len() - 3;
            needles.push(encoded[if before == 0 { 0 } else { 4 }..whole].to_owned());
        }
    }
    needles.push(format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned());
    needles
}

#[test]
fn each_form_is_found() {
    let secret = "mArKeR-0f-a-s3cret";
    let needles = needles(secret);
    let found = |text: &str| needles.iter().any(|needle| text.contains(needle.as_str()));
    assert!(found(&format!("token={secret}!")));
    assert!(found(&format!("{:?}", secret.as_bytes())));
    for before in ["", "a", "ab", "abc", "abcd"] {
        assert!(found(&STANDARD_NO_PAD.encode(format!("{before}{secret}after"))), "{before}");
        assert!(found(&URL_SAFE_NO_PAD.encode(format!("{before}{secret}"))), "{before}");
    }
    assert!(!found("nothing of the kind"));
}
