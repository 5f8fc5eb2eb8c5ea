//! The probe: healthy while the token answers to a user who is logged in.

use cryptoki::context::Pkcs11;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_pkcs11::Pkcs11Service;
use sealmq_test_kit::SoftHsm;

use crate::support::*;

token_test! {
    a_token_that_answers_is_healthy_and_stays_as_it_was {
        let service = service().await;
        service.health().await.unwrap();
        assert!(neighbours_session().find_objects(&[]).unwrap().is_empty());
        service.generate_dek(&context("acme")).await.unwrap();
        service.health().await.unwrap();
        let reads = Pkcs11Service::connect(config().with_read_only(true)).await.unwrap();
        reads.health().await.unwrap();
    }
}

token_test! {
    /// The first probe after it says so, and the next one is logged in again, without any message.
    a_logout_elsewhere_and_ended_sessions_are_found_and_mended {
        let service = service().await;
        neighbours_session().logout().unwrap();
        assert_eq!(kind(service.health().await), KeyErrorKind::Unavailable);
        service.health().await.unwrap();
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        assert_eq!(kind(service.health().await), KeyErrorKind::Unavailable);
        service.health().await.unwrap();
    }
}

token_test! {
    a_token_that_is_gone_is_unavailable_until_it_is_back {
        let service = service().await;
        service.health().await.unwrap();
        let tokens = SoftHsm::folder_inside();
        let away = tokens.with_file_name("away");
        std::fs::rename(&tokens, &away).unwrap();
        std::fs::create_dir(&tokens).unwrap();
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        for _ in 0..3 {
            assert_eq!(kind(service.health().await), KeyErrorKind::Unavailable);
        }
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        std::fs::remove_dir(&tokens).unwrap();
        std::fs::rename(&away, &tokens).unwrap();
        service.health().await.unwrap();
    }
}

token_test! {
    /// Somebody changed the PIN: who has to log in again is denied, and not by trying it out.
    a_pin_that_is_no_longer_right_is_denied {
        let service = service().await;
        service.health().await.unwrap();
        let session = neighbours_session();
        let (old, new) = (SoftHsm::PIN.into(), "another PIN".into());
        session.set_pin(&cryptoki::types::AuthPin::new(old), &cryptoki::types::AuthPin::new(new))
            .unwrap();
        drop(session);
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        assert_eq!(kind(service.health().await), KeyErrorKind::Unavailable);
        for _ in 0..3 {
            assert_eq!(kind(service.health().await), KeyErrorKind::Denied);
        }
    }
}
