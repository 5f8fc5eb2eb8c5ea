//! Who may use the token: PINs, roles, and which token and module it is.

use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use sealmq_crypto_core::{EncryptionKey, KeyErrorKind, KeyManagementService};
use sealmq_keys_pkcs11::{Pkcs11Config, Pkcs11Service, TokenName};
use sealmq_test_kit::SoftHsm;

use crate::support::*;

fn with_pin(text: &str) -> Pkcs11Config {
    Pkcs11Config::new(SoftHsm::module(), TokenName::Label(TOKEN.into()), pin(text))
}

token_test! {
    /// However often it is tried: the token is shown a wrong PIN once, so that it never locks.
    a_wrong_pin_is_shown_to_the_token_once {
        let (pkcs11, slot) = neighbour();
        let was_shown_a_wrong_pin = || pkcs11.get_token_info(slot).unwrap().user_pin_count_low();
        assert!(!was_shown_a_wrong_pin());
        assert_eq!(kind(Pkcs11Service::connect(with_pin("wrong")).await), KeyErrorKind::Denied);
        assert!(was_shown_a_wrong_pin(), "the token notes a wrong PIN");

        let session = pkcs11.open_rw_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(SoftHsm::PIN.into()))).unwrap();
        session.logout().unwrap();
        assert!(!was_shown_a_wrong_pin(), "a right PIN makes it forget");
        for _ in 0..20 {
            let error = Pkcs11Service::connect(with_pin("wrong")).await.unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Denied);
            assert!(!error.is_retryable());
        }
        assert!(!was_shown_a_wrong_pin(), "it is not tried again");
        service().await.generate_dek(&context("acme")).await.unwrap();
    }
}

token_test! {
    /// The security officer can reset PINs and initialize the token; keys are not his.
    the_security_officers_pin_is_refused {
        let outcome = Pkcs11Service::connect(with_pin(SoftHsm::SO_PIN)).await;
        assert_eq!(kind(outcome), KeyErrorKind::Denied);
    }
}

token_test! {
    a_missing_token_may_come_back {
        let token = TokenName::Label("absent".into());
        let config = Pkcs11Config::new(SoftHsm::module(), token, pin(SoftHsm::PIN));
        let error = Pkcs11Service::connect(config).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
        assert!(error.is_retryable());
    }
}

token_test! {
    a_missing_or_foreign_module_is_a_wrong_configuration {
        let text = tempfile::NamedTempFile::new().unwrap();
        for module in ["/nowhere/module.so".as_ref(), text.path()] {
            let token = TokenName::Label(TOKEN.into());
            let config = Pkcs11Config::new(module, token, pin(SoftHsm::PIN));
            let refused = kind(Pkcs11Service::connect(config).await);
            assert_eq!(refused, KeyErrorKind::InvalidInput { field: "module" });
        }
    }
}

/// A label is no unique name; the serial number is.
#[test]
fn of_two_tokens_with_one_label_none_is_guessed() {
    let name = concat!(module_path!(), "::of_two_tokens_with_one_label_none_is_guessed");
    if !SoftHsm::is_inside() {
        return again(&SoftHsm::new(&[TOKEN, TOKEN]), name);
    }
    run(async {
        let refused = kind(Pkcs11Service::connect(config()).await);
        assert_eq!(refused, KeyErrorKind::InvalidInput { field: "token_label" });
        let (pkcs11, slot) = neighbour();
        let serial = pkcs11.get_token_info(slot).unwrap().serial_number().to_owned();
        let token = TokenName::Serial(serial.clone());
        let config = Pkcs11Config::new(SoftHsm::module(), token, pin(SoftHsm::PIN));
        let service = Pkcs11Service::connect(config).await.unwrap();
        assert!(service.name().contains(&serial));
        service.generate_dek(&context("acme")).await.unwrap();
    });
}

token_test! {
    /// The token itself refuses changes over a read-only session.
    a_read_only_service_wraps_and_changes_nothing {
        let writer = service().await;
        let used = context("acme");
        let made = writer.generate_dek(&used).await.unwrap();
        let reader = Pkcs11Service::connect(config().with_read_only(true)).await.unwrap();
        let capabilities = reader.capabilities();
        assert!(!capabilities.rotation && !capabilities.deletion);

        assert!(reader.decrypt_dek(&made.wrapped, &used).await.unwrap() == made.dek);
        let theirs = reader.generate_dek(&used).await.unwrap();
        assert!(writer.decrypt_dek(&theirs.wrapped, &used).await.unwrap() == theirs.dek);
        reader.rewrap_dek(&made.wrapped, &used).await.unwrap();

        let dek = EncryptionKey::generate().unwrap();
        assert_eq!(kind(reader.encrypt_dek(&dek, &context("new")).await), KeyErrorKind::Denied);
        assert_eq!(kind(reader.rotate_kek(used.tenant()).await), KeyErrorKind::Denied);
        assert_eq!(kind(reader.delete_kek(used.tenant()).await), KeyErrorKind::Denied);
        writer.decrypt_dek(&made.wrapped, &used).await.unwrap();
        writer.rotate_kek(used.tenant()).await.unwrap();
    }
}
