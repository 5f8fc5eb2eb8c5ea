//! What is known of a nonce, as the text that the bucket holds.

use std::time::Duration;

use sealmq_crypto_core::{DeliveryIdentity, Nonce};

use crate::error::NatsReplayError;

/// What is known of a nonce. When its lease began is the time of the value on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// Given back. It stays known, so that what is written next is compared with it.
    Free,
    Reserved {
        lease: Duration,
        identity: DeliveryIdentity,
    },
    Committed {
        identity: DeliveryIdentity,
    },
}

const VERSION: &str = "v1";

impl Record {
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Free => format!("{VERSION} free 0 "),
            Self::Reserved { lease, identity } => {
                let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
                format!("{VERSION} reserved {lease_ms} {}", identity.as_str())
            }
            Self::Committed { identity } => format!("{VERSION} committed 0 {}", identity.as_str()),
        }
    }

    /// # Errors
    /// `Malformed`: what cannot be read is never taken for a nonce that is free.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, NatsReplayError> {
        let malformed = |_| NatsReplayError::malformed("not as this guard writes it");
        let text = str::from_utf8(value).map_err(|_| malformed(()))?;
        let mut parts = text.splitn(4, ' ');
        let mut part = || parts.next().ok_or(()).map_err(malformed);
        let (version, phase, lease_ms, identity) = (part()?, part()?, part()?, part()?);
        let lease_ms: u64 = lease_ms.parse().map_err(|_| malformed(()))?;
        let identity = DeliveryIdentity::new(identity);
        match (version, phase) {
            (VERSION, "free") => Ok(Self::Free),
            (VERSION, "reserved") => {
                Ok(Self::Reserved { lease: Duration::from_millis(lease_ms), identity })
            }
            (VERSION, "committed") => Ok(Self::Committed { identity }),
            _ => Err(malformed(())),
        }
    }
}

/// The key of a nonce: 48 hexadecimal digits.
pub(crate) fn key_of(nonce: &Nonce) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = nonce.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_whatever_its_identity() {
        for identity in ["orders:17", "", " a  b ", "v1 free 0 ", "\n", "ü"] {
            let identity = DeliveryIdentity::new(identity);
            for lease in [Duration::ZERO, Duration::from_millis(30_001)] {
                let record = Record::Reserved { lease, identity: identity.clone() };
                assert_eq!(Record::parse(record.to_text().as_bytes()).unwrap(), record);
            }
            let record = Record::Committed { identity };
            assert_eq!(Record::parse(record.to_text().as_bytes()).unwrap(), record);
        }
        assert_eq!(Record::parse(Record::Free.to_text().as_bytes()).unwrap(), Record::Free);
    }

    #[test]
    fn what_is_not_a_record_is_refused() {
        let bad: [&[u8]; 8] = [
            b"",
            b"v1",
            b"v1 free 0",
            b"v2 free 0 ",
            b"v1 lost 0 a",
            b"v1 reserved x a",
            b"v1 reserved -1 a",
            b"v1 committed 0 \xff",
        ];
        for value in bad {
            assert!(Record::parse(value).is_err(), "{}", value.escape_ascii());
        }
    }
}
