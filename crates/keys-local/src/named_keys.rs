//! A set of named keys: which one seals, which ones open, which ids are used up.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError};

use crate::error::{no_current_key, no_named_key};

/// An id in use has its key; a retired id has none and stays, so that no other key takes it.
pub(crate) type NamedKeyMap = BTreeMap<EncryptionKeyId, Option<Arc<EncryptionKey>>>;

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedKeySet {
    current: Option<EncryptionKeyId>,
    keys: NamedKeyMap,
}

impl NamedKeySet {
    /// A set of one key, the current one.
    pub(crate) fn of(id: EncryptionKeyId, key: EncryptionKey) -> Self {
        Self { current: Some(id.clone()), keys: [(id, Some(Arc::new(key)))].into() }
    }

    /// A set that was stored, or the rule that it breaks.
    #[cfg(unix)]
    pub(crate) fn restore(
        current: Option<EncryptionKeyId>,
        keys: NamedKeyMap,
    ) -> Result<Self, &'static str> {
        let set = Self { current, keys };
        match &set.current {
            Some(id) if set.get(id).is_err() => Err("the current named key is not among the keys"),
            _ => Ok(set),
        }
    }

    #[cfg(unix)]
    pub(crate) fn keys(&self) -> &NamedKeyMap {
        &self.keys
    }

    pub(crate) fn get(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.keys.get(id).cloned().flatten().ok_or_else(|| no_named_key(id))
    }

    pub(crate) fn current_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.current.clone().ok_or_else(no_current_key)
    }

    pub(crate) fn valid_ids(&self) -> Vec<EncryptionKeyId> {
        let in_use = self.keys.iter().filter(|(_, key)| key.is_some());
        in_use.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn add(&mut self, id: EncryptionKeyId, key: EncryptionKey) -> Result<(), KeyError> {
        if self.keys.contains_key(&id) {
            let reason = format!("{:?} is taken: an id names one key for ever", id.as_str());
            return Err(KeyError::invalid_input("key_id", reason));
        }
        self.keys.insert(id, Some(Arc::new(key)));
        Ok(())
    }

    pub(crate) fn add_current(
        &mut self,
        id: EncryptionKeyId,
        key: EncryptionKey,
    ) -> Result<(), KeyError> {
        self.add(id.clone(), key)?;
        self.current = Some(id);
        Ok(())
    }

    pub(crate) fn make_current(&mut self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        self.get(id)?;
        self.current = Some(id.clone());
        Ok(())
    }

    pub(crate) fn retire(&mut self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        if self.current.as_ref() == Some(id) {
            let reason = format!("{:?} is the current key: rotate first", id.as_str());
            return Err(KeyError::invalid_input("key_id", reason));
        }
        let key = self.keys.get_mut(id).ok_or_else(|| no_named_key(id))?;
        *key = None;
        Ok(())
    }
}
