//! The program as its users run it: the built binary, its output and its exit codes.

#![allow(clippy::unwrap_used)] // the helpers of the tests are no tests themselves

#[cfg(feature = "config")]
mod config;
mod demo;
mod input;
mod inspect;
#[cfg(any(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "pkcs11",
    feature = "postgres",
    feature = "vault"
))]
mod key_services;
#[cfg(unix)]
mod keyring;
mod keys;
mod lifecycle;
#[cfg(unix)]
mod roles;
mod support;
mod transport;
