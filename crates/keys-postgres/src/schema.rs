//! The schema that the tables are in, and SQL that names it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use sealmq_crypto_core::KeyError;

/// The name of a schema, which needs no quoting.
///
/// Every table is named with it: in a caller's transaction the search path is the caller's.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Schema(Box<str>);

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self, KeyError> {
        let fine = |(at, byte): (usize, u8)| match byte {
            b'a'..=b'z' | b'_' => true,
            b'0'..=b'9' => at > 0,
            _ => false,
        };
        let reserved = name.starts_with("pg_") || name == "information_schema";
        if name.is_empty() || name.len() > 63 || reserved || !name.bytes().enumerate().all(fine) {
            let reason = "1 to 63 of a-z, 0-9 and _, no digit first, not one of the system's";
            return Err(KeyError::invalid_input("schema", reason));
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The statement with `{schema}` filled in. It is quoted: some words are keywords.
    pub(crate) fn sql(&self, statement: &str) -> String {
        statement.replace("{schema}", &format!("\"{}\"", self.0))
    }

    /// The key of the advisory lock on this object. Two objects that share one wait for each other
    /// and nothing else happens.
    pub(crate) fn lock_key(&self, what: &str, object: &[&str]) -> i64 {
        let mut named = Vec::from(b"sealmq/lock/".as_slice());
        for part in [self.as_str(), what].iter().chain(object) {
            named.extend_from_slice(&(part.len() as u64).to_be_bytes());
            named.extend_from_slice(part.as_bytes());
        }
        let hash = digest(&SHA256, &named);
        hash.as_ref().first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for name in ["sealmq", "_a", "a1", "user"] {
            assert!(Schema::new(name).is_ok(), "{name}");
        }
        for name in ["", "1a", "A", "a b", "a\"b", "a;b", "ä", "pg_keys", &"a".repeat(64)] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_schema_is_filled_in_quoted() {
        let schema = Schema::new("user").unwrap();
        assert_eq!(schema.sql("SELECT 1 FROM {schema}.a"), "SELECT 1 FROM \"user\".a");
    }

    #[test]
    fn locks_differ_by_schema_purpose_and_object() {
        let (a, b) = (Schema::new("a").unwrap(), Schema::new("b").unwrap());
        let keys = [
            a.lock_key("kek", &["x"]),
            b.lock_key("kek", &["x"]),
            a.lock_key("dek", &["x"]),
            a.lock_key("kek", &["y"]),
            a.lock_key("kek", &["x", ""]),
            a.lock_key("kek", &[]),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}
