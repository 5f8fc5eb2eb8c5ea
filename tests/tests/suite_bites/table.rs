//! Which cases notice which sabotage.

use sealmq_queue_core::Feature;

use crate::sabotage::Sabotage::{self, *};

/// Each sabotage with the cases that must fail because of it. Every case stands here: one that
/// nothing makes fail would prove nothing.
pub(crate) const TABLE: &[(Sabotage, &[&str])] = &[
    (Hangs, &["send_receive_roundtrip", "concurrent_senders_20_tasks"]),
    (Panics, &["send_receive_roundtrip", "competing_consumers_each_message_once"]),
    // Messages as they are sent.
    (LosesCorrelationId, &["send_receive_roundtrip", "dead_letter_body_and_headers_intact"]),
    (
        LosesEveryTenth,
        &[
            "many_messages_10_000_no_loss_no_extra",
            "full_batch_then_partial",
            "concurrent_senders_20_tasks",
            "competing_consumers_each_message_once",
            "slow_consumer_does_not_drop_or_declares",
            "no_loss_across_consumer_restarts",
            "cancelled_recv_loses_nothing",
        ],
    ),
    (
        DoublesEveryTenth,
        &[
            "many_messages_10_000_no_loss_no_extra",
            "full_batch_then_partial",
            "competing_consumers_each_message_once",
            "batch_send_chunks_25",
        ],
    ),
    (SwapsBytes, &["send_receive_roundtrip", "binary_body_all_256_bytes", "non_utf8_body"]),
    (
        CutsOffLastByte,
        &[
            "send_receive_two_in_order_of_sets",
            "body_of_one_byte",
            "max_body_exact_ok",
            "dead_letter_body_and_headers_intact",
        ],
    ),
    (MakesUtf8, &["binary_body_all_256_bytes", "non_utf8_body", "body_of_one_byte"]),
    (DecodesBase64, &["body_looks_like_base64_is_not_decoded"]),
    (StripsControlCharacters, &["body_with_forbidden_xml_chars_u0000_uFFFE"]),
    (FillsEmptyBodies, &["empty_body"]),
    (TrimsValues, &["headers_roundtrip_weird_strings"]),
    (MakesValuesAscii, &["headers_unicode_values"]),
    (LosesEmptyValues, &["headers_empty_values_defined"]),
    (KeepsNineAttributes, &["headers_max_count"]),
    (LowercasesNames, &["headers_roundtrip_weird_strings", "header_case_and_duplicates_defined"]),
    (IgnoresSendDelay, &["scheduled_not_visible_before_due", "cancel_scheduled"]),
    (TakesZeroDelayForAMinute, &["delay_of_zero_is_no_delay"]),
    (IgnoresTimeToLive, &["ttl_expired_not_received"]),
    (ExpiresAtOnce, &["ttl_almost_expired_received", "ttl_not_expired_received"]),
    (
        PutsAllInOneGroup,
        &["groups_progress_independently", "session_receives_its_own_messages_in_order"],
    ),
    (AcceptsMissingGroup, &["fifo_missing_group_rejected", "session_missing_id_rejected"]),
    (IgnoresMessageId, &["dedup_same_id_within_window", "dedup_id_independent_of_ciphertext"]),
    (DeduplicatesByBody, &["dedup_id_independent_of_ciphertext"]),
    // Batches and their reports.
    (ReversesBatches, &["fifo_order_within_group"]),
    (ReportsInReverse, &["batch_send_reports_index_aligned_partial_failure"]),
    (SendsFirstTenOnly, &["batch_send_chunks_25", "full_batch_then_partial"]),
    (RefusesLargeBatches, &["batch_total_size_limit_split"]),
    (
        SendsTheRestOfAnInvalidBatch,
        &[
            "batch_oversized_entry_rejects_before_sending_any",
            "batch_invalid_entry_rejects_before_sending_any",
        ],
    ),
    (RefusesEmptyBatches, &["batch_empty_is_noop"]),
    (RefusesLargestBody, &["max_body_exact_ok"]),
    (
        AsksBrokerBeforeChecking,
        &[
            "max_body_plus_one_too_large_before_io",
            "headers_non_utf8_rejected",
            "headers_max_count_plus_one_rejected",
            "reserved_header_names_rejected",
            "delay_over_limit_rejected",
        ],
    ),
    (SwallowsForMissingQueues, &["open_missing_ok_but_send_fails_not_found"]),
    (
        SendsOneLate,
        &["send_only_client_without_receiver", "receive_late_arrival_returns_before_wait"],
    ),
    (PutsAllInOneQueue, &["two_queues_do_not_leak"]),
    (ReversesSettlementResults, &["batch_settle_mixed_outcomes"]),
    // Receiving.
    (IgnoresWait, &["receive_empty_returns_empty_within_wait"]),
    (LooksOnceThenWaits, &["receive_late_arrival_returns_before_wait"]),
    (WaitsForFullBatch, &["partial_batch_returns_immediately"]),
    (ReturnsMoreThanMax, &["full_batch_then_partial"]),
    (TakesMissingQueuesForEmpty, &["open_missing_ok_but_receive_fails_not_found"]),
    (NeedsToHaveSent, &["consumer_half_without_producer"]),
    (IgnoresReceiveMode, &["receive_and_delete_never_redelivers"]),
    (
        DeletesOnReceive,
        &[
            "unsettled_redelivered_after_lock_expiry",
            "drop_without_settle_redelivers",
            "no_loss_across_consumer_restarts",
            "dlq_receive_and_complete",
            "group_blocked_while_in_flight",
        ],
    ),
    (LosesCancelledReceives, &["cancelled_recv_loses_nothing"]),
    (PrefetchesBlindly, &["prefetch_does_not_expire_locks", "stop_releases_buffered_messages"]),
    (CountsAlwaysOne, &["retry_increments_delivery_count"]),
    (CountsFromZero, &["first_delivery_count_is_1", "dlq_redrive_once"]),
    (GivesFreshIds, &["message_id_visible_and_stable_across_redelivery"]),
    (GivesFreshBrokerIds, &["message_id_visible_and_stable_across_redelivery"]),
    // Settling and locks.
    (
        CompletesNothing,
        &[
            "complete_prevents_redelivery_after_lock",
            "double_complete_is_ok_or_typed_error",
            "settle_after_receiver_stopped",
            "settle_after_reconnect",
            "defer_then_receive_by_sequence",
        ],
    ),
    (ClaimsOtherCertainty, &["complete_reports_declared_certainty"]),
    (AbandonsNothing, &["retry_redelivers_promptly", "retry_keeps_group_order"]),
    (IgnoresAbandonDelay, &["retry_with_delay_not_before_not_too_late"]),
    (
        SendsRetriesToTheBack,
        &["retry_keeps_group_order", "message_id_visible_and_stable_across_redelivery"],
    ),
    (TakesLostLockForOutage, &["double_complete_is_ok_or_typed_error", "session_lock_lost"]),
    (
        ConfirmsLostLock,
        &[
            "complete_after_lock_lost_reports_lock_lost_or_declares_undetected",
            "batch_settle_mixed_outcomes",
            "session_lock_lost",
        ],
    ),
    (LetsStaleHolderSettle, &["stale_holder_cannot_kill_new_holder"]),
    (SettlesBehindReceive, &["settle_from_other_task_while_recv_pending"]),
    (ForgetsReceiptsOnClose, &["settle_after_receiver_stopped"]),
    (ConfirmsWhileDown, &["failed_settle_returns_delivery_for_retry"]),
    (GivesUpReceiptAfterOutage, &["failed_settle_returns_delivery_for_retry"]),
    (
        ExtendsNothing,
        &["extend_keeps_invisible_past_original_lock", "extend_after_lock_lost_errors"],
    ),
    (MisstatesLockDuration, &["delivery_says_how_long_it_is_locked"]),
    (IgnoresLockOption, &["lock_duration_option_is_kept_or_refused"]),
    (ExtendsWithoutLimit, &["extend_beyond_max_errors"]),
    // Dead letters and deferral.
    (LosesReason, &["dead_letter_moves_with_reason"]),
    (LosesAttributesOfDeadLetters, &["dead_letter_body_and_headers_intact"]),
    (IgnoresMaxDeliveries, &["max_delivery_exhaustion_reaches_dlq_or_is_reported"]),
    (DropsDeadLetters, &["dead_letter_moves_with_reason", "dlq_receive_and_complete"]),
    (CompletesBeforeMoving, &["dead_letter_when_dlq_unavailable_keeps_original"]),
    (RedrivesCopies, &["dlq_redrive_once"]),
    (RedrivesEverything, &["dlq_redrive_moves_at_most_max"]),
    (RedrivesIntoDeduplication, &["dlq_redrive_is_not_dropped_as_duplicate"]),
    (AbandonsInsteadOfDeferring, &["defer_then_receive_by_sequence"]),
    // Scheduling, peeking, depth.
    (CancelsNothing, &["cancel_scheduled", "cancel_scheduled_too_late_says_no"]),
    (PeekLocks, &["peek_does_not_lock"]),
    (PeekIgnoresFrom, &["peek_pages_from_sequence_number"]),
    (PeekSeesGhosts, &["peek_empty"]),
    (MiscountsDepth, &["queue_depth_initially_zero"]),
    // Groups and sessions.
    (
        IgnoresGroups,
        &[
            "group_blocked_while_in_flight",
            "delayed_retry_keeps_group_order",
            "fifo_missing_group_rejected",
        ],
    ),
    (TakesLockedSessionForNone, &["session_exclusive_lock"]),
    (NextFindsNothing, &["session_accept_next_takes_the_one_with_messages"]),
    (AcceptsTooLong, &["session_accept_next_times_out_bounded"]),
    (RenewsNothing, &["session_renew_keeps_hold"]),
    (LosesSessionState, &["session_state_roundtrip"]),
    // Connections.
    (
        ClosesNothing,
        &[
            "send_on_closed_fails_closed",
            "receive_on_closed_fails_closed",
            "close_ends_pending_recv",
            "health_ok_and_down",
        ],
    ),
    (FailsSecondClose, &["close_is_idempotent_and_concurrent_10x"]),
    (DiesWhenIdle, &["idle_10_minutes_then_send"]),
    (ForgetsOnRestart, &["broker_restart_mid_stream_at_1_3_and_1_2"]),
    (ConfirmsLostAnswer, &["connection_cut_between_send_and_ack_no_silent_loss"]),
    (TakesOutageForDenial, &["initial_connect_retry", "health_ok_and_down"]),
    (TakesDenialForOutage, &["bad_credentials_typed_error"]),
    (TrustsAnyAuthority, &["untrusted_ca_rejected"]),
    (NeedsNoCertificate, &["mtls_required_ok"]),
    (ShowsAttributesInErrors, &["error_and_debug_output_redacts_secrets_and_bodies"]),
    // Features that are there and not declared.
    (
        Undeclared(Feature::Settlement),
        &[
            "complete_prevents_redelivery_after_lock",
            "features_come_with_what_they_build_on",
            "guarantee_follows_from_settlement",
        ],
    ),
    (Undeclared(Feature::DelayedAbandon), &["retry_with_delay_not_before_not_too_late"]),
    (Undeclared(Feature::ExtendLock), &["extend_beyond_max_errors"]),
    (Undeclared(Feature::DeadLetter), &["dead_letter_moves_with_reason"]),
    (Undeclared(Feature::Defer), &["defer_then_receive_by_sequence"]),
    (Undeclared(Feature::ScheduledSend), &["scheduled_not_visible_before_due"]),
    (Undeclared(Feature::CancelScheduled), &["cancel_scheduled"]),
    (Undeclared(Feature::TimeToLive), &["ttl_expired_not_received"]),
    (Undeclared(Feature::Sessions), &["session_exclusive_lock"]),
    (Undeclared(Feature::SessionState), &["session_state_roundtrip"]),
    (Undeclared(Feature::Peek), &["peek_does_not_lock"]),
    (Undeclared(Feature::Depth), &["queue_depth_initially_zero"]),
    (Undeclared(Feature::Redrive), &["dlq_redrive_once"]),
];
