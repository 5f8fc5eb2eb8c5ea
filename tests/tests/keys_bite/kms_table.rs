//! The promises of a key service that are broken, one at a time, and the cases that notice.

use KmsSabotage::*;

/// One way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KmsSabotage {
    /// None: the wrapper itself keeps the contract.
    Nothing,
    /// None: it lacks a capability, says so, and refuses it.
    LacksRotation,
    LacksDeletion,
    LacksAssociatedData,
    /// Never returns.
    Hangs,
    /// Leaves a lock behind when a call is dropped.
    LeavesLockBehind,
    /// Fails calls while another one is under way.
    Overloaded,

    // Wrapping.
    OpensToAnotherDek,
    WrapsAnotherDek,
    GeneratesOneDek,
    RepeatsWraps,
    AppendsDekToForm,
    FormsTooLong,
    RefusesForeignLetters,

    // Contexts and tenants.
    IgnoresTenant,
    FoldsTenantNames,
    IgnoresScope,
    IgnoresEnvironment,
    TakesAbsentForEmpty,
    ConcatenatesContext,
    KnowsTheStrangersKek,

    // Refusals.
    OpensAnything,
    IgnoresLastByte,
    CutsOversizedForms,
    CallsMalformedMismatch,
    CallsAbsentVersionMismatch,
    CallsMismatchUnavailable,
    CreatesWhenOpening,

    // First use and rotation.
    StartsAtVersion2,
    RotatesUsedTenantsOnly,
    CreatesAnyway,
    CallsForbiddenCreationNotFound,
    FirstUsesRace,
    SkipsVersions,
    SealsByTheFirstVersion,
    ForgetsOldVersions,
    RotatesEveryTenant,
    RotationsCollide,
    FailsDuringRotations,

    // Re-wrapping.
    RewrapsAnotherDek,
    ReturnsTheOldForm,
    RewrappingRevokes,
    RewrappingMovesContexts,
    RewrapsGarbage,

    // Deletion.
    OpensAfterDeletion,
    ShredsLatestVersionOnly,
    ClientsRememberDeks,
    BringsTenantsBack,
    RefusesSecondDeletion,
    ShredsEveryTenant,
    BusyTenantsAreNotShredded,

    // Declarations and secrets.
    DeclaresNoRotation,
    DeclaresNoDeletion,
    DeclaresAnew,
    DeclaresTooShort,
    DeclaresTooLong,
    NamesVersionsOffByOne,
    NamesVersionsOfGarbage,
    HasNoName,
    QuotesItsInput,
    ShowsSecret,
    IsNeverHealthy,
    IsAlwaysHealthy,
}

/// Those that keep the contract: every case must pass.
pub(crate) const HONEST: &[KmsSabotage] =
    &[Nothing, LacksRotation, LacksDeletion, LacksAssociatedData];

