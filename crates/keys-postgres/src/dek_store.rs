//! A store of named DEKs: for frames that carry a key id instead of a wrapped DEK.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider, TenantId, random_bytes,
    random_key,
};
use tokio_postgres::Transaction;

use crate::call::{own_session, own_transaction};
use crate::dek_rows::Ring;
use crate::error::unusable_row;
use crate::kek_rows::lock;
use crate::keks::Keks;
use crate::service::PostgresKeyService;
use crate::wrap::{Use, WrappedForm, bound_to};

/// Named DEKs in `kms_deks`, each wrapped by the tenant's KEK. A ring is a set of them of which one
/// seals; a tenant may have several.
///
/// # Contract
/// - That of [`KeyProvider`]. A rotation adds a key and makes it the current one, at once and for
///   all; every key that was not retired opens.
/// - A DEK is bound to table, tenant, ring, id, level, algorithm and KEK version: a row copied over
///   another one is refused.
/// - A retired key is erased and its id stays taken. Shredding the tenant's KEK ends all its rings.
/// - One attempt a call.
#[derive(Clone)]
pub struct PostgresDekStore {
    service: PostgresKeyService,
    tenant: TenantId,
    ring: Arc<str>,
    refresh_interval: Duration,
}

impl PostgresDekStore {
    /// The ring of this name of this tenant, under the KEKs of this service. The server is not
    /// asked yet; a ring without a key gets its first one by [`PostgresDekStore::rotate`].
    ///
    /// # Errors
    /// `InvalidInput` for `ring` unless it has 1 to 128 bytes without a control character.
    pub fn new(
        service: PostgresKeyService,
        tenant: TenantId,
        ring: &str,
    ) -> Result<Self, KeyError> {
        // The rules for the name of a tenant are those for any name here.
        TenantId::new(ring).map_err(|error| KeyError::invalid_input("ring", error.to_string()))?;
        let refresh_interval = Duration::from_secs(60);
        Ok(Self { service, tenant, ring: ring.into(), refresh_interval })
    }

    /// The same, with the list of keys remembered for so long; 60 s. With zero every seal asks.
    #[must_use]
    pub fn with_refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// Puts a fresh DEK into the ring and makes it the current one; says its id.
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant was shredded, `Denied`, `Disabled`: permanent; `Unavailable`,
    /// `Throttled`: retryable.
    pub async fn rotate(&self) -> Result<EncryptionKeyId, KeyError> {
        own_transaction!(&self.service.db, "rotating a DEK", |tx| self.rotate_in(tx))
    }

    /// The same in a transaction of the caller's: a rollback leaves no key.
    ///
    /// # Errors
    /// As [`PostgresDekStore::rotate`].
    pub async fn rotate_in(&self, tx: &Transaction<'_>) -> Result<EncryptionKeyId, KeyError> {
        let keks = self.keks();
        lock(tx, keks.schema.lock_key("ring", &[self.tenant.as_str(), &self.ring])).await?;
        let kek = keks.sealing_kek_in(tx, &self.tenant).await?;
        let id = format!("dek-{:032x}", u128::from_be_bytes(random_bytes()?));
        let id = EncryptionKeyId::new(&id)?;
        let wrapped = kek.wrap(Use::Stored, &random_key()?, &stored_at(&self.ring, id.as_str()))?;
        self.rows().insert_current(tx, &id, &wrapped, kek.version).await?;
        Ok(id)
    }

    /// Erases a key, for good: it opens no more, and no other key can take its id. Repeating it is
    /// fine.
    ///
    /// # Errors
    /// `InvalidInput` for `key_id` when it is the current key; `KeyNotFound` when there never was
    /// such a key; else as [`PostgresDekStore::rotate`].
    pub async fn retire(&self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        own_transaction!(&self.service.db, "retiring a DEK", |tx| async {
            match self.rows().retire(tx, id).await?.as_deref() {
                None => Err(self.no_key(id)),
                Some("current") => {
                    let reason = format!("{:?} is the current key: rotate first", id.as_str());
                    Err(KeyError::invalid_input("key_id", reason))
                }
                Some(_) => Ok(()),
            }
        })
    }

    fn keks(&self) -> &Keks {
        &self.service.keks
    }

    fn rows(&self) -> Ring<'_> {
        Ring { schema: &self.keks().schema, tenant: self.tenant.as_str(), name: &self.ring }
    }

    fn no_key(&self, id: &EncryptionKeyId) -> KeyError {
        let context = format!("DEK {:?} of ring {:?}", id.as_str(), self.ring);
        KeyError::new(KeyErrorKind::KeyNotFound, context)
    }
}

/// What a stored DEK is bound to, besides what every wrap is. The tenant is bound by its KEK.
pub(crate) fn stored_at(ring: &str, id: &str) -> Vec<u8> {
    bound_to(&[b"kms_deks", ring.as_bytes(), id.as_bytes()])
}

#[async_trait]
impl KeyProvider for PostgresDekStore {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        let (keks, tenant) = (self.keks(), &self.tenant);
        let (form, row) = own_session!(&self.service.db, "reading a DEK", |client| async {
            let wrapped = self.rows().wrapped(client, id).await?;
            let form = WrappedForm::parse(&wrapped.ok_or_else(|| self.no_key(id))?)?;
            let row = keks.opening_row(client, tenant, form.version).await?;
            Ok((form, row))
        })?;
        let kek = keks.open(tenant, &row).await?;
        let dek = kek.unwrap(Use::Stored, &form, &stored_at(&self.ring, id.as_str()))?;
        dek.map(Arc::new).map_err(|_| {
            unusable_row(&format!("DEK {:?}", id.as_str()), "it does not open: the row was changed")
        })
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        let rows = self.rows();
        let current = own_session!(&self.service.db, "looking for the current DEK", |client| rows
            .current(client))?;
        current.ok_or_else(|| {
            let context = format!("ring {:?} has no DEK yet", self.ring);
            KeyError::new(KeyErrorKind::KeyNotFound, context)
        })
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let rows = self.rows();
        own_session!(&self.service.db, "listing DEKs", |client| rows.valid(client))
    }

    fn refresh_interval(&self) -> Duration {
        self.refresh_interval
    }
}

impl fmt::Debug for PostgresDekStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDekStore")
            .field("service", &self.service)
            .field("tenant", &self.tenant)
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}
