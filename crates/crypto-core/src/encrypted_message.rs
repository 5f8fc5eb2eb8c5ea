//! A sealed message: an owned frame whose structure was checked.

use bytes::Bytes;

use crate::error::CryptoError;
use crate::format::{Frame, NONCE_LEN, TAG_LEN};
use crate::suite::Suite;

/// The 192-bit nonce of a frame, which is also the message's replay id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nonce(pub(crate) [u8; NONCE_LEN]);

impl Nonce {
    /// The nonce as bytes.
    pub fn as_bytes(&self) -> &[u8; NONCE_LEN] {
        &self.0
    }
}

/// The 128-bit authentication tag of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticationTag(pub(crate) [u8; TAG_LEN]);

impl AuthenticationTag {
    /// The tag as bytes.
    pub fn as_bytes(&self) -> &[u8; TAG_LEN] {
        &self.0
    }
}

/// A sealed message. [`Frame::parse`] reads the rest of its header. The header
/// can be read by anyone and is authentic only once the message was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedMessage {
    frame: Bytes,
    suite: Suite,
    encrypted_at_ms: u64,
    nonce: Nonce,
    tag: AuthenticationTag,
}

impl EncryptedMessage {
    /// Checks the structure of a frame.
    ///
    /// # Errors
    /// `Malformed` with the rule that was broken, `Unsupported` for another version or suite.
    pub fn parse(frame: impl Into<Bytes>) -> Result<Self, CryptoError> {
        let frame = frame.into();
        let parsed = Frame::parse(&frame)?;
        let (suite, nonce) = (parsed.suite(), Nonce(parsed.nonce()));
        let tag = AuthenticationTag(parsed.tag());
        let encrypted_at_ms = parsed.encrypted_at_ms();
        Ok(Self { frame, suite, encrypted_at_ms, nonce, tag })
    }

    /// A frame that was sealed just now; its last bytes are the tag.
    pub(crate) fn sealed(
        frame: Vec<u8>,
        suite: Suite,
        encrypted_at_ms: u64,
        nonce: &[u8; NONCE_LEN],
    ) -> Self {
        let tag = frame.last_chunk().copied().unwrap_or_default();
        let (nonce, tag) = (Nonce(*nonce), AuthenticationTag(tag));
        Self { frame: frame.into(), suite, encrypted_at_ms, nonce, tag }
    }

    /// The cipher suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// When the frame says it was sealed, in Unix milliseconds.
    pub fn encrypted_at_ms(&self) -> u64 {
        self.encrypted_at_ms
    }

    /// The nonce, which is the replay id.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The authentication tag.
    pub fn tag(&self) -> AuthenticationTag {
        self.tag
    }

    /// The frame as bytes: what goes to the broker.
    pub fn as_bytes(&self) -> &Bytes {
        &self.frame
    }

    /// The frame as bytes: what goes to the broker.
    pub fn into_bytes(self) -> Bytes {
        self.frame
    }
}

impl std::fmt::Debug for EncryptedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedMessage")
            .field("suite", &self.suite)
            .field("encrypted_at_ms", &self.encrypted_at_ms)
            .field("frame_bytes", &self.frame.len())
            .finish_non_exhaustive()
    }
}
