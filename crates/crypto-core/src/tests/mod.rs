//! Tests of this crate that look behind its public API.
