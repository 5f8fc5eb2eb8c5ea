//! The test kit's proxy in the terms of AWS: requests by their action, errors as the services give
//! them.

use sealmq_crypto_core::KeyErrorKind;
use sealmq_test_kit::{Answer, HttpProxy, Request};

/// An error as the services give them.
pub(crate) fn refused(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(r#"{{"__type":"{code}","message":{message:?}}}"#);
    Answer::json(status, body).with_header("x-amzn-requestid", "request-1")
}

/// `TrentService.Decrypt` is the action `Decrypt`.
pub(crate) fn is(request: &Request, action: &str) -> bool {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next() == Some(action)
}

/// How many requests of this action came.
pub(crate) fn count(proxy: &HttpProxy, action: &'static str) -> usize {
    proxy.count(|request| is(request, action))
}

/// An answer, and what it means.
pub(crate) type Fault = (&'static str, Answer, KeyErrorKind);

/// Whether it is a limit on time that ends the fault of this name.
pub(crate) fn is_slow(fault: &str) -> bool {
    ["silence", "a slow drip"].contains(&fault)
}

/// What can go wrong with any call to any service.
pub(crate) fn faults() -> Vec<Fault> {
    use KeyErrorKind as K;
    use std::time::Duration;
    let throttled = |after| K::Throttled { retry_after: after };
    let slowly = Duration::from_secs(1);
    vec![
        (
            "throttled with retry-after",
            refused(400, "ThrottlingException", "Rate exceeded").with_header("retry-after", "7"),
            throttled(Some(Duration::from_secs(7))),
        ),
        ("throttled", refused(400, "ThrottlingException", "Rate exceeded"), throttled(None)),
        ("too many requests", Answer::json(429, "{}"), throttled(None)),
        ("500", refused(500, "KMSInternalException", "internal"), K::Unavailable),
        ("502 in HTML", Answer::json(502, "<html>bad gateway</html>"), K::Unavailable),
        ("503", Answer::json(503, "{}"), K::Unavailable),
        (
            "a redirect",
            Answer::json(307, "").with_header("location", "http://127.0.0.1:1/"),
            K::Unavailable,
        ),
        ("a reset", Answer::Reset, K::Unavailable),
        (
            "a reset mid-body",
            Answer::Unfinished { body: b"{\"Plai".into(), promised: 200, pause: Duration::ZERO },
            K::Unavailable,
        ),
        (
            "a slow drip",
            Answer::Unfinished { body: vec![b' '; 200], promised: 200, pause: slowly },
            K::Unavailable,
        ),
        ("silence", Answer::Silence(Duration::from_secs(300)), K::Unavailable),
        ("an oversized answer", Answer::json(200, " ".repeat(8 << 20) + "{}"), K::Unavailable),
        ("no JSON", Answer::json(200, "nothing of the kind"), K::Unavailable),
        ("an expired token", refused(400, "ExpiredTokenException", "expired"), K::Denied),
        ("a bad signature", refused(400, "InvalidSignatureException", "no"), K::Denied),
        ("a policy", refused(400, "AccessDeniedException", "not authorized"), K::Denied),
    ]
}
