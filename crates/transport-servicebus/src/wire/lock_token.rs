//! Lock tokens: the GUID that is the tag of a delivery.

use fe2o3_amqp::types::primitives::Uuid;

/// What proves the lock on a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockToken([u8; 16]);

impl LockToken {
    /// Reads a delivery tag: a GUID as .NET lays it out, the first three fields little-endian.
    pub(crate) fn from_delivery_tag(tag: &[u8]) -> Option<Self> {
        let mut guid: [u8; 16] = tag.try_into().ok()?;
        guid[..4].reverse();
        guid[4..6].reverse();
        guid[6..8].reverse();
        Some(Self(guid))
    }

    /// The token as requests take it.
    pub(crate) fn to_uuid(&self) -> Uuid {
        Uuid::from(self.0)
    }
}

impl From<Uuid> for LockToken {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_fields_of_a_tag_are_little_endian() {
        // uuid.UUID("00112233-4455-6677-8899-aabbccddeeff").bytes_le in Python
        let tag = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        let token = LockToken::from_delivery_tag(&tag).unwrap();
        let expected: Vec<u8> = (0..16).map(|n| n * 0x11).collect();
        assert_eq!(token.to_uuid().as_inner().as_slice(), expected);
        assert_eq!(LockToken::from(token.to_uuid()), token);
        assert_eq!(LockToken::from_delivery_tag(&tag[1..]), None);
    }
}
