//! Tests of this crate that look behind its public API.

mod commitment;
mod entropy;
mod gf128;
mod hkdf_vectors;
mod primitives;
#[path = "../../tests/support/mod.rs"]
mod support;
mod vectors;
mod wycheproof_aead;
