//! Master keys from files and from the environment.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError};
use sealmq_settings::{Kind, Setting, Settings};
use zeroize::Zeroizing;

use crate::master_key::{MasterKey, MasterKeys};

impl MasterKey {
    /// The key in a file: 32 bytes as they are, or in base64 with or without a line end.
    ///
    /// # Errors
    /// `InvalidInput` for `master_key_file` when it cannot be read, is not a key, or (on Unix) may
    /// be read by others than its owner and group.
    pub fn from_file(id: EncryptionKeyId, path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::read(id, path.as_ref(), "master_key_file")
    }

    /// The path is not repeated: people put the key itself there.
    fn read(id: EncryptionKeyId, path: &Path, field: &'static str) -> Result<Self, KeyError> {
        let unusable = |reason: &str| KeyError::invalid_input(field, format!("the file {reason}"));
        let unreadable = |error: std::io::Error| unusable("cannot be read").with_source(error);
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(unreadable)?.permissions().mode();
            if mode & 0o007 != 0 {
                return Err(unusable("may be used by everybody: take the rights of others away"));
            }
        }
        let mut bytes = Zeroizing::new([0; MAX_FILE_LEN + 1]);
        let len = read_up_to(&mut file, bytes.as_mut_slice()).map_err(unreadable)?;
        let key = parse(&bytes[..len]).ok_or_else(|| unusable("holds no key of 32 bytes"))?;
        Ok(Self::new(id, key))
    }

    /// The key that the environment has under this prefix, if it has an id there.
    fn from_settings(
        settings: &Settings<'_>,
        [id, file, key]: &[Setting; 3],
    ) -> Result<Option<Self>, KeyError> {
        let invalid = KeyError::invalid_input;
        let text = settings.get(key.variable).map(Zeroizing::new);
        let source = (settings.get(file.variable), text);
        let Some(name) = settings.get(id.variable) else {
            return match source {
                (None, None) => Ok(None),
                _ => Err(invalid(id.variable, "is not set")),
            };
        };
        let name = EncryptionKeyId::new(&name)
            .map_err(|error| invalid(id.variable, "is no key id").with_source(error))?;
        match source {
            (Some(path), None) => Self::read(name, Path::new(&path), file.variable).map(Some),
            (None, Some(text)) => {
                let secret = parse_base64(text.as_bytes())
                    .ok_or_else(|| invalid(key.variable, "is not 32 bytes in base64"))?;
                Ok(Some(Self::new(name, secret)))
            }
            _ => {
                let reason = format!("or {}: one of the two", key.variable);
                Err(KeyError::invalid_input(file.variable, reason))
            }
        }
    }
}

impl MasterKeys {
    /// The settings that [`MasterKeys::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&CURRENT, &EARLIER];

    /// The master keys of the environment: [`MasterKeys::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The master keys from [`MasterKeys::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`MasterKeys::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let current = MasterKey::from_settings(settings, &CURRENT)?
            .ok_or_else(|| KeyError::invalid_input(CURRENT[0].variable, "is not set"))?;
        let keys = Self::new(current);
        match MasterKey::from_settings(settings, &EARLIER)? {
            Some(earlier) => keys.with_earlier(earlier),
            None => Ok(keys),
        }
    }
}

/// Id, file, and the key itself.
const CURRENT: [Setting; 3] = [
    Setting::new("SEALMQ_MASTER_KEY_ID", Kind::Text, "the id of the master key; required"),
    Setting::new("SEALMQ_MASTER_KEY_FILE", Kind::Path, "the file that holds it"),
    Setting::new("SEALMQ_MASTER_KEY", Kind::Secret, "the key itself in base64, without a file"),
];

/// The same of the one before.
const EARLIER: [Setting; 3] = [
    Setting::new(
        "SEALMQ_EARLIER_MASTER_KEY_ID",
        Kind::Text,
        "the id of the one before, while it is being replaced; none",
    ),
    Setting::new("SEALMQ_EARLIER_MASTER_KEY_FILE", Kind::Path, "the file that holds it"),
    Setting::new("SEALMQ_EARLIER_MASTER_KEY", Kind::Secret, "that key itself in base64"),
];

/// 32 bytes in base64 have 44 characters; a line end may follow.
const MAX_FILE_LEN: usize = 46;

