//! Batches: one call each, and one bad item spoils no other.

use sealmq_crypto_core::{EncryptionKey, KeyErrorKind, KeyManagementService};
use sealmq_test_kit::Answer;

use crate::support::{context, is_transit, kind, proxied};

#[tokio::test]
async fn many_deks_are_wrapped_opened_and_wrapped_anew_with_one_call_each() {
    let (proxy, service, _) = proxied().await;
    let context = context("acme");
    let deks: Vec<_> = (0..50).map(|_| EncryptionKey::generate().unwrap()).collect();
    let deks: Vec<_> = deks.iter().collect();
    let wrapped = service.encrypt_deks(&deks, &context).await.unwrap();
    assert_eq!(proxy.count(is_transit), 1);
    let wrapped: Vec<_> = wrapped.into_iter().map(Result::unwrap).collect();
    let forms: Vec<&[u8]> = wrapped.iter().map(Vec::as_slice).collect();
    let opened = service.decrypt_deks(&forms, &context).await.unwrap();
    assert_eq!(proxy.count(is_transit), 2);
    for (opened, dek) in opened.into_iter().zip(&deks) {
        assert!(opened.unwrap() == **dek);
    }
    let again = service.rewrap_deks(&forms, &context).await.unwrap();
    assert_eq!(proxy.count(is_transit), 4);
    for ((again, dek), before) in again.into_iter().zip(&deks).zip(&wrapped) {
        let again = again.unwrap();
        assert_ne!(&again, before);
        assert!(service.decrypt_dek(&again, &context).await.unwrap() == **dek);
    }
}

#[tokio::test]
async fn bad_items_are_refused_each_and_good_ones_open() {
    let (proxy, service, _) = proxied().await;
    let (ours, theirs) = (context("acme"), context("other"));
    let made = service.generate_dek(&ours).await.unwrap();
    let foreign = service.generate_dek(&theirs).await.unwrap().wrapped;
    let absent = String::from_utf8(made.wrapped.clone()).unwrap().replace(":v1:", ":v9:");
    let forms: Vec<&[u8]> =
        vec![&made.wrapped, b"nonsense", &foreign, absent.as_bytes(), &made.wrapped, b""];
    let before = proxy.count(is_transit);
    let opened = service.decrypt_deks(&forms, &ours).await.unwrap();
    assert_eq!(proxy.count(is_transit), before + 1);
    let kinds: Vec<_> = opened.iter().map(|o| o.as_ref().err().map(|e| e.kind().clone())).collect();
    use KeyErrorKind as K;
    let expected = [
        None,
        Some(K::Malformed),
        Some(K::ContextMismatch),
        Some(K::WrongKeyVersion),
        None,
        Some(K::Malformed),
    ];
    assert_eq!(kinds, expected);
    let again = service.rewrap_deks(&forms, &ours).await.unwrap();
    assert_eq!(again.iter().map(Result::is_ok).collect::<Vec<_>>(), expected.map(|e| e.is_none()));
    let nothing = service.decrypt_deks(&[b"nonsense"], &ours).await.unwrap();
    assert_eq!(nothing.len(), 1);
    assert_eq!(proxy.count(is_transit), before + 3, "what is no wrapped DEK is not sent");
    assert!(service.decrypt_deks(&[], &ours).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_of_another_length_is_no_answer() {
    let (proxy, service, _) = proxied().await;
    let made = service.generate_dek(&context("acme")).await.unwrap();
    let forms: Vec<&[u8]> = vec![&made.wrapped, &made.wrapped];
    let one = r#"{"data":{"batch_results":[{"plaintext":"AAAA"}]}}"#;
    proxy.answer(is_transit, Answer::json(200, one));
    let refused = service.decrypt_deks(&forms, &context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Unavailable);
}
