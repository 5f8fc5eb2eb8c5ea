//! The registry of cipher suites: whole bundles, no independent knobs.

use crate::error::{CryptoError, CryptoErrorKind};

/// A cipher suite of QRE1.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Suite {
    /// 0x01: HKDF-SHA256, AES-256-GCM, 32-byte commitment. The default.
    #[default]
    Aes256Gcm,
    /// 0x02: HKDF-SHA256, ChaCha20-Poly1305, 32-byte commitment; for hosts without AES
    /// instructions.
    ChaCha20Poly1305,
    /// 0x20: a key service seals the body itself, bound to the same header and context; the process
    /// never holds a key. See [`RemoteSeal`](crate::RemoteSeal).
    Remote,
}

impl Suite {
    /// Every suite that is computed in this process: all but [`Suite::Remote`], which needs a key
    /// service that knows it.
    pub const ALL: [Self; 2] = [Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The suite's byte in the frame.
    pub const fn id(self) -> u8 {
        match self {
            Self::Aes256Gcm => 0x01,
            Self::ChaCha20Poly1305 => 0x02,
            Self::Remote => 0x20,
        }
    }

    /// The suite of this byte, if this crate has it.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x01 => Some(Self::Aes256Gcm),
            0x02 => Some(Self::ChaCha20Poly1305),
            0x20 => Some(Self::Remote),
            _ => None,
        }
    }

    /// This suite, if it is computed in this process.
    ///
    /// # Errors
    /// `Unsupported` for [`Suite::Remote`].
    pub(crate) fn in_process(self) -> Result<Self, CryptoError> {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => Ok(self),
            Self::Remote => {
                let kind = CryptoErrorKind::Unsupported { field: "suite", value: self.id() };
                Err(CryptoError::new(kind))
            }
        }
    }
}
