//! What the services' errors mean: one table, keyed by their codes.

/// What an error means to the caller, whatever was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    NotFound,
    /// It waits for its deletion.
    Shredded,
    Denied,
    /// Denied to who is known: no policy allows it.
    Forbidden,
    Disabled,
    Throttled,
    Unavailable,
    ContextMismatch,
    /// What was to be made is there already.
    Exists,
    Invalid,
}

use Meaning as M;

/// Sources: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html> and the
/// errors listed there for each action.
const MEANINGS: &[(&str, Meaning)] = &[
    ("NotFoundException", M::NotFound),
    ("ResourceNotFoundException", M::NotFound),
    ("AccessDenied", M::Forbidden),
    ("AccessDeniedException", M::Forbidden),
    ("NotAuthorized", M::Forbidden),
    ("NotAuthorizedException", M::Forbidden),
    ("OptInRequired", M::Denied),
    ("InvalidClientTokenId", M::Denied),
    ("UnrecognizedClientException", M::Denied),
    ("SignatureDoesNotMatch", M::Denied),
    ("InvalidSignatureException", M::Denied),
    ("IncompleteSignature", M::Denied),
    ("IncompleteSignatureException", M::Denied),
    ("MissingAuthenticationToken", M::Denied),
    ("MissingAuthenticationTokenException", M::Denied),
    ("ExpiredToken", M::Denied),
    ("ExpiredTokenException", M::Denied),
    ("RequestExpired", M::Denied),
    ("LimitExceededException", M::Denied), // a quota of keys, aliases or rotations is used up
    ("UnsupportedOperationException", M::Denied), // not offered for this kind of key
    ("InvalidAction", M::Denied),
    ("UnknownOperationException", M::Denied),
    ("DecryptionFailure", M::Denied), // the KMS key of the secret
    ("DisabledException", M::Disabled),
    ("KMSInvalidStateException", M::Disabled),
    ("InvalidRequestException", M::Disabled), // the secret waits for its deletion
    ("InvalidCiphertextException", M::ContextMismatch),
    ("IncorrectKeyException", M::ContextMismatch),
    ("AlreadyExistsException", M::Exists),
    ("Throttling", M::Throttled),
    ("ThrottlingException", M::Throttled),
    ("ThrottledException", M::Throttled),
    ("RequestThrottled", M::Throttled),
    ("RequestThrottledException", M::Throttled),
    ("TooManyRequestsException", M::Throttled),
    ("RequestLimitExceeded", M::Throttled),
    ("PriorRequestNotComplete", M::Throttled),
    ("SlowDown", M::Throttled),
    ("DependencyTimeoutException", M::Unavailable),
    ("KeyUnavailableException", M::Unavailable),
    ("KMSInternalException", M::Unavailable),
    ("ConflictException", M::Unavailable), // another rotation of the key is under way
    ("InternalServiceError", M::Unavailable),
    ("InternalServiceErrorException", M::Unavailable),
    ("InternalFailure", M::Unavailable),
    ("ServiceUnavailable", M::Unavailable),
    ("ServiceUnavailableException", M::Unavailable),
    ("RequestTimeout", M::Unavailable),
    ("RequestTimeoutException", M::Unavailable),
    ("InvalidKeyUsageException", M::Invalid),
    ("InvalidArnException", M::Invalid),
    ("InvalidAliasNameException", M::Invalid),
    ("InvalidParameterException", M::Invalid),
    ("InvalidParameterValue", M::Invalid),
    ("ValidationError", M::Invalid),
    ("ValidationException", M::Invalid),
    ("SerializationException", M::Invalid),
];

/// What a message of the service adds to a code that stands for many states.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
const STATES: &[(&str, Meaning)] = &[
    ("pending deletion", M::Shredded),
    ("pending replica deletion", M::Shredded),
    ("creating", M::Unavailable),
    ("updating", M::Unavailable),
    ("unavailable", M::Unavailable),
];

pub(super) fn meaning(code: &str, message: &str, status: Option<u16>) -> Meaning {
    let known = MEANINGS.iter().find(|(name, _)| *name == code).map(|(_, meaning)| *meaning);
    match (known, status) {
        (Some(M::Disabled), _) if code == "KMSInvalidStateException" => {
            let message = message.to_lowercase();
            let state = STATES.iter().find(|(text, _)| message.contains(text));
            state.map_or(M::Disabled, |(_, meaning)| *meaning)
        }
        (Some(known), _) => known,
        (None, Some(401 | 403)) => M::Denied,
        (None, Some(429)) => M::Throttled,
        (None, Some(400..=499)) => M::Invalid,
        (None, _) => M::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning_whatever_the_status() {
        let codes: BTreeSet<_> = MEANINGS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), MEANINGS.len());
        for (code, expected) in MEANINGS {
            for status in [Some(400), Some(403), Some(500), None] {
                assert_eq!(meaning(code, "", status), *expected, "{code}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        let table = [
            (Some(400), M::Invalid),
            (Some(401), M::Denied),
            (Some(403), M::Denied),
            (Some(404), M::Invalid),
            (Some(429), M::Throttled),
            (Some(500), M::Unavailable),
            (Some(503), M::Unavailable),
            (Some(302), M::Unavailable),
            (Some(200), M::Unavailable),
            (None, M::Unavailable),
        ];
        for (status, expected) in table {
            assert_eq!(meaning("", "", status), expected, "{status:?}");
            assert_eq!(meaning("SomethingNew", "", status), expected, "{status:?}");
        }
    }

    #[test]
    fn the_state_of_a_key_stands_in_the_message() {
        let table = [
            ("arn:aws:kms:eu-central-1:1:key/x is pending deletion.", M::Shredded),
            ("arn:aws:kms:eu-central-1:1:key/x is pending replica deletion.", M::Shredded),
            ("arn:aws:kms:eu-central-1:1:key/x is pending import.", M::Disabled),
            ("arn:aws:kms:eu-central-1:1:key/x is Unavailable.", M::Unavailable),
            ("arn:aws:kms:eu-central-1:1:key/x is creating.", M::Unavailable),
            ("", M::Disabled),
        ];
        for (message, expected) in table {
            assert_eq!(meaning("KMSInvalidStateException", message, Some(400)), expected);
        }
        assert_eq!(meaning("DisabledException", "pending deletion", Some(400)), M::Disabled);
    }
}
