//! The frozen vectors of `tests/vectors`, made by a second implementation, on every back end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::support::key_id;
use crate::aead::AeadBackend;
use crate::context::{ContextScope, EncryptionContext};
use crate::error::{CryptoError, CryptoErrorKind, ErrorKindCode};
use crate::format::{Frame, KeyReference, Marker, find_marker};
use crate::keys::{KekAlias, WrappedDek};
use crate::message_key::MessageKey;
use crate::secret::EncryptionKey;

#[test]
fn every_frozen_vector_has_its_stated_outcome_on_every_back_end() {
    let vectors = load();
    for &backend in AeadBackend::AVAILABLE {
        let mut outcomes = BTreeMap::new();
        for vector in &vectors {
            let expected = vector.text("expect");
            assert_eq!(vector.outcome(backend), expected, "{backend:?}, {}", vector.text("name"));
            *outcomes.entry(expected).or_insert(0) += 1;
        }
        let counted = [
            ("AuthenticationFailed", 187),
            ("InvalidContext", 34),
            ("Malformed", 177),
            ("NotAFrame", 35),
            ("UnsupportedSuite", 42),
            ("UnsupportedVersion", 20),
            ("open", 178),
        ];
        assert_eq!(outcomes, BTreeMap::from(counted), "{backend:?}");
    }
    assert_eq!(vectors.len(), 673);
}

#[test]
fn sealing_the_fields_of_a_vector_that_opens_gives_its_frame_on_every_back_end() {
    let vectors = load();
    for &backend in AeadBackend::AVAILABLE {
        let opening = vectors.iter().filter(|vector| vector.text("expect") == "open");
        for vector in opening {
            let name = vector.text("name");
            let frame = vector.bytes("frame");
            let parsed = Frame::parse(&frame).unwrap();
            let sealed = vector
                .key_of(parsed.key_reference())
                .seal_with_nonce(
                    parsed.suite(),
                    backend,
                    &vector.bytes("plaintext"),
                    &vector.context().unwrap(),
                    vector.number("encrypted_at"),
                    vector.bytes("nonce").as_slice().try_into().unwrap(),
                )
                .unwrap();
            assert!(sealed == frame, "{backend:?}, {name}");
            assert_eq!(u64::from(parsed.suite().id()), vector.number("suite"), "{name}");
            let reference = vector.bytes("key_ref");
            assert_eq!(frame[42..42 + reference.len()], reference[..], "{name}");
        }
    }
}

struct Vector(Value);

fn load() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/v1");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| Vector(serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    paths.into_iter().map(read).collect()
}

impl Vector {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap()
    }

    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap()
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).unwrap()
    }

    fn key(&self) -> EncryptionKey {
        EncryptionKey::from_slice(&self.bytes("key")).unwrap()
    }

    /// The vector's key under the reference of its frame.
    fn key_of(&self, reference: &KeyReference<'_>) -> MessageKey {
        match reference {
            KeyReference::Named(id) => MessageKey::named(&key_id(id), &self.key()).unwrap(),
            KeyReference::Wrapped(deks) => {
                let forms: Vec<_> = deks
                    .iter()
                    .map(|dek| (KekAlias::new(dek.kek_alias).unwrap(), dek.wrapped.to_vec()))
                    .map(|(alias, wrapped)| WrappedDek::new(alias, wrapped).unwrap())
                    .collect();
                MessageKey::wrapped(&self.key(), &forms).unwrap()
            }
        }
    }

    fn outcome(&self, backend: AeadBackend) -> &'static str {
        let Some(context) = self.context() else {
            return "InvalidContext";
        };
        let mut frame = self.bytes("frame");
        if find_marker(&frame) != Marker::Binary {
            return "NotAFrame";
        }
        match self.open(backend, &mut frame, &context) {
            Ok(plaintext) => {
                assert!(plaintext == self.bytes("plaintext"), "{}", self.text("name"));
                "open"
            }
            Err(error) => match error.kind() {
                CryptoErrorKind::AuthenticationFailed => "AuthenticationFailed",
                CryptoErrorKind::Malformed { .. } => "Malformed",
                kind if kind.code() == "unsupported_version" => "UnsupportedVersion",
                kind if kind.code() == "unsupported_suite" => "UnsupportedSuite",
                _ => panic!("{}: {error}", self.text("name")),
            },
        }
    }

    /// The receiver's key opens, whatever the reference of the frame says.
    fn open(
        &self,
        backend: AeadBackend,
        frame: &mut [u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, CryptoError> {
        let key = MessageKey::named(&key_id("receiver"), &self.key())?;
        key.open_in_place(backend, frame, context).map(|body| body.to_vec())
    }

    /// The receiver's context, or nothing where the builder refuses it. The builder's types do
    /// not even allow a context without a queue or a message id.
    fn context(&self) -> Option<EncryptionContext> {
        let mut fields = BTreeMap::new();
        let mut attributes = Vec::new();
        for entry in self.0["context"].as_array().unwrap() {
            let text = |at: usize| {
                String::from_utf8(hex::decode(entry[at].as_str().unwrap()).unwrap()).unwrap()
            };
            match entry[0].as_u64().unwrap() {
                64 => attributes.push((text(1), text(2))),
                tag => assert!(fields.insert(tag, text(1)).is_none()),
            }
        }
        let field = |tag: u64| fields.get(&tag).map(String::as_str);
        let scope = ContextScope::new(field(1), field(2), field(3)?).ok()?;
        let mut builder = EncryptionContext::builder(&Arc::new(scope), field(6)?)
            .message_type(field(4))
            .content_type(field(5))
            .session_id(field(7))
            .correlation_id(field(8))
            .reply_to(field(9));
        for (name, value) in &attributes {
            builder = builder.attribute(name, value);
        }
        builder.build().ok()
    }
}
