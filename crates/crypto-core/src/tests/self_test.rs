//! The self-test passes, is quick, and notices every way in which a back end can be broken.

use std::path::Path;

use super::*;

#[test]
fn it_passes_on_every_back_end_that_is_built_in() {
    self_test().unwrap();
    let mut tested = Vec::new();
    for &backend in AeadBackend::AVAILABLE {
        test(backend, &backend).unwrap();
        tested.push(backend);
    }
    assert_eq!(tested, AeadBackend::AVAILABLE);
}

/// The known frames are those that are frozen, and so are made by a second implementation.
#[test]
fn its_frames_are_frozen_vectors() {
    for (known, name) in FRAMES.iter().zip(["size-15-aes-named", "size-15-chacha-named"]) {
        let path = format!("../../tests/vectors/v1/{name}.json");
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let vector: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(vector["frame"], hex::encode(known.frame), "{name}");
        assert_eq!(vector["key"], hex::encode(known.key), "{name}");
        assert_eq!(vector["plaintext"], hex::encode(known.plaintext), "{name}");
        assert_eq!(vector["expect"], "open", "{name}");
    }
}

/// What a broken back end does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    WrongTag,
    WrongCiphertext,
    SealsNothing,
    OpensNothing,
    WrongPlaintext,
    OpensForgeries,
    WrongFrame,
    SealsNoFrame,
    OpensNoFrame,
    WrongBody,
    OpensForgedFrames,
}

/// A back end that is broken in one suite.
struct Broken {
    backend: AeadBackend,
    suite: Suite,
    fault: Fault,
}

impl Broken {
    fn is(&self, fault: Fault, suite: Suite) -> bool {
        (self.fault, self.suite) == (fault, suite)
    }
}

impl Computes for Broken {
    fn seal_known(&self, known: &KnownAead, in_out: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let mut tag = self.backend.seal_known(known, in_out)?;
        if self.is(Fault::SealsNothing, known.suite) {
            return None;
        }
        if self.is(Fault::WrongTag, known.suite) {
            tag[0] ^= 0x80;
        }
        if self.is(Fault::WrongCiphertext, known.suite) {
            flip_last(in_out);
        }
        Some(tag)
    }

    fn open_known(&self, known: &KnownAead, in_out: &mut [u8]) -> bool {
        let opened = self.backend.open_known(known, in_out);
        if self.is(Fault::WrongPlaintext, known.suite) {
            in_out[0] ^= 1;
        }
        match self.fault {
            Fault::OpensNothing if self.suite == known.suite => false,
            Fault::OpensForgeries if self.suite == known.suite => true,
            _ => opened,
        }
    }

    fn seal_frame(&self, known: &KnownFrame) -> Result<Vec<u8>, CryptoError> {
        let mut frame = self.backend.seal_frame(known)?;
        if self.is(Fault::SealsNoFrame, known.suite) {
            return Err(CryptoError::unavailable("a fault of the test"));
        }
        if self.is(Fault::WrongFrame, known.suite) {
            flip_last(&mut frame);
        }
        Ok(frame)
    }

    fn open_frame(&self, known: &KnownFrame, frame: &mut [u8]) -> Result<Vec<u8>, CryptoError> {
        let mut opened = self.backend.open_frame(known, frame);
        if self.is(Fault::OpensNoFrame, known.suite) {
            return Err(CryptoError::authentication_failed());
        }
        if self.is(Fault::OpensForgedFrames, known.suite) {
            return Ok(opened.unwrap_or_else(|_| known.plaintext.to_vec()));
        }
        if self.is(Fault::WrongBody, known.suite)
            && let Ok(body) = &mut opened
        {
            flip_last(body);
        }
        opened
    }
}

#[test]
fn every_fault_is_noticed_and_named_in_the_suite_that_has_it() {
    let faults = [
        (Fault::WrongTag, "the AEAD seals wrongly"),
        (Fault::WrongCiphertext, "the AEAD seals wrongly"),
        (Fault::SealsNothing, "the AEAD seals wrongly"),
        (Fault::OpensNothing, "the AEAD opens wrongly"),
        (Fault::WrongPlaintext, "the AEAD opens wrongly"),
        (Fault::OpensForgeries, "the AEAD opens a forgery"),
        (Fault::WrongFrame, "a frame is sealed wrongly"),
        (Fault::SealsNoFrame, "a frame is sealed wrongly"),
        (Fault::OpensNoFrame, "a frame is opened wrongly"),
        (Fault::WrongBody, "a frame is opened wrongly"),
        (Fault::OpensForgedFrames, "a forged frame is opened"),
    ];
    for &backend in AeadBackend::AVAILABLE {
        for suite in Suite::ALL {
            let of_fault = |fault| test(backend, &Broken { backend, suite, fault });
            assert_eq!(of_fault(Fault::None), Ok(()), "the control");
            for (fault, failed) in faults {
                let error = SelfTestError { backend, suite, failed };
                assert_eq!(of_fault(fault), Err(error), "{fault:?}");
            }
        }
    }
}

#[test]
fn its_error_says_what_is_broken_and_nothing_else() {
    let error = SelfTestError {
        backend: AeadBackend::Ring,
        suite: Suite::Aes256Gcm,
        failed: "the AEAD seals wrongly",
    };
    let text = "the self-test of Ring failed in suite Aes256Gcm: the AEAD seals wrongly";
    assert_eq!(error.to_string(), text);
    assert_eq!((error.backend(), error.suite()), (AeadBackend::Ring, Suite::Aes256Gcm));
}
