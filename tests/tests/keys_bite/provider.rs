//! A key store that breaks one promise, under test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_contract_tests::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use sealmq_contract_tests::outcome::CaseResult;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};
use sealmq_keys_local::MemoryKeyring;

use crate::provider_table::ProviderSabotage::{self, *};

pub(crate) fn backend(how: ProviderSabotage) -> Arc<dyn KeyProviderBackend> {
    Arc::new(SabotagedBackend(how))
}

struct SabotagedBackend(ProviderSabotage);

#[async_trait]
impl KeyProviderBackend for SabotagedBackend {
    fn name(&self) -> &'static str {
        "sabotaged"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let key = EncryptionKey::generate()?;
        let first = match self.0 {
            PutsKeyIntoId => EncryptionKeyId::new(&hex(&key))?,
            _ => EncryptionKeyId::new("first")?,
        };
        Ok(Box::new(SabotagedHarness {
            how: self.0,
            world: Arc::new(World {
                keyring: MemoryKeyring::with_key(first.clone(), key),
                first,
                handed_out: Mutex::default(),
                locked: AtomicBool::new(false),
                under_way: AtomicUsize::new(0),
                asked: AtomicUsize::new(0),
            }),
            rotations: AtomicUsize::new(0),
        }))
    }
}

fn hex(key: &EncryptionKey) -> String {
    key.expose_secret().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the clients of one store share.
struct World {
    keyring: MemoryKeyring,
    first: EncryptionKeyId,
    handed_out: Mutex<HashMap<EncryptionKeyId, Arc<EncryptionKey>>>,
    locked: AtomicBool,
    under_way: AtomicUsize,
    asked: AtomicUsize,
}

struct SabotagedHarness {
    how: ProviderSabotage,
    world: Arc<World>,
    rotations: AtomicUsize,
}

#[async_trait]
impl KeyProviderHarness for SabotagedHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(SabotagedStore {
            how: self.how,
            world: Arc::clone(&self.world),
            other_key: Arc::new(EncryptionKey::generate()?),
            remembered: Mutex::default(),
        }))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        let number = self.rotations.fetch_add(1, Relaxed);
        let id = EncryptionKeyId::new(&format!("rotated-{number}"))?;
        self.world.keyring.rotate(id.clone())?;
        Ok(id)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        Ok(self.world.keyring.retire(id)?)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(if self.how == LeavesLockBehind { 300 } else { 10_000 })
    }

    fn shows(&self) -> Vec<String> {
        let keys = self.world.handed_out.lock().unwrap();
        match self.how {
            ShowsKeys => keys.values().map(|key| format!("Store {{ {} }}", hex(key))).collect(),
            _ => vec![format!("{:?}", self.world.keyring)],
        }
    }
}

/// One client of the store.
struct SabotagedStore {
    how: ProviderSabotage,
    world: Arc<World>,
    other_key: Arc<EncryptionKey>,
    remembered: Mutex<Option<Vec<EncryptionKeyId>>>,
}

/// A call under way.
struct Call<'a>(&'a World);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

impl SabotagedStore {
    async fn enter(&self) -> Result<Call<'_>, KeyError> {
        const A_MOMENT: Duration = Duration::from_millis(3);
        let unavailable = || KeyError::new(KeyErrorKind::Unavailable, "sabotaged");
        let before = self.world.under_way.fetch_add(1, Relaxed);
        let call = Call(&self.world);
        let number = self.world.asked.fetch_add(1, Relaxed);
        match self.how {
            LeavesLockBehind => {
                while self.world.locked.swap(true, Relaxed) {
                    tokio::time::sleep(A_MOMENT).await;
                }
                tokio::time::sleep(A_MOMENT).await;
                self.world.locked.store(false, Relaxed);
            }
            Overloaded if before > 0 => return Err(unavailable()),
            Overloaded => tokio::time::sleep(A_MOMENT).await,
            FailsNowAndThen if number % 20 == 19 => return Err(unavailable()),
            _ => {}
        }
        Ok(call)
    }
}

#[async_trait]
impl KeyProvider for SabotagedStore {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        let _call = self.enter().await?;
        let honest = &self.world.keyring;
        let current = honest.current_key_id().await?;
        match self.how {
            GivesAnotherKeyEachTime => {
                return Ok(Arc::new(EncryptionKey::generate().map_err(|error| {
                    KeyError::new(KeyErrorKind::Unavailable, "").with_source(error)
                })?));
            }
            OneKeyForAll => return honest.get_key(&self.world.first).await,
            ClientsHaveOtherKeys => return Ok(Arc::clone(&self.other_key)),
            FoldsIds => {
                let same =
                    |own: &&EncryptionKeyId| own.as_str().eq_ignore_ascii_case(id.as_str().trim());
                if let Some(own) = honest.ids().iter().find(same) {
                    return honest.get_key(own).await;
                }
            }
            HandsOutRetiredKeys => {
                if let Some(key) = self.world.handed_out.lock().unwrap().get(id) {
                    return Ok(Arc::clone(key));
                }
            }
            _ => {}
        }
        match (self.how, honest.get_key(id).await) {
            (GivesCurrentForUnknown, Err(_)) => honest.get_key(&current).await,
            (CallsUnknownDenied, Err(_)) => Err(KeyError::new(KeyErrorKind::Denied, "unknown")),
            (QuotesKeys, Err(error)) => {
                let key = hex(&*honest.get_key(&current).await?);
                Err(KeyError::new(error.kind().clone(), format!("have only {key}")))
            }
            (_, Ok(key)) => {
                self.world.handed_out.lock().unwrap().insert(id.clone(), Arc::clone(&key));
                Ok(key)
            }
            (_, refused) => refused,
        }
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        let _call = self.enter().await?;
        match self.how {
            StaysOnFirstKey => Ok(self.world.first.clone()),
            _ => self.world.keyring.current_key_id().await,
        }
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let _call = self.enter().await?;
        let current = self.world.keyring.current_key_id().await?;
        let mut ids = self.world.keyring.ids();
        match self.how {
            ListsOldKeysOnly => ids.retain(|id| *id != current),
            ForgetsOldKeys => ids.retain(|id| *id == current),
            ListsTwice => ids.push(current),
            ClientsRememberTheList => {
                return Ok(self.remembered.lock().unwrap().get_or_insert(ids).clone());
            }
            _ => {}
        }
        Ok(ids)
    }

    fn refresh_interval(&self) -> Duration {
        self.world.keyring.refresh_interval()
    }
}
