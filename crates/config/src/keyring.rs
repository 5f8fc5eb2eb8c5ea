//! `[keyring]`: how long and for how much a DEK is used, and what is remembered.

use sealmq_crypto_core::KeyringPolicy;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};

use crate::crypto::refused;
use crate::error::ConfigError;
use crate::section::{Group, Resolved};

const MAX_MESSAGES: &str = "max_messages";
const MAX_BYTES: &str = "max_bytes";
const SOFT_AGE: &str = "soft_age_s";
const HARD_AGE: &str = "hard_age_s";
const CACHE_CAPACITY: &str = "cache_capacity";
const UNKNOWN_KEY_TTL: &str = "unknown_key_ttl_s";
const MAX_CONCURRENT_CALLS: &str = "max_concurrent_calls";

pub(crate) const KEYRING: &[Group] = &[Group::ours(&[&[
    Setting::new(
        MAX_MESSAGES,
        Kind::Number,
        "messages that one DEK seals at most, up to 2^24; 16777216",
    ),
    Setting::new(
        MAX_BYTES,
        Kind::Number,
        "bytes of plaintext that one DEK seals at most, up to 2^38; 274877906944",
    ),
    Setting::new(
        SOFT_AGE,
        Kind::Seconds,
        "the age from which a new DEK is fetched, in the background; 3600",
    ),
    Setting::new(
        HARD_AGE,
        Kind::Seconds,
        "the age from which a DEK seals nothing, and one in the cache opens nothing; 7200",
    ),
    Setting::new(CACHE_CAPACITY, Kind::Number, "opened DEKs and named keys remembered; 1024"),
    Setting::new(
        UNKNOWN_KEY_TTL,
        Kind::Seconds,
        "how long an unknown key is remembered as unknown, up to 30; 5",
    ),
    Setting::new(
        MAX_CONCURRENT_CALLS,
        Kind::Number,
        "calls to a key service under way at once; 16",
    ),
]])];

/// The policy of the table, checked as a whole.
pub(crate) fn read(table: &Resolved<'_>) -> Result<KeyringPolicy, ConfigError> {
    let policy = policy(&table.settings()).map_err(|error| table.invalid(&error))?;
    policy.validate().map_err(|error| refused(table, &error))?;
    Ok(policy)
}

pub(crate) fn policy(settings: &Settings<'_>) -> Result<KeyringPolicy, InvalidSetting> {
    let mut policy = KeyringPolicy::default();
    policy.max_messages = settings.number(MAX_MESSAGES)?.unwrap_or(policy.max_messages);
    policy.max_bytes = settings.number(MAX_BYTES)?.unwrap_or(policy.max_bytes);
    policy.soft_age = settings.seconds(SOFT_AGE)?.unwrap_or(policy.soft_age);
    policy.hard_age = settings.seconds(HARD_AGE)?.unwrap_or(policy.hard_age);
    policy.cache_capacity = settings.number(CACHE_CAPACITY)?.unwrap_or(policy.cache_capacity);
    policy.unknown_key_ttl = settings.seconds(UNKNOWN_KEY_TTL)?.unwrap_or(policy.unknown_key_ttl);
    policy.max_concurrent_calls =
        settings.number(MAX_CONCURRENT_CALLS)?.unwrap_or(policy.max_concurrent_calls);
    Ok(policy)
}
