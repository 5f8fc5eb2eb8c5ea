//! Errors as callers see them.

use super::*;

#[test]
fn each_meaning_is_the_kind_to_act_on() {
    use TransportErrorKind as K;
    let call = Call::new("sending to queue orders", "message").of_size(2_000_000);
    let minute = Duration::from_secs(60);
    let table = [
        (M::NotFound, K::NotFound, false),
        (M::Denied, K::Denied, false),
        (M::Unavailable, K::Unavailable, true),
        (M::Throttled, K::Throttled { retry_after: None }, true),
        (M::ThrottledFor(minute), K::Throttled { retry_after: Some(minute) }, true),
        (M::TooLarge, K::TooLarge { size_bytes: 2_000_000, limit_bytes: 1_048_576 }, false),
        (M::Invalid, K::InvalidInput { field: "message" }, false),
        (M::Unsupported, K::Unsupported { feature: "this operation" }, false),
        (M::LockLost, K::LockLost, false),
    ];
    for (meaning, kind, retryable) in table {
        let error = call.error(meaning, None);
        assert_eq!(error.kind(), &kind);
        assert_eq!(error.is_retryable(), retryable, "{kind:?}");
        assert!(error.to_string().ends_with(": sending to queue orders"), "{error}");
    }
}

#[test]
fn of_the_services_words_only_harmless_ones_are_kept() {
    let value = "Value s3cret for parameter X is invalid. Reason: Must be short.";
    assert_eq!(shown(Some("InvalidParameterValue"), Some(value)).unwrap(), "Must be short.");
    assert_eq!(shown(Some("SignatureDoesNotMatch"), Some("x-amz-security-token:s3cret")), None);
    let who = "User: arn:aws:iam::1:user/x is not authorized";
    assert_eq!(shown(Some("AccessDeniedException"), Some(who)).unwrap(), who);
    assert_eq!(shown(None, Some("text")), None);
}
