//! Keys in AWS against a server that imitates it, and against scripted answers where that server
//! does not refuse what AWS refuses.
//!
//! The servers are those at `SEALMQ_AWS_KMS_ENDPOINT` and `SEALMQ_AWS_SECRETS_ENDPOINT`;
//! `SEALMQ_PYTHON` runs the vendor's own client, boto3.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy takes for more

mod faults;
mod health;
mod identities;
mod interop;
mod key_states;
mod mapped;
mod multi_region;
mod policies;
mod requests;
mod secrets;
mod support;
mod tls;
mod traces;
