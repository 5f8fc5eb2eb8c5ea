//! The key above the KEKs: known by an id, here or in another key service, and replaceable.

use std::fmt;
use std::sync::Arc;

use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyManagementService, WrapContext,
};

use crate::error::unusable_row;
use crate::wrap::{BOX_LEN, KEY_ALGORITHM, bound_to, open, seal};

/// A master key: what the KEKs in the table are encrypted under.
///
/// Made from a file, the environment, given bytes, or another key service. Its id is stored with
/// each row; an id names one key for ever.
pub struct MasterKey {
    id: EncryptionKeyId,
    source: Source,
}

enum Source {
    /// In this process.
    Here(Arc<EncryptionKey>),
    /// A service wraps a key per row, and that one wraps the KEK. So the KEK is bound to its row
    /// even where the service binds nothing.
    Service(Arc<dyn KeyManagementService>, WrapContext),
}

/// The master keys of a service: one that encrypts, and earlier ones that only open.
pub struct MasterKeys {
    current: MasterKey,
    earlier: Vec<MasterKey>,
}

/// Which row a KEK stands in.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) version: u32,
}

/// A KEK as a row holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredKek {
    pub(crate) encrypted_key: Vec<u8>,
    pub(crate) master_key_id: String,
    pub(crate) master_algorithm: String,
    pub(crate) key_algorithm: String,
}

impl MasterKey {
    /// This key. An id has 1 to 64 bytes.
    pub fn new(id: EncryptionKeyId, key: EncryptionKey) -> Self {
        Self { id, source: Source::Here(Arc::new(key)) }
    }

    /// A key that stays in another service. KEKs are read by one call to it each, and `context`
    /// is what that service binds its wraps to.
    pub fn in_service(
        id: EncryptionKeyId,
        service: Arc<dyn KeyManagementService>,
        context: WrapContext,
    ) -> Self {
        Self { id, source: Source::Service(service, context) }
    }

    /// Its id.
    pub fn id(&self) -> &EncryptionKeyId {
        &self.id
    }

    fn algorithm(&self) -> &'static str {
        match self.source {
            Source::Here(_) => "AES-256-GCM",
            Source::Service(..) => "KMS+AES-256-GCM",
        }
    }
}

impl MasterKeys {
    /// This master key alone.
    pub fn new(current: MasterKey) -> Self {
        Self { current, earlier: Vec::new() }
    }

    /// The same with one more that opens what is still under it.
    ///
    /// # Errors
    /// `InvalidInput` for `master_key` when its id is taken.
    pub fn with_earlier(mut self, earlier: MasterKey) -> Result<Self, KeyError> {
        if self.by_id(earlier.id.as_str()).is_some() {
            let reason = format!("{:?} is given twice", earlier.id.as_str());
            return Err(KeyError::invalid_input("master_key", reason));
        }
        self.earlier.push(earlier);
        Ok(self)
    }

    pub(crate) fn current_id(&self) -> &str {
        self.current.id.as_str()
    }

    fn by_id(&self, id: &str) -> Option<&MasterKey> {
        let mut all = std::iter::once(&self.current).chain(&self.earlier);
        all.find(|master| master.id.as_str() == id)
    }

    /// What wraps KEKs now: for a master key in a service, one call, and then any number of KEKs.
    pub(crate) async fn sealer(&self) -> Result<Sealer<'_>, KeyError> {
        let master = &self.current;
        let (key, prefix) = match &master.source {
            Source::Here(key) => (Arc::clone(key), Vec::new()),
            Source::Service(service, context) => {
                let made = service.generate_dek(context).await;
                let made = made.map_err(|error| of_the_service(&master.id, error))?;
                let len = u16::try_from(made.wrapped.len()).map_err(|_| {
                    unusable_row("the master key service", "its wrapped form is too long")
                })?;
                let prefix = [&len.to_be_bytes()[..], &made.wrapped].concat();
                (Arc::new(made.dek), prefix)
            }
        };
        Ok(Sealer { master, key, prefix })
    }

    /// What unwraps KEKs, for any number of them.
    pub(crate) fn opener(&self) -> Opener<'_> {
        Opener { masters: self, last: None }
    }
}