/// Each sabotage with the cases that must fail because of it. Every case stands here: one that
/// nothing makes fail would prove nothing.
pub(crate) const TABLE: &[(KmsSabotage, &[&str])] = &[
    (Hangs, &["a_generated_dek_opens"]),
    (
        LeavesLockBehind,
        &[
            "a_dropped_call_strands_nobody",
            "a_dropped_first_use_leaves_a_tenant_that_serves",
            "a_dropped_rotation_leaves_a_tenant_that_serves",
            "those_who_wait_behind_a_dropped_call_go_on",
        ],
    ),
    (
        Overloaded,
        &[
            "twenty_first_uses_share_one_kek",
            "first_uses_of_twenty_tenants_at_once",
            "concurrent_rotations_do_not_collide",
        ],
    ),
    (
        OpensToAnotherDek,
        &[
            "a_generated_dek_opens",
            "another_host_opens_a_stream_with_one_call",
            "a_thousand_misses_at_once_make_one_call",
        ],
    ),
    (WrapsAnotherDek, &["a_given_dek_opens"]),
    (GeneratesOneDek, &["generated_deks_all_differ"]),
    (RepeatsWraps, &["two_wraps_of_one_dek_differ"]),
    (AppendsDekToForm, &["the_form_does_not_show_the_dek"]),
    (FormsTooLong, &["a_stream_of_messages_makes_one_call", "the_form_is_as_long_as_declared"]),
    (
        RefusesForeignLetters,
        &["contexts_of_every_shape_open", "tenant_names_of_every_shape_are_kept_apart"],
    ),
    (IgnoresTenant, &["another_tenant", "rewrapping_refuses_what_does_not_open"]),
    (FoldsTenantNames, &["tenant_names_of_every_shape_are_kept_apart"]),
    (IgnoresScope, &["another_scope", "rewrapping_holds_on_to_the_context"]),
    (IgnoresEnvironment, &["another_environment", "an_absent_environment_is_not_an_empty_one"]),
    (TakesAbsentForEmpty, &["an_absent_environment_is_not_an_empty_one"]),
    (ConcatenatesContext, &["shifted_context_fields"]),
    (KnowsTheStrangersKek, &["another_kek", "an_absent_version"]),
    (
        OpensAnything,
        &["random_bytes", "every_truncation", "an_empty_form", "any_changed_byte", "another_kek"],
    ),
    (IgnoresLastByte, &["any_changed_byte"]),
    (CutsOversizedForms, &["an_oversized_form"]),
    (CallsMalformedMismatch, &["every_truncation", "an_empty_form", "an_oversized_form"]),
    (CallsAbsentVersionMismatch, &["an_absent_version", "any_changed_byte"]),
    (CallsMismatchUnavailable, &["another_tenant", "another_scope", "another_kek"]),
    (CreatesWhenOpening, &["an_unused_tenant_which_stays_unused"]),
    (
        StartsAtVersion2,
        &["first_use_creates_version_1", "rotation_after_first_use_makes_version_2"],
    ),
    (RotatesUsedTenantsOnly, &["rotation_as_first_use_makes_version_1"]),
    (CreatesAnyway, &["creation_can_be_forbidden"]),
    (CallsForbiddenCreationNotFound, &["creation_can_be_forbidden"]),
    (
        FirstUsesRace,
        &[
            "twenty_first_uses_share_one_kek",
            "first_uses_by_two_clients_share_one_kek",
            "hosts_that_start_at_once_share_a_tenant",
            "those_who_wait_behind_a_dropped_call_go_on",
        ],
    ),
    (SkipsVersions, &["each_rotation_adds_one"]),
    (
        SealsByTheFirstVersion,
        &[
            "the_new_version_seals",
            "a_rotation_is_seen_by_other_clients",
            "rewrapping_moves_to_the_latest_version",
        ],
    ),
    (ForgetsOldVersions, &["old_versions_keep_opening", "rewrapping_leaves_the_old_form_good"]),
    (RotatesEveryTenant, &["other_tenants_keep_their_version"]),
    (
        RotationsCollide,
        &["concurrent_rotations_do_not_collide", "rotations_by_two_clients_do_not_collide"],
    ),
    (
        FailsDuringRotations,
        &["deks_are_made_and_opened_during_rotations", "a_rotation_during_traffic_fails_nothing"],
    ),
    (RewrapsAnotherDek, &["rewrapping_keeps_the_dek"]),
    (ReturnsTheOldForm, &["rewrapping_moves_to_the_latest_version", "rewrapping_makes_a_new_form"]),
    (RewrappingRevokes, &["rewrapping_leaves_the_old_form_good"]),
    (RewrappingMovesContexts, &["rewrapping_holds_on_to_the_context"]),
    (RewrapsGarbage, &["rewrapping_refuses_what_does_not_open"]),
    (OpensAfterDeletion, &["a_shredded_tenant_opens_nothing", "every_version_goes"]),
    (ShredsLatestVersionOnly, &["every_version_goes"]),
    (ClientsRememberDeks, &["a_deletion_is_seen_by_other_clients"]),
    (
        BringsTenantsBack,
        &[
            "a_shredded_tenant_is_not_reborn",
            "shredding_twice_is_fine",
            "a_shredded_tenant_seals_and_opens_no_more",
        ],
    ),
    (RefusesSecondDeletion, &["shredding_twice_is_fine", "shredding_an_unused_tenant_is_fine"]),
    (ShredsEveryTenant, &["other_tenants_are_untouched"]),
    (BusyTenantsAreNotShredded, &["a_deletion_amid_first_uses_wins"]),
    (DeclaresNoRotation, &["each_rotation_adds_one"]),
    (DeclaresNoDeletion, &["a_shredded_tenant_opens_nothing"]),
    (DeclaresAnew, &["every_client_declares_the_same"]),
    (DeclaresTooShort, &["the_form_is_as_long_as_declared"]),
    (DeclaresTooLong, &["the_longest_form_fits_into_a_frame"]),
    (NamesVersionsOffByOne, &["the_new_version_seals", "first_use_creates_version_1"]),
    (NamesVersionsOfGarbage, &["what_is_no_form_names_no_version"]),
    (HasNoName, &["the_name_is_there_and_stays"]),
    (QuotesItsInput, &["no_error_shows_a_key"]),
    (ShowsSecret, &["the_adapter_shows_no_secret"]),
    (IsNeverHealthy, &["a_service_that_answers_is_healthy"]),
    (IsAlwaysHealthy, &["a_service_that_is_down_is_unavailable"]),
];
