//! The promises of a key store that are broken, one at a time, and the cases that notice.

use ProviderSabotage::*;

/// One way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderSabotage {
    /// None: the wrapper itself keeps the contract.
    Nothing,
    /// Leaves a lock behind when a call is dropped.
    LeavesLockBehind,
    /// Fails calls while another one is under way.
    Overloaded,
    /// Fails one call of twenty.
    FailsNowAndThen,

    // Ids and their keys.
    ListsOldKeysOnly,
    OneKeyForAll,
    ListsTwice,
    GivesCurrentForUnknown,
    CallsUnknownDenied,
    FoldsIds,
    GivesAnotherKeyEachTime,
    ClientsHaveOtherKeys,

    // Rotation.
    StaysOnFirstKey,
    ForgetsOldKeys,
    ClientsRememberTheList,
    HandsOutRetiredKeys,

    // Secrets.
    ShowsKeys,
    PutsKeyIntoId,
    QuotesKeys,
}

/// Those that keep the contract: every case must pass.
pub(crate) const HONEST: &[ProviderSabotage] = &[Nothing];

/// Each sabotage with the cases that must fail because of it. Every case stands here: one that
/// nothing makes fail would prove nothing.
pub(crate) const TABLE: &[(ProviderSabotage, &[&str])] = &[
    (LeavesLockBehind, &["a_dropped_call_strands_nobody"]),
    (Overloaded, &["twenty_readers_agree", "readers_amid_rotations_always_find_a_key"]),
    (
        FailsNowAndThen,
        &["a_rotation_during_traffic_fails_nothing", "readers_amid_rotations_always_find_a_key"],
    ),
    (
        ListsOldKeysOnly,
        &["the_current_key_is_valid_and_there", "a_stream_of_messages_fetches_one_key"],
    ),
    (OneKeyForAll, &["every_valid_id_has_a_key_of_its_own", "the_new_key_is_current"]),
    (ListsTwice, &["ids_are_listed_once"]),
    (GivesCurrentForUnknown, &["an_unknown_id_is_not_found", "ids_are_compared_exactly"]),
    (CallsUnknownDenied, &["an_unknown_id_is_not_found"]),
    (FoldsIds, &["ids_are_compared_exactly"]),
    (GivesAnotherKeyEachTime, &["the_same_id_gives_the_same_key", "old_keys_keep_opening"]),
    (ClientsHaveOtherKeys, &["clients_agree", "a_rotation_is_seen_by_every_client"]),
    (StaysOnFirstKey, &["the_new_key_is_current"]),
    (
        ForgetsOldKeys,
        &[
            "old_keys_keep_opening",
            "messages_cross_a_rotation",
            "every_valid_id_has_a_key_of_its_own",
        ],
    ),
    (ClientsRememberTheList, &["a_rotation_is_seen_by_every_client"]),
    (HandsOutRetiredKeys, &["a_retired_key_opens_no_more"]),
    (ShowsKeys, &["the_adapter_shows_no_key"]),
    (PutsKeyIntoId, &["keys_are_redacted"]),
    (QuotesKeys, &["an_unknown_id_is_not_found"]),
];
