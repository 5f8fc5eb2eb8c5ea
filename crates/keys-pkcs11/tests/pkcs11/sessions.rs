//! Sessions and logins that end under the service: an error to retry, and never a verdict on keys.

use std::sync::Arc;

use cryptoki::context::Pkcs11;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_pkcs11::Pkcs11Service;
use sealmq_test_kit::SoftHsm;

use crate::support::*;

token_test! {
    /// Who is logged out sees no key. That must not read as "the tenant was never used".
    a_logout_elsewhere_hides_keys_and_loses_none {
        let service = service().await;
        let used = context("acme");
        let made = service.generate_dek(&used).await.unwrap();
        for _ in 0..3 {
            service.generate_dek(&used).await.unwrap();
            let session = neighbours_session();
            assert!(!session.find_objects(&[]).unwrap().is_empty());
            session.logout().unwrap();
            assert!(session.find_objects(&[]).unwrap().is_empty(), "the token looks empty");

            let error = service.decrypt_dek(&made.wrapped, &used).await.unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
            assert!(service.decrypt_dek(&made.wrapped, &used).await.unwrap() == made.dek);

            session.logout().unwrap();
            assert!(service.generate_dek(&context("new")).await.unwrap_err().is_retryable());
            let version = service.rotate_kek(used.tenant()).await.unwrap().0;
            session.logout().unwrap();
            assert!(service.rotate_kek(used.tenant()).await.unwrap_err().is_retryable());
            assert_eq!(service.rotate_kek(used.tenant()).await.unwrap().0, version + 1);
            session.logout().unwrap();
            assert!(service.delete_kek(used.tenant()).await.unwrap_err().is_retryable());
        }
    }
}

token_test! {
    /// As when the HSM restarts: all sessions and the login are gone at once.
    sessions_that_ended_are_replaced {
        let service = service().await;
        let used = context("acme");
        let made = service.generate_dek(&used).await.unwrap();
        for _ in 0..3 {
            Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
            let error = service.decrypt_dek(&made.wrapped, &used).await.unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
            assert!(service.decrypt_dek(&made.wrapped, &used).await.unwrap() == made.dek);
        }
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        Pkcs11Service::connect(config()).await.unwrap().generate_dek(&used).await.unwrap();
    }
}

token_test! {
    more_callers_than_sessions_wait_their_turn {
        let service = Pkcs11Service::connect(config().with_max_sessions(2)).await.unwrap();
        let used = Arc::new(context("acme"));
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let (service, used) = (service.clone(), Arc::clone(&used));
                tokio::spawn(async move {
                    let made = service.generate_dek(&used).await.unwrap();
                    assert!(service.decrypt_dek(&made.wrapped, &used).await.unwrap() == made.dek);
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let (pkcs11, slot) = neighbour();
        let open = pkcs11.get_token_info(slot).unwrap().session_count();
        assert!(open.is_none_or(|open| open <= 3), "{open:?} sessions are open");
    }
}
