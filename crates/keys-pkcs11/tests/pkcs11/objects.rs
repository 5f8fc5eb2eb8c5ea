//! The objects in the token: what can be done with a KEK, and with what stands in for one.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_pkcs11::{NonceSource, Pkcs11Service};

use crate::support::*;

/// Where the keys of the tenant `acme` are.
const LABEL: &[u8] = b"sealmq-kek/acme";

fn keys(session: &Session) -> Vec<ObjectHandle> {
    let class = Attribute::Class(ObjectClass::SECRET_KEY);
    session.find_objects(&[class, Attribute::Label(LABEL.to_vec())]).unwrap()
}

/// An AES key like a KEK, with these differences.
fn template(id: [u8; 16], more: &[Attribute]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(LABEL.to_vec()),
        Attribute::Id(id.to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    template.extend_from_slice(more);
    template
}

fn generated(session: &Session, id: [u8; 16], more: &[Attribute]) -> ObjectHandle {
    let length = Attribute::ValueLen(Ulong::new(32));
    let more = [more, &[length]].concat();
    session.generate_key(&Mechanism::AesKeyGen, &template(id, &more)).unwrap()
}

/// The lowest id of version 1.
fn lowest() -> [u8; 16] {
    let mut id = [0; 16];
    id[3] = 1;
    id
}

token_test! {
    /// Whoever has the PIN can use a KEK as the service does, and neither copy it out nor use it in
    /// a mode without authentication. Both work on a careless key.
    a_kek_gives_nothing_away {
        let service = service().await;
        service.generate_dek(&context("acme")).await.unwrap();
        let session = neighbours_session();
        let kek = keys(&session)[0];
        let careless = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let control = generated(&session, [9; 16], &careless);
        let value = |key| {
            let attributes = session.get_attributes(key, &[AttributeType::Value]).unwrap();
            attributes.into_iter().find(|attribute| matches!(attribute, Attribute::Value(_)))
        };
        assert!(matches!(value(control), Some(Attribute::Value(bytes)) if bytes.len() == 32));
        assert_eq!(value(kek), None, "its value cannot be read");

        let wrapper = generated(&session, [8; 16], &[Attribute::Wrap(true)]);
        assert!(session.wrap_key(&Mechanism::AesKeyWrap, wrapper, control).is_ok());
        assert!(session.wrap_key(&Mechanism::AesKeyWrap, wrapper, kek).is_err(), "nor wrapped out");

        let block = [0; 16];
        assert!(session.encrypt(&Mechanism::AesEcb, control, &block).is_ok());
        assert!(session.encrypt(&Mechanism::AesEcb, kek, &block).is_err(), "nor used in ECB");
        assert!(session.update_attributes(kek, &[Attribute::Extractable(true)]).is_err());
        assert!(session.update_attributes(kek, &[Attribute::Label(b"x".to_vec())]).is_err());
    }
}

token_test! {
    /// Somebody who knows a key's bytes plants it where the service looks first.
    a_planted_key_wraps_nothing {
        let session = neighbours_session();
        let value = Attribute::Value(vec![7; 32]);
        let hidden = [value, Attribute::Sensitive(true), Attribute::Extractable(false)];
        let planted = session.create_object(&template(lowest(), &hidden)).unwrap();
        let opens = |key, nonce: &[u8], sealed: &[u8], associated_data: &[u8]| {
            let mut nonce = nonce.to_vec();
            let parameters = GcmParams::new(&mut nonce, associated_data, Ulong::new(128)).unwrap();
            session.decrypt(&Mechanism::AesGcm(parameters), key, sealed).is_ok()
        };
        let used = context("acme");
        let level = b"sealmq-keys-pkcs11/kek-wraps-dek/aes-256-gcm/v1";
        let associated_data = [&level[..], &[0, 0, 0, 1], &used.associated_data()].concat();

        let service = service().await;
        let made = service.generate_dek(&used).await.unwrap();
        assert_eq!(keys(&session).len(), 2, "the service made a key of its own");
        let (nonce, sealed) = (&made.wrapped[4..16], &made.wrapped[16..]);
        assert!(!opens(planted, nonce, sealed, &associated_data), "the planted key opens nothing");
        let own = keys(&session).into_iter().find(|key| *key != planted).unwrap();
        assert!(opens(own, nonce, sealed, &associated_data), "the form is as documented");

        // What the planted key wrapped is not accepted either.
        let mut nonce = [5; 12];
        let parameters = GcmParams::new(&mut nonce, &associated_data, Ulong::new(128)).unwrap();
        let sealed = session.encrypt(&Mechanism::AesGcm(parameters), planted, &[1; 32]).unwrap();
        let forged = [&[0, 0, 0, 1][..], &[5; 12], &sealed].concat();
        let refused = kind(service.decrypt_dek(&forged, &used).await);
        assert_eq!(refused, KeyErrorKind::ContextMismatch);
    }
}

token_test! {
    /// Two processes made version 1 at once. Whoever sees both agrees on the lower id, and what
    /// the other one wrapped opens.
    of_two_first_versions_one_wraps_and_both_open {
        let service = service().await;
        let used = context("acme");
        let before = service.generate_dek(&used).await.unwrap();
        let session = neighbours_session();
        let kept = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let other = generated(&session, lowest(), &kept);
        let after = service.generate_dek(&used).await.unwrap();
        for made in [&before, &after] {
            assert_eq!(made.wrapped[..4], [0, 0, 0, 1]);
            assert!(service.decrypt_dek(&made.wrapped, &used).await.unwrap() == made.dek);
        }
        assert_eq!(service.rotate_kek(used.tenant()).await.unwrap().0, 2);
        session.destroy_object(other).unwrap();
        assert!(service.decrypt_dek(&before.wrapped, &used).await.unwrap() == before.dek);
        let gone = kind(service.decrypt_dek(&after.wrapped, &used).await);
        assert_eq!(gone, KeyErrorKind::ContextMismatch, "the one with the lower id wrapped it");
    }
}

token_test! {
    /// Where a shredded tenant was, a tombstone stands; it alone keeps the tenant from being reborn.
    shredding_leaves_a_tombstone_and_no_key {
        let service = service().await;
        let used = context("acme");
        let made = service.generate_dek(&used).await.unwrap();
        service.rotate_kek(used.tenant()).await.unwrap();
        let session = neighbours_session();
        assert_eq!(keys(&session).len(), 2);
        for _ in 0..2 {
            service.delete_kek(used.tenant()).await.unwrap();
            assert!(keys(&session).is_empty());
            assert_eq!(kind(service.generate_dek(&used).await), KeyErrorKind::KeyNotFound);
        }
        let tombstones = session.find_objects(&[Attribute::Label(LABEL.to_vec())]).unwrap();
        assert_eq!(tombstones.len(), 1);

        // A key that another process made late is not used, and goes with the next shredding.
        generated(&session, lowest(), &[Attribute::Sensitive(true), Attribute::Extractable(false)]);
        assert_eq!(kind(service.generate_dek(&used).await), KeyErrorKind::KeyNotFound);
        service.delete_kek(used.tenant()).await.unwrap();
        assert!(keys(&session).is_empty());

        session.destroy_object(tombstones[0]).unwrap();
        let reborn = service.generate_dek(&used).await.unwrap();
        assert!(service.decrypt_dek(&reborn.wrapped, &used).await.is_ok());
        assert!(service.decrypt_dek(&made.wrapped, &used).await.is_err(), "its keys stay gone");
    }
}

token_test! {
    /// SoftHSM takes the nonce it is given. Told to leave it to the token, the service notices.
    a_token_without_nonces_of_its_own_is_refused {
        let config = config().with_nonce_source(NonceSource::Token);
        let service = Pkcs11Service::connect(config).await.unwrap();
        let error = service.generate_dek(&context("acme")).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Malformed);
    }
}

