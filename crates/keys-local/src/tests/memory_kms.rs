//! The key service in memory, and the form of its wrapped DEKs.

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService};

use super::{context, key, refusal, tenant};
use crate::MemoryKms;

#[tokio::test]
async fn a_wrapped_dek_is_version_nonce_ciphertext_tag() {
    let kms = MemoryKms::new();
    let wrapped = kms.encrypt_dek(&key(7), &context("acme")).await.unwrap();
    assert_eq!(wrapped.len(), 64);
    assert_eq!(wrapped[..4], [0, 0, 0, 1]);
    kms.rotate_kek(&tenant("acme")).await.unwrap();
    let rewrapped = kms.rewrap_dek(&wrapped, &context("acme")).await.unwrap();
    assert_eq!(rewrapped[..4], [0, 0, 0, 2]);
    assert_eq!(kms.decrypt_dek(&rewrapped, &context("acme")).await.unwrap(), key(7));
    assert_eq!(kms.capabilities().max_wrapped_len, 64);
}

#[tokio::test]
async fn each_refusal_has_its_kind() {
    use KeyErrorKind as K;
    let kms = MemoryKms::new();
    let wrapped = kms.encrypt_dek(&key(7), &context("acme")).await.unwrap();
    kms.create_kek(&tenant("other")).unwrap();
    kms.delete_kek(&tenant("gone")).await.unwrap();
    let with = |range: std::ops::Range<usize>, byte: u8| {
        let mut changed = wrapped.clone();
        changed[range].fill(byte);
        changed
    };
    let cases: [(&str, Vec<u8>, &str, K); 10] = [
        ("empty", vec![], "acme", K::Malformed),
        ("one byte short", wrapped[..63].to_vec(), "acme", K::Malformed),
        ("one byte long", [&wrapped[..], &[0]].concat(), "acme", K::Malformed),
        ("version 0", with(0..4, 0), "acme", K::WrongKeyVersion),
        ("the highest version", with(0..4, 0xff), "acme", K::WrongKeyVersion),
        ("another nonce", with(4..16, 0), "acme", K::ContextMismatch),
        ("another tag", with(48..64, 0), "acme", K::ContextMismatch),
        ("another tenant", wrapped.clone(), "other", K::ContextMismatch),
        ("a tenant never used", wrapped.clone(), "never", K::KeyNotFound),
        ("a shredded tenant", wrapped.clone(), "gone", K::KeyNotFound),
    ];
    for (what, form, tenant, kind) in cases {
        let opened = kms.decrypt_dek(&form, &context(tenant)).await;
        assert_eq!(opened.unwrap_err().kind(), &kind, "{what}");
        let rewrapped = kms.rewrap_dek(&form, &context(tenant)).await;
        assert_eq!(rewrapped.unwrap_err().kind(), &kind, "{what}, rewrapped");
    }
}

/// A version is part of the associated data: two versions with one key would not be mixed up.
#[test]
fn the_version_is_authenticated() {
    use crate::wrap::{Kek, WrappedForm};
    let kek = |version| Kek { version, key: key(9).into() };
    let wrapped = kek(1).wrap(&key(7), &context("acme")).unwrap();
    let form = WrappedForm::parse(&wrapped).unwrap();
    assert!(kek(1).unwrap(&form, &context("acme")).is_ok());
    let error = kek(2).unwrap(&form, &context("acme")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::ContextMismatch);
}

#[tokio::test]
async fn without_automatic_creation_an_unknown_tenant_is_denied_by_name() {
    let kms = MemoryKms::new().with_auto_create(false);
    for error in [
        refusal(kms.generate_dek(&context("acme")).await),
        refusal(kms.encrypt_dek(&key(7), &context("acme")).await),
        refusal(kms.rotate_kek(&tenant("acme")).await),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::Denied);
        assert!(error.to_string().contains("\"acme\""), "{error}");
    }
    assert_eq!(kms.create_kek(&tenant("acme")).unwrap(), KekVersion(1));
    assert!(kms.generate_dek(&context("acme")).await.is_ok());
    assert_eq!(kms.rotate_kek(&tenant("acme")).await.unwrap(), KekVersion(2));
    assert_eq!(kms.create_kek(&tenant("acme")).unwrap(), KekVersion(2));
    assert_eq!(kms.tenants(), [(tenant("acme"), KekVersion(2))]);
}

#[tokio::test]
async fn a_shredded_tenant_is_not_created_by_hand_either() {
    let kms = MemoryKms::new();
    kms.delete_kek(&tenant("acme")).await.unwrap();
    let error = kms.create_kek(&tenant("acme")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
    assert!(kms.tenants().is_empty());
}

#[test]
fn debug_shows_no_tenant_and_no_key() {
    let kms = MemoryKms::new();
    kms.create_kek(&tenant("acme")).unwrap();
    assert_eq!(format!("{kms:?}"), "MemoryKms { tenants: 1, auto_create: true }");
}