/// What a KEK is bound to: its table, row, level and algorithms, so that a row copied over another
/// one does not open.
fn place(stored: (&str, &str, &str), at: Place<'_>) -> Vec<u8> {
    let (master_key_id, master_algorithm, key_algorithm) = stored;
    bound_to(&[
        b"sealmq-keys-postgres/master-wraps-kek/v1",
        b"kms_keys",
        at.tenant.as_bytes(),
        &at.version.to_be_bytes(),
        key_algorithm.as_bytes(),
        master_algorithm.as_bytes(),
        master_key_id.as_bytes(),
    ])
}

/// Wraps KEKs by the current master key.
pub(crate) struct Sealer<'a> {
    master: &'a MasterKey,
    key: Arc<EncryptionKey>,
    prefix: Vec<u8>,
}

impl Sealer<'_> {
    pub(crate) fn seal(&self, kek: &EncryptionKey, at: Place<'_>) -> Result<StoredKek, KeyError> {
        let (id, algorithm) = (self.master.id.as_str(), self.master.algorithm());
        let sealed = seal(&self.key, &place((id, algorithm, KEY_ALGORITHM), at), kek)?;
        Ok(StoredKek {
            encrypted_key: [&self.prefix[..], &sealed].concat(),
            master_key_id: id.to_owned(),
            master_algorithm: algorithm.to_owned(),
            key_algorithm: KEY_ALGORITHM.to_owned(),
        })
    }
}

/// Unwraps KEKs. It remembers the last key of a service: rows that were written together share one.
pub(crate) struct Opener<'a> {
    masters: &'a MasterKeys,
    last: Option<(Vec<u8>, Arc<EncryptionKey>)>,
}

impl Opener<'_> {
    pub(crate) async fn open(
        &mut self,
        stored: &StoredKek,
        at: Place<'_>,
    ) -> Result<EncryptionKey, KeyError> {
        let what = || format!("KEK {} of tenant {:?}", at.version, at.tenant);
        let unusable = |reason: &str| unusable_row(&what(), reason);
        let id = stored.master_key_id.as_str();
        let Some(master) = self.masters.by_id(id) else {
            return Err(unusable(&format!("its master key {id:?} is not configured")));
        };
        if (stored.master_algorithm.as_str(), stored.key_algorithm.as_str())
            != (master.algorithm(), KEY_ALGORITHM)
        {
            return Err(unusable("its algorithms are not those of its master key"));
        }
        let wrong_length = || unusable("it is not as long as it should be");
        let split = stored.encrypted_key.len().checked_sub(BOX_LEN).ok_or_else(wrong_length)?;
        let (prefix, sealed) = stored.encrypted_key.split_at(split);
        let key = match &master.source {
            Source::Here(key) if prefix.is_empty() => Arc::clone(key),
            Source::Here(_) => return Err(wrong_length()),
            Source::Service(service, context) => {
                let (len, wrapped) = prefix.split_first_chunk().ok_or_else(wrong_length)?;
                if usize::from(u16::from_be_bytes(*len)) != wrapped.len() {
                    return Err(wrong_length());
                }
                match &self.last {
                    Some((known, key)) if known == prefix => Arc::clone(key),
                    _ => {
                        let opened = service.decrypt_dek(wrapped, context).await;
                        let opened = opened.map_err(|error| of_the_service(&master.id, error))?;
                        let key = Arc::new(opened);
                        self.last = Some((prefix.to_vec(), Arc::clone(&key)));
                        key
                    }
                }
            }
        };
        let sealed = sealed.try_into().map_err(|_| wrong_length())?;
        let stored_as = (id, stored.master_algorithm.as_str(), stored.key_algorithm.as_str());
        open(&key, &place(stored_as, at), sealed)?.map_err(|_| {
            unusable("it does not open: the row was changed, or the master key is another one")
        })
    }
}

