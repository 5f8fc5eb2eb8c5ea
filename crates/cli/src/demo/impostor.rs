//! A key service of an attacker's, whose wrapped DEKs look like those on the queue.

use async_trait::async_trait;
use sealmq::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    KmsCapabilities, TenantId, WrapContext,
};

/// So many bytes at the end of a form are changed: what authenticates it stands there.
const CHANGED: usize = 16;

/// Gives out DEKs of its own, each with a wrapped form like one that somebody has seen: of the same
/// service, tenant and version, so that the receiver's service is asked for real.
pub(super) struct Impostor {
    form: Vec<u8>,
}

impl Impostor {
    /// An impostor who has seen this wrapped DEK.
    pub(super) fn after(seen: &[u8]) -> Self {
        let mut form = seen.to_vec();
        let is_text = form.iter().all(u8::is_ascii_graphic);
        let end = form.len().saturating_sub(CHANGED);
        for byte in &mut form[end..] {
            *byte = match *byte {
                letter if is_text && letter.is_ascii_alphabetic() => letter ^ 0x20, // still base64
                digit if is_text && digit.is_ascii_digit() => b'0' + b'9' - digit,
                other if is_text => other,
                other => !other,
            };
        }
        Self { form }
    }
}

#[async_trait]
impl KeyManagementService for Impostor {
    fn name(&self) -> &str {
        "impostor"
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::full(self.form.len())
    }

    fn version_of(&self, _: &[u8]) -> Option<KekVersion> {
        None
    }

    async fn generate_dek(&self, _: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let dek = EncryptionKey::generate().map_err(|error| {
            KeyError::new(KeyErrorKind::Unavailable, "no randomness").with_source(error)
        })?;
        Ok(GeneratedDek { dek, wrapped: self.form.clone() })
    }

    async fn encrypt_dek(&self, _: &EncryptionKey, _: &WrapContext) -> Result<Vec<u8>, KeyError> {
        Ok(self.form.clone())
    }

    async fn decrypt_dek(&self, _: &[u8], _: &WrapContext) -> Result<EncryptionKey, KeyError> {
        Err(nothing())
    }

    async fn rewrap_dek(&self, _: &[u8], _: &WrapContext) -> Result<Vec<u8>, KeyError> {
        Ok(self.form.clone())
    }

    async fn rotate_kek(&self, _: &TenantId) -> Result<KekVersion, KeyError> {
        Err(nothing())
    }

    async fn delete_kek(&self, _: &TenantId) -> Result<(), KeyError> {
        Err(nothing())
    }
}

fn nothing() -> KeyError {
    KeyError::new(KeyErrorKind::Denied, "an impostor has no KEK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_changed_and_keeps_its_shape() {
        let text = b"vault:v1:abcdefghijklmnopqrst0123+/AB";
        let changed = Impostor::after(text).form;
        assert_eq!(changed, b"vault:v1:abcdefghijklMNOPQRST9876+/ab");
        let bytes = [7; 64];
        let changed = Impostor::after(&bytes).form;
        assert_eq!((&changed[..48], &changed[48..]), (&[7; 48][..], &[!7; 16][..]));
    }
}
