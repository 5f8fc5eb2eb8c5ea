//! The attacks: what each changes, and the code it must be refused with.

use std::ops::Range;

use sealmq::format::{Frame, KEY_REFERENCE_OFFSET, MAGIC};
use sealmq::{Bytes, Clock, CryptoError, Message, SystemClock};

/// Offsets in the frame; see docs/format.md.
const VERSION_OFFSET: usize = 4;
const SUITE_OFFSET: usize = 5;
const HEADER_LEN_OFFSET: usize = 8;
const ENCRYPTED_AT_OFFSET: usize = 10;
/// The last part of a header.
pub(super) const COMMITMENT_BYTES: usize = 32;

/// One attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// The code it must be refused with.
    pub(super) code: &'static str,
    pub(super) act: Act,
}

/// How it is carried out.
pub(super) enum Act {
    /// Takes a sealed request off the queue, changes it and puts it back.
    Edit(fn(&mut Message)),
    /// Takes a sealed request off the queue and has it name the key before the rotation.
    NameOldKey,
    /// Puts a sealed request on another queue of the same tenant.
    MoveToAnotherQueue,
    /// Puts the request of another tenant, sealed with the same key, on this one's queue.
    MoveToAnotherTenant,
    /// Takes an answer and puts it back as the answer to another request.
    EditAnswer(fn(&mut Message)),
    /// Copies a request, lets it be completed and puts the copy on the queue.
    Replay,
    /// Puts a request on the queue that nobody sealed.
    Plaintext,
    /// Puts a request on the queue that was sealed by someone or at some time it must not be, and
    /// changed after that.
    Sealed(Sealer, fn(&mut Message)),
}

/// Who seals what must not be accepted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sealer {
    /// Someone with the library and a key that only they have.
    Stranger,
    /// The same, who names that key like the one in use.
    Impostor,
    /// The initiator, longer ago than messages may be old.
    Past,
    /// The initiator, with a clock further ahead than clocks may differ.
    Future,
}

const AUTHENTICATION: &str = "authentication_failed";

/// All of them, in the order they are carried out.
pub(super) const ATTACKS: &[Attack] = &[
    edit("flip a bit of the ciphertext", AUTHENTICATION, |m| flip(m, |f| f.header_len())),
    edit("flip a bit of the tag", AUTHENTICATION, |m| flip(m, |f| frame_len(f) - 1)),
    edit("flip a bit of the commitment", AUTHENTICATION, |m| flip(m, |f| f.header_len() - 1)),
    edit("cut off the last byte", AUTHENTICATION, |m| {
        m.body.truncate(m.body.len() - 1);
    }),
    edit("edit the message id", AUTHENTICATION, |m| m.id.push('0')),
    edit("edit the message type", AUTHENTICATION, |m| {
        m.message_type = Some("admin.command".to_owned());
    }),
    edit("edit the session id", AUTHENTICATION, |m| {
        m.session_id = Some("session-2".to_owned());
    }),
    edit("edit a bound attribute", AUTHENTICATION, |m| {
        m.attributes.insert("source".to_owned(), "trusted".to_owned());
    }),
    edit("take an attribute off the bound list", AUTHENTICATION, |m| {
        m.attributes.remove("sealmq-bound");
    }),
    edit("edit the reply-to queue", AUTHENTICATION, |m| m.reply_to = Some("elsewhere".to_owned())),
    Attack {
        name: "pin an answer on another request",
        code: AUTHENTICATION,
        act: Act::EditAnswer(|m| m.correlation_id = Some("another-request".to_owned())),
    },
    Attack { name: "move to another queue", code: AUTHENTICATION, act: Act::MoveToAnotherQueue },
    Attack { name: "move to another tenant", code: AUTHENTICATION, act: Act::MoveToAnotherTenant },
    Attack { name: "replay a completed message", code: "replayed", act: Act::Replay },
    edit("strip the marker", "plaintext_rejected", |m| {
        m.body = m.body.slice(MAGIC.len()..);
    }),
    Attack { name: "inject a plaintext", code: "plaintext_rejected", act: Act::Plaintext },
    Attack { name: "name another known key", code: AUTHENTICATION, act: Act::NameOldKey },
    sealed("seal with an unknown key", "key_not_found", Sealer::Stranger),
    sealed("seal with a false key of a known id", AUTHENTICATION, Sealer::Impostor),
    sealed("deliver a message 5 days late", "message_expired", Sealer::Past),
    Attack {
        name: "redate that message to now",
        code: AUTHENTICATION,
        act: Act::Sealed(Sealer::Past, redate),
    },
    sealed("deliver a message from the future", "message_from_future", Sealer::Future),
    edit("claim another version", "unsupported_version", |m| set(m, VERSION_OFFSET, 0x02)),
    edit("claim an unknown suite", "unsupported_suite", |m| set(m, SUITE_OFFSET, 0x7f)),
    edit("claim another known suite", AUTHENTICATION, |m| set(m, SUITE_OFFSET, 0x02)),
];

const fn edit(name: &'static str, code: &'static str, change: fn(&mut Message)) -> Attack {
    Attack { name, code, act: Act::Edit(change) }
}

const fn sealed(name: &'static str, code: &'static str, sealer: Sealer) -> Attack {
    Attack { name, code, act: Act::Sealed(sealer, |_| {}) }
}

/// Writes over the frame from some offset on. A body that is no frame stays as it is, and the attack
/// then fails the demo.
fn overwrite(
    message: &mut Message,
    at: impl FnOnce(&Frame<'_>) -> usize,
    write: impl FnOnce(&mut [u8]),
) {
    if let Ok(frame) = Frame::parse(&message.body) {
        let at = at(&frame);
        let mut bytes = message.body.to_vec();
        write(&mut bytes[at..]);
        message.body = bytes.into();
    }
}

fn flip(message: &mut Message, at: impl FnOnce(&Frame<'_>) -> usize) {
    overwrite(message, at, |bytes| bytes[0] ^= 0x01);
}

fn set(message: &mut Message, at: usize, byte: u8) {
    overwrite(message, |_| at, |bytes| bytes[0] = byte);
}

fn frame_len(frame: &Frame<'_>) -> usize {
    frame.header_len() + frame.sealed().len()
}

/// A frame with the key reference of another one: no key is derived from it, so only the key
/// itself can tell.
pub(super) fn with_key_reference_of(other: &Bytes, frame: &Bytes) -> Result<Bytes, CryptoError> {
    let (from, to) = (reference_of(other)?, reference_of(frame)?);
    let head = &frame[..KEY_REFERENCE_OFFSET];
    let mut spliced = [head, &other[from], &frame[to.end..]].concat();
    let header_len = Frame::parse(frame)?.header_len() + spliced.len() - frame.len();
    spliced[HEADER_LEN_OFFSET..HEADER_LEN_OFFSET + 2]
        .copy_from_slice(&(header_len as u16).to_be_bytes());
    Ok(spliced.into())
}

fn reference_of(frame: &[u8]) -> Result<Range<usize>, CryptoError> {
    Ok(KEY_REFERENCE_OFFSET..Frame::parse(frame)?.header_len() - COMMITMENT_BYTES)
}

fn redate(message: &mut Message) {
    let now = SystemClock::new().unix_ms().to_be_bytes();
    overwrite(message, |_| ENCRYPTED_AT_OFFSET, |bytes| bytes[..now.len()].copy_from_slice(&now));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_their_column() {
        let names: HashSet<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
        assert!(names.iter().all(|name| name.len() <= 36));
    }
}