token_test! {
    /// "General error" is all that SoftHSM says of a forged form, and what an HSM says when it has
    /// a bad moment. The first is refused for good; the second must not condemn a message.
    a_general_error_is_about_the_form_only_if_the_key_works {
        let session = neighbours_session();
        let kept = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let key = generated(&session, lowest(), &kept);
        let (service, used) = (service().await, context("acme"));
        let forged = [&[0, 0, 0, 1][..], &[5; 60]].concat();

        let mut nonce = [5; 12];
        let parameters = GcmParams::new(&mut nonce, b"", Ulong::new(128)).unwrap();
        let raw = session.decrypt(&Mechanism::AesGcm(parameters), key, &forged[16..]);
        assert!(matches!(raw, Err(Error::Pkcs11(RvError::GeneralError, _))), "{raw:?}");
        let refused = kind(service.decrypt_dek(&forged, &used).await);
        assert_eq!(refused, KeyErrorKind::ContextMismatch);

        session.destroy_object(key).unwrap();
        let broken = [kept[0].clone(), kept[1].clone(), Attribute::Encrypt(false)];
        let mut template = template(lowest(), &broken);
        template.remove(template.iter().position(|mark| *mark == Attribute::Encrypt(true)).unwrap());
        template.push(Attribute::ValueLen(Ulong::new(32)));
        session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        let error = service.decrypt_dek(&forged, &used).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
        assert!(error.is_retryable());
    }
}
