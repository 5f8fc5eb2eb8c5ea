//! FIPS mode: the validated module alone, and nothing but AES-256-GCM.

use sealmq_crypto_core::{AeadBackend, AesGcmCryptoProvider, CryptoConfig, Suite};

use crate::support::{FakeStore, KEY_ID, assert_invalid, clock, named_keys};

#[test]
fn other_suites_are_refused_in_fips_mode() {
    let fips = CryptoConfig::strict().with_fips();
    assert_eq!(
        (fips.suite, &fips.accepted_suites[..]),
        (Suite::Aes256Gcm, &[Suite::Aes256Gcm][..])
    );
    for suites in [vec![Suite::ChaCha20Poly1305], Suite::ALL.to_vec(), vec![Suite::Remote]] {
        let config = fips.clone().with_suite(suites[0]).with_accepted_suites(suites);
        assert_invalid(config.validate(), "accepted_suites");
    }
}

#[test]
fn other_back_ends_are_refused_in_fips_mode() {
    for backend in [AeadBackend::Ring, AeadBackend::RustCrypto] {
        assert!(!backend.is_fips());
        let config = CryptoConfig::strict().with_fips().with_aead_backend(backend);
        assert_invalid(config.validate(), "fips");
    }
}

/// The mode is refused where there is no module, and never ignored.
#[cfg(not(feature = "fips"))]
#[test]
fn a_build_without_the_module_has_no_fips_mode() {
    let config = CryptoConfig::strict().with_fips();
    assert!(AeadBackend::AVAILABLE.iter().all(|backend| !backend.is_fips()));
    CryptoConfig::strict().validate().unwrap(); // the control
    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    let provider = || AesGcmCryptoProvider::builder().named_keys(named_keys(&store, &clock));
    let backend = AeadBackend::default();
    let in_fips_mode = config.clone().with_aead_backend(backend);
    assert_invalid(provider().config(&in_fips_mode).build(), "fips");
    provider().build().unwrap(); // the control
    assert_invalid(config.with_aead_backend(backend).validate(), "fips");
}

#[cfg(feature = "fips")]
#[tokio::test]
async fn in_fips_mode_aes_seals_and_opens_and_a_frame_of_another_suite_is_refused() {
    use sealmq_crypto_core::{CryptoErrorKind, CryptoProvider};

    use crate::support::{context, named_provider};

    assert_eq!(AeadBackend::default(), AeadBackend::AwsLcRs);
    assert!(AeadBackend::default().is_fips());
    let config = CryptoConfig::strict().with_fips();
    config.validate().unwrap();
    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    let provider = AesGcmCryptoProvider::builder().named_keys(named_keys(&store, &clock));
    provider.config(&config).build().unwrap();

    let (fips, context) = (named_provider(&config), context());
    let sealed = fips.encrypt(b"body", &context).await.unwrap();
    let opened = fips.decrypt(sealed, &context).await.unwrap();
    assert_eq!(opened.danger_release_at_any_age(), "body");

    let lenient = named_provider(&CryptoConfig::strict().with_suite(Suite::ChaCha20Poly1305));
    let sealed = lenient.encrypt(b"body", &context).await.unwrap();
    lenient.decrypt(sealed.clone(), &context).await.unwrap(); // the control
    let refused = fips.decrypt(sealed, &context).await.unwrap_err();
    let unsupported = CryptoErrorKind::Unsupported { field: "suite", value: 0x02 };
    assert_eq!(refused.kind(), &unsupported);
}
