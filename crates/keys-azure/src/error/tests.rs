//! Errors as callers see them.

use std::collections::BTreeSet;

use azure_core::http::StatusCode;
use azure_core::http::headers::Headers;

use super::meaning::MEANINGS;
use super::*;

fn answered(status: u16, body: &str, retry_after: Option<&'static str>) -> azure_core::Error {
    let mut headers = Headers::new();
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds);
    }
    let status = StatusCode::from(status);
    let raw = RawResponse::from_bytes(status, headers, body.as_bytes().to_vec());
    ErrorKind::HttpResponse { status, error_code: None, raw_response: Some(Box::new(raw)) }
        .into_error()
}

fn coded(status: u16, code: &str, inner: Option<&str>) -> azure_core::Error {
    let inner = inner.map(|code| format!(r#","innererror":{{"code":"{code}"}}"#));
    let inner = inner.unwrap_or_default();
    let body = format!(r#"{{"error":{{"code":"{code}","message":"s3cret"{inner}}}}}"#);
    answered(status, &body, None)
}

#[test]
fn every_answer_has_its_kind() {
    use KeyErrorKind as K;
    let call = Call::new("wrapping a DEK");
    let invalid = K::InvalidInput { field: "request" };
    let table = [
        (coded(404, "KeyNotFound", None), K::KeyNotFound),
        (coded(404, "SecretNotFound", None), K::KeyNotFound),
        (coded(409, "Conflict", Some("ObjectIsDeletedButRecoverable")), K::KeyNotFound),
        (coded(409, "Conflict", Some("ObjectIsBeingDeleted")), K::Unavailable),
        (coded(409, "Conflict", Some("ObjectIsBeingRecovered")), K::Unavailable),
        (coded(409, "Conflict", None), K::Unavailable),
        (coded(401, "Unauthorized", None), K::Denied),
        (coded(403, "Forbidden", None), K::Denied),
        (coded(403, "Forbidden", Some("AccessDenied")), K::Denied),
        (coded(403, "Forbidden", Some("ForbiddenByRbac")), K::Denied),
        (coded(403, "Forbidden", Some("SomethingNew")), K::Denied),
        (coded(403, "Forbidden", Some("KeyOperationForbidden")), K::Denied),
        (coded(403, "Forbidden", Some("KeyDisabled")), K::Disabled),
        (coded(403, "Forbidden", Some("KeyExpired")), K::Disabled),
        (coded(403, "Forbidden", Some("KeyNotYetValid")), K::Disabled),
        (coded(403, "Forbidden", Some("SecretDisabled")), K::Disabled),
        (coded(429, "Throttled", None), K::Throttled { retry_after: None }),
        (answered(429, "", Some("7")), K::Throttled { retry_after: Some(Duration::from_secs(7)) }),
        (coded(400, "BadParameter", None), invalid.clone()),
        (answered(400, "", None), invalid),
        (coded(500, "BadParameter", None), K::Unavailable),
        (answered(500, "<html>", None), K::Unavailable),
        (answered(503, "", None), K::Unavailable),
        (answered(307, "", None), K::Unavailable),
        (answered(404, "<html>no such page</html>", None), K::Unavailable),
        (answered(408, "", None), K::Unavailable),
        (ErrorKind::Io.into_error(), K::Unavailable),
        (ErrorKind::Connection.into_error(), K::Unavailable),
        (ErrorKind::DataConversion.into_error(), K::Unavailable),
        (ErrorKind::Other.into_error(), K::Unavailable),
        // The SDK's word for a token that was forgotten under its hands.
        (ErrorKind::Credential.into_error(), K::Unavailable),
        (azure_core::Error::new(ErrorKind::Credential, "no identity"), K::Denied),
        (
            azure_core::Error::new(ErrorKind::Credential, coded(401, "invalid_client", None)),
            K::Denied,
        ),
        (azure_core::Error::new(ErrorKind::Credential, coded(404, "", None)), K::Unavailable),
        (azure_core::Error::new(ErrorKind::Credential, answered(503, "", None)), K::Unavailable),
        (
            azure_core::Error::new(ErrorKind::Credential, answered(429, "", Some("3"))),
            K::Throttled { retry_after: Some(Duration::from_secs(3)) },
        ),
        (
            azure_core::Error::new(ErrorKind::Credential, ErrorKind::DataConversion.into_error()),
            K::Unavailable,
        ),
        (no_answer(), K::Unavailable),
        (azure_core::Error::new(ErrorKind::Credential, no_answer()), K::Unavailable),
    ];
    for (error, kind) in table {
        let found = call.failed(&error).error;
        assert_eq!(*found.kind(), kind, "{error:?}");
        let shown = format!("{found} {found:?}");
        assert!(
            !shown.contains("s3cret")
                || shown.contains("AccessDenied")
                || shown.contains("Rbac")
                || shown.contains("Disabled")
                || shown.contains("ObjectIs"),
            "{shown}"
        );
    }
}

fn no_answer() -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Other, NoAnswer { reason: "broken".into() })
}

#[test]
fn what_does_not_unwrap_is_a_mismatch() {
    let call = Call::unwrapping("unwrapping a DEK");
    let error = call.failed(&coded(400, "BadParameter", None)).error;
    assert_eq!(*error.kind(), KeyErrorKind::ContextMismatch);
    assert!(error.to_string().ends_with(": unwrapping a DEK"), "{error}");
}

#[test]
fn each_code_has_one_meaning() {
    let codes: BTreeSet<_> = MEANINGS.iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), MEANINGS.len());
}
