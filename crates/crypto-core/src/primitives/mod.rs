//! The library that hashes, derives and draws random bytes: one for each build.
//!
//! With the feature `fips` all three come from the validated module, as the AEAD of
//! [`AeadBackend::AwsLcRs`](crate::AeadBackend::AwsLcRs) does. Both libraries compute the same.

#[cfg(any(feature = "fips", all(test, feature = "aws-lc-rs")))]
pub(crate) mod aws_lc_rs;
#[cfg(any(not(feature = "fips"), test))]
pub(crate) mod rust_crypto;

#[cfg(feature = "fips")]
pub(crate) use aws_lc_rs::{Expander, Sha256, fill_random};
#[cfg(not(feature = "fips"))]
pub(crate) use rust_crypto::{Expander, Sha256, fill_random};
