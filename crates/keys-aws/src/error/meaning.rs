//! What the services' own errors mean: one table, keyed by their codes.

use sealmq_aws::CommonError;

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

/// Sources: the errors listed for each action in
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html> and
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html>.
const MEANINGS: &[(&str, Meaning)] = &[
    ("NotFoundException", M::NotFound),
    ("ResourceNotFoundException", M::NotFound),
    ("LimitExceededException", M::Denied), // a quota of keys, aliases or rotations is used up
    ("UnsupportedOperationException", M::Denied), // not offered for this kind of key
    ("DecryptionFailure", M::Denied),      // the KMS key of the secret
    ("DisabledException", M::Disabled),
    ("KMSInvalidStateException", M::Disabled),
    ("InvalidRequestException", M::Disabled), // the secret waits for its deletion
    ("InvalidCiphertextException", M::ContextMismatch),
    ("IncorrectKeyException", M::ContextMismatch),
    ("AlreadyExistsException", M::Exists),
    ("DependencyTimeoutException", M::Unavailable),
    ("KeyUnavailableException", M::Unavailable),
    ("KMSInternalException", M::Unavailable),
    ("ConflictException", M::Unavailable), // another rotation of the key is under way
    ("InternalServiceError", M::Unavailable),
    ("InternalServiceErrorException", M::Unavailable),
    ("InvalidKeyUsageException", M::Invalid),
    ("InvalidArnException", M::Invalid),
    ("InvalidAliasNameException", M::Invalid),
    ("InvalidParameterException", M::Invalid),
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
    match known {
        Some(M::Disabled) if code == "KMSInvalidStateException" => {
            let message = message.to_lowercase();
            let state = STATES.iter().find(|(text, _)| message.contains(text));
            state.map_or(M::Disabled, |(_, meaning)| *meaning)
        }
        Some(known) => known,
        None => match CommonError::of(code, status) {
            CommonError::Denied | CommonError::NotOffered => M::Denied,
            CommonError::Forbidden => M::Forbidden,
            CommonError::Invalid => M::Invalid,
            CommonError::Throttled => M::Throttled,
            CommonError::Unavailable => M::Unavailable,
        },
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
    fn other_codes_mean_what_they_mean_everywhere() {
        let table = [
            ("ExpiredTokenException", Some(400), M::Denied),
            ("UnknownOperationException", Some(404), M::Denied),
            ("AccessDeniedException", Some(400), M::Forbidden),
            ("ValidationException", Some(400), M::Invalid),
            ("ThrottlingException", Some(400), M::Throttled),
            ("InternalFailure", Some(400), M::Unavailable),
            ("SomethingNew", Some(403), M::Denied),
            ("", None, M::Unavailable),
        ];
        for (code, status, expected) in table {
            assert_eq!(meaning(code, "", status), expected, "{code}");
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
