//! Building a client: what is missing or contradicts itself is said at once, with the field.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientError, ClientErrorKind, QueueClient, QueueClientBuilder};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, KeyringPolicy, Suite};
use sealmq_keys_local::MemoryKms;

use crate::support::{MINUTE, QUEUE, World, sealing};

/// The field that the error names, whichever part found it.
fn field(error: &ClientError) -> &'static str {
    match error.kind() {
        ClientErrorKind::InvalidInput { field }
        | ClientErrorKind::Crypto(CryptoErrorKind::InvalidInput { field }) => field,
        other => panic!("a field is named, but {other:?}"),
    }
}

#[track_caller]
fn refused(builder: QueueClientBuilder, expected: &str) {
    let error = builder.build().unwrap_err();
    assert_eq!(field(&error), expected);
    assert!(!error.is_retryable());
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_client_without_a_transport_is_refused() {
    refused(QueueClient::builder(QUEUE), "transport");
}

#[test]
fn a_client_that_seals_without_keys_is_refused() {
    refused(World::new().keyless(sealing()), "keys");
    refused(World::new().keyless(CryptoConfig::strict()), "keys");
}

#[test]
fn a_queue_without_a_name_is_refused() {
    let world = World::new();
    let transport = Arc::new(world.broker.clone());
    refused(QueueClient::builder("").with_transport(transport), "queue");
    refused(world.with_keys(sealing()).with_logical_queue(""), "logical_queue");
    assert_eq!(field(&world.sealing().for_queue("").unwrap_err()), "queue");
}

#[test]
fn a_bad_kek_alias_is_refused() {
    let long = "k".repeat(65);
    for alias in ["", "line\nbreak", long.as_str()] {
        let kms = Arc::new(MemoryKms::new());
        refused(World::new().keyless(sealing()).with_key_management(alias, kms), "kek_alias");
    }
}

#[test]
fn two_keks_of_one_alias_or_five_keks_are_refused() {
    let with_aliases = |aliases: &[&str]| {
        let add = |builder: QueueClientBuilder, alias: &&str| {
            builder.with_key_management(*alias, Arc::new(MemoryKms::new()))
        };
        aliases.iter().fold(World::new().keyless(sealing()), add)
    };
    refused(with_aliases(&["a", "a"]), "keks");
    refused(with_aliases(&["a", "b", "c", "d", "e"]), "keks");
    with_aliases(&["a", "b", "c", "d"]).build().unwrap();
}

#[test]
fn policies_that_contradict_themselves_are_refused() {
    let mut short_memory = CryptoConfig::strict();
    short_memory.nonce_ttl = MINUTE;
    let contradictions = [
        (sealing().with_accepted_suites([Suite::ChaCha20Poly1305]), "accepted_suites"),
        (sealing().with_accepted_suites([]), "accepted_suites"),
        (sealing().with_max_age(Duration::ZERO), "max_age"),
        (sealing().with_nonce_tracking(true).without_freshness(), "max_age"),
        (short_memory, "nonce_ttl"),
        (CryptoConfig::strict().with_enabled(false), "plaintext_on_send"),
    ];
    for (config, expected) in contradictions {
        refused(World::new().with_keys(config), expected);
    }
}

#[test]
fn caps_above_the_ciphers_are_refused() {
    let mut policy = KeyringPolicy::default();
    policy.max_messages = (1 << 24) + 1;
    refused(World::new().with_keys(sealing()).with_keyring_policy(policy.clone()), "max_messages");
    let kms = Arc::new(MemoryKms::new());
    let builder = World::new().keyless(sealing()).with_key_management("main", kms);
    refused(builder.with_keyring_policy(policy), "max_messages");
}

#[test]
fn names_too_long_to_bind_are_refused() {
    let long = "x".repeat(65_536);
    refused(World::new().with_keys(sealing()).with_environment(long.clone()), "environment");
    refused(World::new().with_keys(sealing()).with_tenant(long.clone()), "tenant");
    refused(World::new().with_keys(sealing()).with_logical_queue(long), "logical_queue");
}

#[test]
fn the_ready_made_policies_build() {
    let until = std::time::SystemTime::now();
    for config in
        [CryptoConfig::default(), CryptoConfig::strict(), CryptoConfig::migration(until), sealing()]
    {
        let client = World::new().with_keys(config.clone()).build().unwrap();
        assert_eq!(client.config(), &config);
        assert_eq!(client.queue(), QUEUE);
    }
}

#[test]
fn a_builder_and_a_client_show_no_secret() {
    let world = World::new();
    let shown = format!("{:?} {:?}", world.with_keys(sealing()), world.sealing());
    assert!(shown.contains(QUEUE) && shown.contains("encryption_enabled: true"), "{shown}");
}
