//! What the service's own errors mean: one table, keyed by their codes.

use std::time::Duration;

use sealmq_aws::CommonError;

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
/// Source: the errors listed for each action in
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>.
const MEANINGS: &[(&str, Meaning)] = &[
    ("NonExistentQueue", M::NotFound),
    ("QueueDoesNotExist", M::NotFound),
    ("ResourceNotFoundException", M::NotFound),
    ("InvalidSecurity", M::Denied),
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
    ("OverLimit", M::Throttled), // too many messages in flight
    ("QueueDeletedRecently", M::ThrottledFor(Duration::from_secs(60))),
    ("PurgeQueueInProgress", M::ThrottledFor(Duration::from_secs(60))),
    ("BatchRequestTooLong", M::TooLarge),
    ("ReceiptHandleIsInvalid", M::LockLost),
    ("MessageNotInflight", M::LockLost),
    ("InvalidIdFormat", M::LockLost), // a receipt handle of another version
    ("InternalError", M::Unavailable),
    ("UnsupportedOperation", M::Unsupported),
    ("InvalidMessageContents", M::Invalid),
    ("InvalidParameterValueException", M::Invalid),
    ("InvalidParameterCombination", M::Invalid),
    ("MissingParameter", M::Invalid),
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
    let meaning = known.unwrap_or_else(|| match CommonError::of(bare, status) {
        CommonError::Denied | CommonError::Forbidden => M::Denied,
        CommonError::NotOffered => M::Unsupported,
        CommonError::Invalid => M::Invalid,
        CommonError::Throttled => M::Throttled,
        CommonError::Unavailable => M::Unavailable,
    });
    let refined = REFINEMENTS.iter().find(|(text, _)| message.contains(text));
    match (meaning, refined) {
        (M::Invalid, Some((_, refined))) => *refined,
        _ => meaning,
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
    fn other_codes_mean_what_they_mean_everywhere() {
        let table = [
            ("ExpiredToken", Some(400), M::Denied),
            ("AccessDeniedException", Some(400), M::Denied),
            ("InvalidAction", Some(400), M::Unsupported),
            ("ValidationError", Some(400), M::Invalid),
            ("AWS.SimpleQueueService.Throttling", Some(400), M::Throttled),
            ("ServiceUnavailable", Some(400), M::Unavailable),
            ("SomethingNew", Some(403), M::Denied),
            ("", None, M::Unavailable),
        ];
        for (code, status, expected) in table {
            assert_eq!(meaning(code, "", status), expected, "{code}");
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