/// What the service of a master key refuses for good is no fault of the message that was to be
/// opened: it is `Denied` here, and what may pass stays what it is.
fn of_the_service(id: &EncryptionKeyId, error: KeyError) -> KeyError {
    let kind = if error.is_retryable() { error.kind().clone() } else { KeyErrorKind::Denied };
    KeyError::new(kind, format!("master key {:?}", id.as_str())).with_source(error)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Here(_) => "[redacted]",
            Source::Service(service, _) => service.name(),
        };
        f.debug_struct("MasterKey").field("id", &self.id.as_str()).field("source", &source).finish()
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys")
            .field("current", &self.current)
            .field("earlier", &self.earlier)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn masters() -> MasterKeys {
        let id = EncryptionKeyId::new("master-1").unwrap();
        MasterKeys::new(MasterKey::new(id, EncryptionKey::from_slice(&[5; 32]).unwrap()))
    }

    fn stored(encrypted_key: Vec<u8>) -> StoredKek {
        StoredKek {
            encrypted_key,
            master_key_id: "master-1".into(),
            master_algorithm: "AES-256-GCM".into(),
            key_algorithm: KEY_ALGORITHM.into(),
        }
    }

    fn open_at(stored: &StoredKek, tenant: &str, version: u32) -> Result<EncryptionKey, KeyError> {
        let masters = masters();
        let at = Place { tenant, version };
        masters.opener().open(stored, at).now_or_never().unwrap()
    }

    /// The form is for ever. Made by another implementation, nonce 00 to 0b.
    #[test]
    fn a_row_of_another_implementation_opens() {
        let golden = "000102030405060708090a0bdda981ae49406b9785a436f0d090d57505d24730\
                      5199a5887e8038682888e08d08ef2958ea1f86229824a0a7ee56e85e";
        let row = stored(hex::decode(golden).unwrap());
        assert_eq!(open_at(&row, "acme", 3).unwrap().expose_secret(), &[7; 32]);
    }

    #[test]
    fn a_row_opens_only_where_it_was_written_and_as_it_was_written() {
        let masters = masters();
        let kek = EncryptionKey::from_slice(&[7; 32]).unwrap();
        let sealer = masters.sealer().now_or_never().unwrap().unwrap();
        let row = sealer.seal(&kek, Place { tenant: "acme", version: 3 }).unwrap();
        assert!(open_at(&row, "acme", 3).unwrap() == kek);
        let refused = |row: &StoredKek, tenant, version| {
            let error = open_at(row, tenant, version).unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Denied, "{error}");
        };
        refused(&row, "other", 3);
        refused(&row, "acme", 4);
        refused(&StoredKek { key_algorithm: "AES-128-GCM".into(), ..row.clone() }, "acme", 3);
        let algorithm = "KMS+AES-256-GCM".to_owned();
        refused(&StoredKek { master_algorithm: algorithm, ..row.clone() }, "acme", 3);
        refused(&StoredKek { master_key_id: "master-2".into(), ..row.clone() }, "acme", 3);
        for len in 0..row.encrypted_key.len() {
            refused(&stored(row.encrypted_key[..len].to_vec()), "acme", 3);
        }
        for at in 0..row.encrypted_key.len() {
            let mut changed = row.encrypted_key.clone();
            changed[at] ^= 1;
            refused(&stored(changed), "acme", 3);
        }
    }

    #[test]
    fn an_id_is_given_once() {
        let again = MasterKey::new(
            EncryptionKeyId::new("master-1").unwrap(),
            EncryptionKey::from_slice(&[6; 32]).unwrap(),
        );
        assert!(masters().with_earlier(again).is_err());
    }
}
