//! Looks for secrets in what is shown: errors, debug output, wrapped forms.

use std::error::Error;

use crate::outcome::{CaseResult, Stop, chain};

/// The ways these secret bytes could stand in a text or in other bytes.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let lower: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<_> = secret.iter().map(u8::to_string).collect();
    vec![
        secret.to_vec(),
        lower.to_uppercase().into_bytes(),
        lower.into_bytes(),
        list.join(", ").into_bytes(),
        list.join(",").into_bytes(),
        base64(secret, b"+/").into_bytes(),
        base64(secret, b"-_").into_bytes(),
    ]
}

/// Base64 without padding, and without its last character, which padding may change.
fn base64(bytes: &[u8], last_two: &[u8; 2]) -> String {
    let alphabet: Vec<u8> =
        (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last_two).collect();
    let mut text = String::new();
    for chunk in bytes.chunks_exact(3) {
        let bits = u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
        for shift in [18, 12, 6, 0] {
            text.push(alphabet[(bits >> shift) as usize & 63].into());
        }
    }
    text
}

/// None of the secrets stands in what is shown, however it is written.
#[track_caller]
pub(crate) fn check_hidden(what: &str, shown: &[u8], secrets: &[Vec<u8>]) -> CaseResult {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for spelling in spellings(secret).iter().filter(|spelling| !spelling.is_empty()) {
            if shown.windows(spelling.len()).any(|window| window == spelling) {
                return Err(Stop::broken(format!("{what} shows no secret, but shows one")));
            }
        }
    }
    Ok(())
}

/// Everything an error says: its text, its sources, its debug output.
pub(crate) fn everything(error: &(dyn Error + 'static)) -> Vec<u8> {
    format!("{} {error:?}", chain(error)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret: Vec<u8> = (200..232).collect();
        let secrets = [secret.clone()];
        for shown in [
            format!("key={secret:?}"),
            "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7".into(),
            "C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7".into(),
            "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=".into(),
            "yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc".into(),
        ] {
            assert!(check_hidden("this", shown.as_bytes(), &secrets).is_err(), "{shown}");
        }
        assert!(check_hidden("this", &[&[1], &secret[..], &[2]].concat(), &secrets).is_err());
        assert!(check_hidden("this", b"[redacted]", &secrets).is_ok());
    }
}
