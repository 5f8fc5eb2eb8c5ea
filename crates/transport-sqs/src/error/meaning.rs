//! What the service's errors mean: one table, keyed by their codes.

use std::time::Duration;

/// What an error means to the caller, whatever was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    NotFound,
    Denied,
    Unavailable,
    Throttled,
    /// Over the limit for a known time.
    ThrottledFor(Duration),
    TooLarge,
    Invalid,
    Unsupported,
    LockLost,
}

use Meaning as M;

/// Codes without the prefix `AWS.SimpleQueueService.`, which some of them carry in some answers.
///
/// Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
/// and the errors listed there for each action.
const MEANINGS: &[(&str, Meaning)] = &[
    ("NonExistentQueue", M::NotFound),
    ("QueueDoesNotExist", M::NotFound),
    ("ResourceNotFoundException", M::NotFound),
    ("AccessDenied", M::Denied),
    ("AccessDeniedException", M::Denied),
    ("NotAuthorized", M::Denied),
    ("OptInRequired", M::Denied),
    ("InvalidClientTokenId", M::Denied),
    ("UnrecognizedClientException", M::Denied),
    ("SignatureDoesNotMatch", M::Denied),
    ("IncompleteSignature", M::Denied),
    ("InvalidSecurity", M::Denied),
    ("MissingAuthenticationToken", M::Denied),
    ("ExpiredToken", M::Denied),
    ("ExpiredTokenException", M::Denied),
    ("RequestExpired", M::Denied),
    // The queue's own encryption key: someone has to mend a permission or the key.
    ("KmsAccessDenied", M::Denied),
    ("KMS.AccessDeniedException", M::Denied),
    ("KmsDisabled", M::Denied),
    ("KMS.DisabledException", M::Denied),
    ("KmsInvalidKeyUsage", M::Denied),
    ("KMS.InvalidKeyUsageException", M::Denied),
    ("KmsInvalidState", M::Denied),
    ("KMS.InvalidStateException", M::Denied),
    ("KmsNotFound", M::Denied),
    ("KMS.NotFoundException", M::Denied),
    ("KmsOptInRequired", M::Denied),
    ("KMS.OptInRequired", M::Denied),
    ("KmsThrottled", M::Throttled),
    ("KMS.ThrottlingException", M::Throttled),
    ("RequestThrottled", M::Throttled),
    ("Throttling", M::Throttled),
    ("ThrottlingException", M::Throttled),
    ("ThrottledException", M::Throttled),
    ("RequestThrottledException", M::Throttled),
    ("TooManyRequestsException", M::Throttled),
    ("RequestLimitExceeded", M::Throttled),
    ("PriorRequestNotComplete", M::Throttled),
    ("SlowDown", M::Throttled),
    ("OverLimit", M::Throttled), // too many messages in flight
    ("QueueDeletedRecently", M::ThrottledFor(Duration::from_secs(60))),
    ("PurgeQueueInProgress", M::ThrottledFor(Duration::from_secs(60))),
    ("BatchRequestTooLong", M::TooLarge),
    ("ReceiptHandleIsInvalid", M::LockLost),
    ("MessageNotInflight", M::LockLost),
    ("InvalidIdFormat", M::LockLost), // a receipt handle of another version
    ("InternalError", M::Unavailable),
    ("InternalFailure", M::Unavailable),
    ("ServiceUnavailable", M::Unavailable),
    ("RequestTimeout", M::Unavailable),
    ("RequestTimeoutException", M::Unavailable),
    ("UnsupportedOperation", M::Unsupported),
    ("InvalidAction", M::Unsupported),
    ("UnknownOperationException", M::Unsupported),
    ("InvalidMessageContents", M::Invalid),
    ("InvalidParameterValue", M::Invalid),
    ("InvalidParameterValueException", M::Invalid),
    ("InvalidParameterCombination", M::Invalid),
    ("MissingParameter", M::Invalid),
    ("ValidationError", M::Invalid),
    ("ValidationException", M::Invalid),
    ("InvalidAddress", M::Invalid),
    ("InvalidAttributeName", M::Invalid),
    ("InvalidAttributeValue", M::Invalid),
    ("QueueNameExists", M::Invalid),
    ("QueueAlreadyExists", M::Invalid),
    ("BatchEntryIdsNotDistinct", M::Invalid),
    ("EmptyBatchRequest", M::Invalid),
    ("InvalidBatchEntryId", M::Invalid),
    ("TooManyEntriesInBatchRequest", M::Invalid),
];

/// What a message of the service adds to a code that stands for many things.
const REFINEMENTS: &[(&str, Meaning)] =
    &[("receipt handle has expired", M::LockLost), ("must be shorter than", M::TooLarge)];

pub(super) fn meaning(code: &str, message: &str, status: Option<u16>) -> Meaning {
    let bare = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    let known = MEANINGS.iter().find(|(name, _)| *name == bare).map(|(_, meaning)| *meaning);
    match (known, status) {
        (Some(M::Invalid), _) => {
            let refined = REFINEMENTS.iter().find(|(text, _)| message.contains(text));
            refined.map_or(M::Invalid, |(_, meaning)| *meaning)
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
    fn each_code_has_one_meaning() {
        let codes: BTreeSet<_> = MEANINGS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), MEANINGS.len());
    }

    #[test]
    fn every_row_is_found_with_and_without_its_prefix() {
        for (code, expected) in MEANINGS {
            // Whatever the status: SQS sends 400 for nearly everything.
            for status in [Some(400), Some(403), Some(500), None] {
                assert_eq!(meaning(code, "", status), *expected, "{code}");
                let prefixed = format!("AWS.SimpleQueueService.{code}");
                assert_eq!(meaning(&prefixed, "", status), *expected, "{prefixed}");
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
            (None, M::Unavailable),
        ];
        for (status, expected) in table {
            assert_eq!(meaning("", "", status), expected, "{status:?}");
            assert_eq!(meaning("SomethingNew", "", status), expected, "{status:?}");
        }
    }

    #[test]
    fn a_code_for_many_things_is_refined_by_its_message() {
        let expired = "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.";
        assert_eq!(meaning("InvalidParameterValue", expired, Some(400)), M::LockLost);
        let long = "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.";
        assert_eq!(meaning("InvalidParameterValue", long, Some(400)), M::TooLarge);
        assert_eq!(meaning("InvalidParameterValue", "else", Some(400)), M::Invalid);
        assert_eq!(meaning("InternalError", long, Some(500)), M::Unavailable);
    }
}