fn read_up_to(file: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read(&mut buffer[len..])? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

fn parse(bytes: &[u8]) -> Option<EncryptionKey> {
    EncryptionKey::from_slice(bytes).ok().or_else(|| parse_base64(bytes))
}

fn parse_base64(text: &[u8]) -> Option<EncryptionKey> {
    let mut decoded = Zeroizing::new([0; MAX_FILE_LEN]);
    let len = STANDARD.decode_slice(text.trim_ascii_end(), decoded.as_mut_slice()).ok()?;
    EncryptionKey::from_slice(&decoded[..len]).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sealmq_crypto_core::KeyErrorKind;

    use super::*;

    fn id() -> EncryptionKeyId {
        EncryptionKeyId::new("master-1").unwrap()
    }

    #[track_caller]
    fn field<T: std::fmt::Debug>(result: Result<T, KeyError>) -> &'static str {
        let error = result.unwrap_err();
        assert!(!format!("{error:?} {error}").contains(SECRET_TEXT), "the error shows no key");
        match error.kind() {
            KeyErrorKind::InvalidInput { field } => field,
            other => panic!("{other:?}"),
        }
    }

    const SECRET_TEXT: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

    fn write(folder: &tempfile::TempDir, bytes: &[u8], mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join("master.key");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_holds_the_key_as_bytes_or_in_base64() {
        let folder = tempfile::tempdir().unwrap();
        let with_line_end = format!("{SECRET_TEXT}\r\n");
        for bytes in
            [SECRET_TEXT.as_bytes(), with_line_end.as_bytes(), b"12345678901234567890123456789012"]
        {
            let path = write(&folder, bytes, 0o600);
            assert!(MasterKey::from_file(id(), path).is_ok());
        }
    }

    #[test]
    fn a_file_that_is_no_key_or_open_to_all_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [b"".as_slice(), b"short", &[b'a'; 44], &[b'a'; 64], &[0; 10_000]] {
            let path = write(&folder, bytes, 0o600);
            assert_eq!(field(MasterKey::from_file(id(), path)), "master_key_file");
        }
        let path = write(&folder, SECRET_TEXT.as_bytes(), 0o604);
        assert_eq!(field(MasterKey::from_file(id(), path)), "master_key_file");
        let missing = folder.path().join("missing");
        assert_eq!(field(MasterKey::from_file(id(), missing)), "master_key_file");
    }

    #[test]
    fn the_environment_gives_the_key_or_its_file() {
        let of = |pairs: &'static [(&str, &str)]| {
            MasterKeys::from_settings(&Settings::from_lookup(move |asked| {
                let name = asked.strip_prefix("SEALMQ_").unwrap();
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            }))
        };
        let current = of(&[("MASTER_KEY_ID", "m2"), ("MASTER_KEY", SECRET_TEXT)]);
        let shown = format!("{:?}", current.unwrap());
        assert!(shown.contains("m2") && !shown.contains(SECRET_TEXT), "{shown}");
        let both = of(&[
            ("MASTER_KEY_ID", "m2"),
            ("MASTER_KEY", SECRET_TEXT),
            ("EARLIER_MASTER_KEY_ID", "m1"),
            ("EARLIER_MASTER_KEY", SECRET_TEXT),
        ]);
        assert!(format!("{:?}", both.unwrap()).contains("m1"));
        assert_eq!(field(of(&[])), "SEALMQ_MASTER_KEY_ID");
        assert_eq!(field(of(&[("MASTER_KEY", SECRET_TEXT)])), "SEALMQ_MASTER_KEY_ID");
        assert_eq!(field(of(&[("MASTER_KEY_ID", "m1")])), "SEALMQ_MASTER_KEY_FILE");
        let in_the_wrong_place = of(&[("MASTER_KEY_ID", "m1"), ("MASTER_KEY_FILE", SECRET_TEXT)]);
        assert_eq!(field(in_the_wrong_place), "SEALMQ_MASTER_KEY_FILE");
        let earlier = of(&[
            ("MASTER_KEY_ID", "m2"),
            ("MASTER_KEY", SECRET_TEXT),
            ("EARLIER_MASTER_KEY_ID", "m1"),
            ("EARLIER_MASTER_KEY_FILE", SECRET_TEXT),
        ]);
        assert_eq!(field(earlier), "SEALMQ_EARLIER_MASTER_KEY_FILE");
        assert_eq!(
            field(of(&[("MASTER_KEY_ID", "m1"), ("MASTER_KEY", "MTIz")])),
            "SEALMQ_MASTER_KEY"
        );
        let nameless = of(&[
            ("MASTER_KEY_ID", "m2"),
            ("MASTER_KEY", SECRET_TEXT),
            ("EARLIER_MASTER_KEY", SECRET_TEXT),
        ]);
        assert_eq!(field(nameless), "SEALMQ_EARLIER_MASTER_KEY_ID");
    }
}
