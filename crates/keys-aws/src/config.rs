//! How the services are reached, and what is used of them.

use sealmq_crypto_core::KeyError;

mod env;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "secrets")]
pub(crate) mod secrets;

#[cfg(feature = "kms")]
pub use kms::{AwsKmsConfig, KmsKeys};
#[cfg(feature = "secrets")]
pub use secrets::AwsSecretsConfig;

/// A field, what it has to be, and whether it is.
type Check = (&'static str, &'static str, bool);

fn first_refused<const N: usize>(checks: [Check; N]) -> Result<(), KeyError> {
    match checks.into_iter().find(|(_, _, valid)| !valid) {
        Some((field, reason, _)) => Err(KeyError::invalid_input(field, reason)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
