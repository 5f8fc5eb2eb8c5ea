//! A policy says what it does with plaintexts, and one that contradicts itself is refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealmq_crypto_core::{
    AeadBackend, Clock, CryptoConfig, CryptoError, CryptoErrorKind, Freshness, ManualClock,
    PlaintextPolicy, PlaintextVerdict, Suite,
};

use crate::support::{NOW_MS, assert_invalid};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_ms)
}

fn assert_rejected(verdict: Result<PlaintextVerdict, CryptoError>) {
    assert_eq!(verdict.unwrap_err().kind(), &CryptoErrorKind::PlaintextRejected);
}

#[test]
fn the_ready_made_policies_are_valid() {
    for config in [
        CryptoConfig::default(),
        CryptoConfig::strict(),
        CryptoConfig::migration(at(NOW_MS)),
        CryptoConfig::strict().with_max_age(30 * DAY),
        CryptoConfig::strict().with_nonce_tracking(false).without_freshness(),
    ] {
        config.validate().unwrap();
    }
}

#[test]
fn the_default_policy_lets_plaintexts_pass_both_ways_and_seals_nothing() {
    let config = CryptoConfig::default();
    assert!(!config.enabled);
    assert_eq!(config.check_received_plaintext(NOW_MS).unwrap(), PlaintextVerdict::Pass);
    assert_eq!(config.check_sent_plaintext().unwrap(), PlaintextVerdict::Pass);
}

#[test]
fn the_strict_policy_refuses_plaintexts_both_ways() {
    let config = CryptoConfig::strict();
    assert!(config.enabled && config.nonce_tracking);
    assert_rejected(config.check_received_plaintext(NOW_MS));
    assert_rejected(config.check_sent_plaintext());
}

#[test]
fn a_plaintext_policy_of_alerting_lets_plaintexts_pass_with_an_alert() {
    let config = CryptoConfig::default()
        .with_plaintext_on_receive(PlaintextPolicy::AllowWithAlert)
        .with_plaintext_on_send(PlaintextPolicy::AllowWithAlert);
    let alert = PlaintextVerdict::PassWithAlert;
    assert_eq!(config.check_received_plaintext(NOW_MS).unwrap(), alert);
    assert_eq!(config.check_sent_plaintext().unwrap(), alert);
}

#[test]
fn a_migration_accepts_plaintexts_with_an_alert_until_its_date_and_refuses_them_from_then_on() {
    let (clock, config) =
        (ManualClock::at_unix_ms(NOW_MS), CryptoConfig::migration(at(NOW_MS) + DAY));
    let alert = PlaintextVerdict::PassWithAlert;
    assert_eq!(config.check_received_plaintext(clock.unix_ms()).unwrap(), alert);
    clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(config.check_received_plaintext(clock.unix_ms()).unwrap(), alert);
    clock.advance(Duration::from_millis(1));
    assert_rejected(config.check_received_plaintext(clock.unix_ms()));
    clock.advance(365 * DAY);
    assert_rejected(config.check_received_plaintext(clock.unix_ms()));
}

#[test]
fn a_migration_never_sends_plaintexts() {
    assert_rejected(CryptoConfig::migration(at(NOW_MS) + DAY).check_sent_plaintext());
}

#[test]
fn the_date_of_a_migration_outweighs_a_policy_that_allows() {
    let mut config = CryptoConfig::default();
    config.plaintext_until = Some(at(NOW_MS));
    assert_eq!(config.check_received_plaintext(NOW_MS - 1).unwrap(), PlaintextVerdict::Pass);
    assert_rejected(config.check_received_plaintext(NOW_MS));
    assert_rejected(config.check_received_plaintext(u64::MAX));
}

#[test]
fn a_suite_that_seals_and_does_not_open_is_refused() {
    let config = CryptoConfig::default().with_accepted_suites([Suite::ChaCha20Poly1305]);
    assert_invalid(config.validate(), "accepted_suites");
    assert_invalid(config.with_accepted_suites([]).validate(), "accepted_suites");
}

#[test]
fn refusing_to_send_plaintexts_without_sealing_is_refused() {
    let config = CryptoConfig::default().with_plaintext_on_send(PlaintextPolicy::Reject);
    assert_invalid(config.validate(), "plaintext_on_send");
    config.with_enabled(true).validate().expect("the control");
}

#[test]
fn a_maximum_age_of_zero_is_refused() {
    assert_invalid(CryptoConfig::default().with_max_age(Duration::ZERO).validate(), "max_age");
}

#[test]
fn refusing_replays_without_a_maximum_age_is_refused() {
    assert_invalid(CryptoConfig::strict().without_freshness().validate(), "max_age");
}

#[test]
fn forgetting_nonces_while_their_messages_are_still_accepted_is_refused() {
    let mut config = CryptoConfig::strict();
    let window = config.freshness.unwrap().window();
    config.nonce_ttl = window;
    config.validate().expect("as long as a message is accepted");
    config.nonce_ttl = window - Duration::from_millis(1);
    assert_invalid(config.validate(), "nonce_ttl");
    config.with_nonce_tracking(false).validate().expect("nothing is remembered at all");
}

#[test]
fn a_longer_maximum_age_remembers_nonces_longer() {
    let config = CryptoConfig::strict().with_max_age(14 * DAY);
    assert_eq!(config.nonce_ttl, 14 * DAY + Duration::from_secs(120));
}

#[test]
fn an_overflowing_window_is_as_long_as_time_itself() {
    let freshness = Freshness { max_age: Duration::MAX, max_clock_skew: Duration::MAX };
    assert_eq!(freshness.window(), Duration::MAX);
}

#[test]
fn a_back_end_that_is_not_built_in_is_refused() {
    for backend in [AeadBackend::AwsLcRs, AeadBackend::Ring, AeadBackend::RustCrypto] {
        let config = CryptoConfig::default().with_aead_backend(backend);
        match AeadBackend::AVAILABLE.contains(&backend) {
            true => config.validate().unwrap(),
            false => assert_invalid(config.validate(), "aead_backend"),
        }
    }
}
