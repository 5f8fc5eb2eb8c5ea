//! The errors that any service of AWS may answer with: one table, keyed by their codes.

/// What an error means to the caller, whatever was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonError {
    /// Who calls is not known, or no longer.
    Denied,
    /// Who calls is known, and no policy allows it.
    Forbidden,
    /// The service has no such action.
    NotOffered,
    /// The request cannot be served as it is.
    Invalid,
    /// There were too many requests.
    Throttled,
    /// The service could not serve the request.
    Unavailable,
}

use CommonError as E;

/// Sources: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>
const ERRORS: &[(&str, CommonError)] = &[
    ("AccessDenied", E::Forbidden),
    ("AccessDeniedException", E::Forbidden),
    ("NotAuthorized", E::Forbidden),
    ("NotAuthorizedException", E::Forbidden),
    ("OptInRequired", E::Denied),
    ("InvalidClientTokenId", E::Denied),
    ("UnrecognizedClientException", E::Denied),
    ("SignatureDoesNotMatch", E::Denied),
    ("InvalidSignatureException", E::Denied),
    ("IncompleteSignature", E::Denied),
    ("IncompleteSignatureException", E::Denied),
    ("MissingAuthenticationToken", E::Denied),
    ("MissingAuthenticationTokenException", E::Denied),
    ("ExpiredToken", E::Denied),
    ("ExpiredTokenException", E::Denied),
    ("RequestExpired", E::Denied),
    ("InvalidAction", E::NotOffered),
    ("UnknownOperationException", E::NotOffered),
    ("InvalidParameterValue", E::Invalid),
    ("ValidationError", E::Invalid),
    ("ValidationException", E::Invalid),
    ("SerializationException", E::Invalid),
    ("Throttling", E::Throttled),
    ("ThrottlingException", E::Throttled),
    ("ThrottledException", E::Throttled),
    ("RequestThrottled", E::Throttled),
    ("RequestThrottledException", E::Throttled),
    ("TooManyRequestsException", E::Throttled),
    ("RequestLimitExceeded", E::Throttled),
    ("PriorRequestNotComplete", E::Throttled),
    ("SlowDown", E::Throttled),
    ("InternalFailure", E::Unavailable),
    ("ServiceUnavailable", E::Unavailable),
    ("ServiceUnavailableException", E::Unavailable),
    ("RequestTimeout", E::Unavailable),
    ("RequestTimeoutException", E::Unavailable),
];

impl CommonError {
    /// What a code means that is not the service's own; one that is in no table is judged by the
    /// status of the answer.
    pub fn of(code: &str, status: Option<u16>) -> Self {
        let known = ERRORS.iter().find(|(name, _)| *name == code);
        match (known, status) {
            (Some((_, known)), _) => *known,
            (None, Some(401 | 403)) => E::Denied,
            (None, Some(429)) => E::Throttled,
            (None, Some(400..=499)) => E::Invalid,
            (None, _) => E::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning_whatever_the_status() {
        let codes: BTreeSet<_> = ERRORS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), ERRORS.len());
        for (code, expected) in ERRORS {
            for status in [Some(400), Some(403), Some(500), None] {
                assert_eq!(CommonError::of(code, status), *expected, "{code}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        let table = [
            (Some(400), E::Invalid),
            (Some(401), E::Denied),
            (Some(403), E::Denied),
            (Some(404), E::Invalid),
            (Some(429), E::Throttled),
            (Some(500), E::Unavailable),
            (Some(503), E::Unavailable),
            (Some(302), E::Unavailable),
            (Some(200), E::Unavailable),
            (None, E::Unavailable),
        ];
        for (status, expected) in table {
            assert_eq!(CommonError::of("", status), expected, "{status:?}");
            assert_eq!(CommonError::of("SomethingNew", status), expected, "{status:?}");
        }
    }
}
