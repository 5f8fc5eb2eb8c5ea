//! The contract suites for key sources: [`kms`] for key services, [`provider`] for key stores.
//!
//! An adapter brings a backend and a harness; the cases do the rest. What an adapter declares it
//! cannot do is tested too: it must refuse it.

mod case;
mod concurrency;
pub mod kms;
pub mod provider;
mod secrets;
mod traffic;

pub use case::Case;
