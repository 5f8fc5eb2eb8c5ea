//! How the adapters of this repository are set up for the suites, one file each.

pub mod keys_local;
pub mod memory;
