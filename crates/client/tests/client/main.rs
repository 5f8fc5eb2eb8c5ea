//! The tests of the client, through its public interface: one file for each subject.

// Everything here is test code, helpers included.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacker_view;
mod bound_list;
mod builder;
mod dead_letters;
mod events;
#[cfg(feature = "fips")]
mod fips;
mod freshness;
mod health;
mod hygiene;
mod key_outage_opening;
mod key_outage_processing;
mod key_outage_sealing;
mod key_silence;
mod lifecycle;
mod metrics;
mod migration;
mod missing_key;
mod plaintext_marker;
mod plaintext_mixed;
mod plaintext_rejected;
mod processor_concurrency;
mod processor_outcomes;
mod processor_renewal;
mod processor_stop;
mod redelivery;
mod redelivery_in_hand;
mod rejection;
mod replay;
mod replay_crash;
mod replay_store;
mod retry_batch;
mod retry_receiving;
mod retry_sending;
mod rotation;
mod round_trip;
mod routing;
mod self_test;
mod session_state;
mod sessions;
mod shutdown;
mod size_limits;
mod support;
mod switched_off;
mod tampered_frame;
mod tampered_metadata;
mod trace_context;
mod unbound_attributes;
mod unknown_format;
