//! Errors as callers see them.

use super::*;

#[test]
fn each_meaning_is_the_kind_to_act_on() {
    use KeyErrorKind as K;
    let call = Call::new("unwrapping a DEK", "context");
    let table = [
        (M::NotFound, K::KeyNotFound, false),
        (M::Shredded, K::KeyNotFound, false),
        (M::Denied, K::Denied, false),
        (M::Forbidden, K::Denied, false),
        (M::Disabled, K::Disabled, false),
        (M::Throttled, K::Throttled { retry_after: None }, true),
        (M::Unavailable, K::Unavailable, true),
        (M::ContextMismatch, K::ContextMismatch, false),
        (M::Exists, K::InvalidInput { field: "context" }, false),
        (M::Invalid, K::InvalidInput { field: "context" }, false),
    ];
    for (meaning, kind, retryable) in table {
        let error = call.error(meaning, None);
        assert_eq!(error.kind(), &kind);
        assert_eq!(error.is_retryable(), retryable, "{kind:?}");
        assert!(error.to_string().ends_with(": unwrapping a DEK"), "{error}");
    }
}

#[test]
fn of_the_services_words_only_harmless_ones_are_kept() {
    let value = "Value s3cret at 'plaintext' failed to satisfy constraint";
    assert_eq!(shown(Some("ValidationException"), Some(value)), None);
    assert_eq!(shown(Some("SignatureDoesNotMatch"), Some("x-amz-security-token:s3cret")), None);
    let who = "User: arn:aws:iam::1:user/x is not authorized";
    assert_eq!(shown(Some("AccessDeniedException"), Some(who)).unwrap(), who);
    assert_eq!(shown(None, Some("text")), None);
}
