//! A key service that breaks one promise.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    KmsCapabilities, TenantId, WrapContext,
};
use sealmq_keys_local::MemoryKms;

use crate::kms_table::KmsSabotage::{self, *};
use crate::kms_world::World;

/// Long enough for others to come in between.
const A_MOMENT: Duration = Duration::from_millis(3);

/// One client of the service.
pub(crate) struct SabotagedKms {
    pub(crate) how: KmsSabotage,
    pub(crate) world: Arc<World>,
    /// The honest service, as this client may use it.
    pub(crate) honest: MemoryKms,
    pub(crate) remembered: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

/// A call under way.
struct Call<'a>(&'a SabotagedKms);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.world.under_way.fetch_sub(1, Relaxed);
    }
}

impl SabotagedKms {
    async fn enter(&self) -> Result<Call<'_>, KeyError> {
        let before = self.world.under_way.fetch_add(1, Relaxed);
        let call = Call(self);
        match self.how {
            Hangs => std::future::pending().await,
            LeavesLockBehind => {
                while self.world.locked.swap(true, Relaxed) {
                    tokio::time::sleep(A_MOMENT).await;
                }
                tokio::time::sleep(A_MOMENT).await;
                self.world.locked.store(false, Relaxed);
            }
            Overloaded if before > 0 => return Err(unavailable()),
            FailsDuringRotations if self.world.rotating.load(Relaxed) => return Err(unavailable()),
            Overloaded | BusyTenantsAreNotShredded => tokio::time::sleep(A_MOMENT).await,
            _ => {}
        }
        Ok(call)
    }

    async fn wrap(&self, dek: &EncryptionKey, context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let (world, tenant) = (&self.world, context.tenant());
        let foreign = !context.scope().is_ascii() || !tenant.as_str().is_ascii();
        if self.how == RefusesForeignLetters && foreign {
            return Err(KeyError::invalid_input("context", "has foreign letters"));
        }
        if self.how == RepeatsWraps {
            let made = world.made.lock().unwrap();
            let same = |(_, made): &(_, &crate::kms_world::Made)| {
                made.dek == dek.expose_secret() && made.context == *context
            };
            if let Some((wrapped, _)) = made.iter().find(same) {
                return Ok(wrapped.clone());
            }
        }
        let mut by = &self.honest;
        if matches!(self.how, FirstUsesRace | StartsAtVersion2) {
            let known = world.used.lock().unwrap().contains(tenant);
            if self.how == FirstUsesRace && !known {
                tokio::time::sleep(A_MOMENT).await;
            }
            let first = world.used.lock().unwrap().insert(tenant.clone());
            match self.how {
                StartsAtVersion2 if first => drop(world.kms.rotate_kek(tenant).await?),
                FirstUsesRace if !first && !known => by = &world.stranger,
                _ => {}
            }
            if self.how == StartsAtVersion2 && first {
                world.kms.rotate_kek(tenant).await?;
            }
        }
        if self.how == SealsByTheFirstVersion {
            self.honest.create_kek(tenant)?;
            by = &world.unrotated;
        }
        let mut wrapped = by.encrypt_dek(dek, context).await?;
        match self.how {
            AppendsDekToForm => wrapped.extend_from_slice(dek.expose_secret()),
            FormsTooLong => wrapped.resize(5000, 0),
            IgnoresLastByte => wrapped.push(0),
            _ => {}
        }
        world.note(&wrapped, context, dek);
        Ok(wrapped)
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let (world, tenant) = (&self.world, context.tenant());
        let kept = match self.how {
            AppendsDekToForm | FormsTooLong | CutsOversizedForms => wrapped.len().min(64),
            IgnoresLastByte => wrapped.len().saturating_sub(1),
            _ => wrapped.len(),
        };
        let form = &wrapped[..kept];
        let latest = world.latest(tenant);
        let old = form.len() == 64 && latest.is_some_and(|v| form[..4] != v.0.to_be_bytes());
        match self.how {
            OpensToAnotherDek => return EncryptionKey::generate().map_err(|_| unavailable()),
            CreatesWhenOpening => drop(world.kms.create_kek(tenant)?),
            ForgetsOldVersions if old => {
                return Err(KeyError::new(KeyErrorKind::WrongKeyVersion, "too old"));
            }
            RewrappingRevokes if world.revoked.lock().unwrap().contains(wrapped) => {
                return Err(KeyError::new(KeyErrorKind::ContextMismatch, "revoked"));
            }
            OpensAfterDeletion => {
                if let Some(made) = world.made(wrapped).filter(|made| made.context == *context) {
                    return Ok(made.dek());
                }
            }
            // The latest version is the third of the case: what the first two wrapped survives.
            ShredsLatestVersionOnly if form.first_chunk() <= Some(&2_u32.to_be_bytes()) => {
                if let Some(made) = world.made(wrapped).filter(|made| made.context == *context) {
                    return Ok(made.dek());
                }
            }
            ClientsRememberDeks => {
                if let Some(dek) = self.remembered.lock().unwrap().get(wrapped) {
                    return Ok(EncryptionKey::from_slice(dek).unwrap());
                }
            }
            SealsByTheFirstVersion => {
                return match world.unrotated.decrypt_dek(form, context).await {
                    Ok(dek) => Ok(dek),
                    Err(_) => self.honest.decrypt_dek(form, context).await,
                };
            }
            _ => {}
        }
        let opened = self.honest.decrypt_dek(form, context).await;
        match (self.how, opened) {
            (OpensAnything, Err(_)) => EncryptionKey::generate().map_err(|_| unavailable()),
            (KnowsTheStrangersKek, Err(_)) => world.stranger.decrypt_dek(form, context).await,
            (ClientsRememberDeks, Ok(dek)) => {
                let secret = dek.expose_secret().to_vec();
                self.remembered.lock().unwrap().insert(wrapped.to_vec(), secret);
                Ok(dek)
            }
            (_, opened) => opened.map_err(|error| self.bent_error(error, wrapped)),
        }
    }
}

fn unavailable() -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, "sabotaged")
}

#[async_trait]
impl KeyManagementService for SabotagedKms {
    fn name(&self) -> &str {
        if self.how == HasNoName { "" } else { "sabotaged" }
    }

    fn capabilities(&self) -> KmsCapabilities {
        let mut capabilities = self.honest.capabilities();
        match self.how {
            LacksRotation | DeclaresNoRotation => capabilities.rotation = false,
            LacksDeletion | DeclaresNoDeletion => capabilities.deletion = false,
            LacksAssociatedData => capabilities.associated_data = false,
            DeclaresAnew => {
                capabilities.server_side_rewrap =
                    self.world.asked.fetch_add(1, Relaxed).is_multiple_of(2);
            }
            DeclaresTooShort => capabilities.max_wrapped_len -= 1,
            DeclaresTooLong => capabilities.max_wrapped_len = 5000,
            AppendsDekToForm => capabilities.max_wrapped_len += 32,
            IgnoresLastByte => capabilities.max_wrapped_len += 1,
            _ => {}
        }
        capabilities
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        let named = self.honest.version_of(wrapped);
        match self.how {
            NamesVersionsOffByOne => named.map(|version| KekVersion(version.0 + 1)),
            NamesVersionsOfGarbage => named.or(Some(KekVersion(1))),
            // The forms of these are longer than the honest ones.
            AppendsDekToForm | IgnoresLastByte => {
                wrapped.get(..64).and_then(|form| self.honest.version_of(form))
            }
            _ => named,
        }
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let _call = self.enter().await?;
        let fresh = || EncryptionKey::generate().map_err(|_| unavailable());
        let dek = match self.how {
            GeneratesOneDek => {
                EncryptionKey::from_slice(self.world.one_dek.expose_secret()).unwrap()
            }
            _ => fresh()?,
        };
        let wrapped = self.wrap(&dek, &self.bent(context)).await;
        Ok(GeneratedDek { dek, wrapped: wrapped.map_err(|error| self.bent_error(error, &[]))? })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let _call = self.enter().await?;
        let wrapped = match self.how {
            WrapsAnotherDek => {
                let another = EncryptionKey::generate().map_err(|_| unavailable())?;
                self.wrap(&another, &self.bent(context)).await
            }
            _ => self.wrap(dek, &self.bent(context)).await,
        };
        wrapped.map_err(|error| self.bent_error(error, &[]))
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let _call = self.enter().await?;
        self.unwrap(wrapped, &self.bent(context)).await
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let _call = self.enter().await?;
        let mut context = self.bent(context);
        let into = context.clone();
        if self.how == RewrappingMovesContexts {
            context = self.world.made(wrapped).map_or(context, |made| made.context);
        }
        let dek = match (self.how, self.unwrap(wrapped, &context).await) {
            (RewrapsGarbage, Err(_)) | (RewrapsAnotherDek, Ok(_)) => {
                EncryptionKey::generate().map_err(|_| unavailable())?
            }
            (ReturnsTheOldForm, Ok(_)) => return Ok(wrapped.to_vec()),
            (_, opened) => opened?,
        };
        if self.how == RewrappingRevokes {
            self.world.revoked.lock().unwrap().insert(wrapped.to_vec());
        }
        self.wrap(&dek, &into).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let _call = self.enter().await?;
        let (world, tenant) = (&self.world, &self.bent_tenant(tenant));
        let latest = world.latest(tenant);
        match self.how {
            LacksRotation => return Err(KeyError::new(KeyErrorKind::Denied, "not offered")),
            RotatesUsedTenantsOnly if latest.is_none() => {
                return Err(KeyError::new(KeyErrorKind::KeyNotFound, "not used yet"));
            }
            SkipsVersions => drop(self.honest.rotate_kek(tenant).await?),
            RotatesEveryTenant => {
                for (other, _) in world.kms.tenants().iter().filter(|(name, _)| name != tenant) {
                    world.kms.rotate_kek(other).await?;
                }
            }
            RotationsCollide => {
                let next = KekVersion(latest.map_or(1, |version| version.0 + 1));
                tokio::time::sleep(A_MOMENT).await;
                if world.latest(tenant) < Some(next) {
                    self.honest.rotate_kek(tenant).await?;
                }
                return Ok(next);
            }
            FailsDuringRotations => {
                world.rotating.store(true, Relaxed);
                tokio::time::sleep(A_MOMENT).await;
                world.rotating.store(false, Relaxed);
            }
            _ => {}
        }
        self.honest.rotate_kek(tenant).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let _call = self.enter().await?;
        let world = &self.world;
        match self.how {
            LacksDeletion => return Err(KeyError::new(KeyErrorKind::Denied, "not offered")),
            BringsTenantsBack => {
                *world.lives.lock().unwrap().entry(tenant.clone()).or_default() += 1;
                return Ok(());
            }
            RefusesSecondDeletion if world.latest(tenant).is_none() => {
                return Err(KeyError::new(KeyErrorKind::KeyNotFound, "nothing to shred"));
            }
            ShredsEveryTenant => {
                for (other, _) in world.kms.tenants() {
                    world.kms.delete_kek(&other).await?;
                }
            }
            BusyTenantsAreNotShredded if world.under_way.load(Relaxed) > 1 => return Ok(()),
            _ => {}
        }
        self.remembered.lock().unwrap().clear();
        self.honest.delete_kek(&self.bent_tenant(tenant)).await
    }
    async fn health(&self) -> Result<(), KeyError> {
        match self.how {
            IsNeverHealthy => Err(unavailable()),
            IsAlwaysHealthy => Ok(()),
            _ if self.world.is_down => Err(unavailable()),
            _ => self.honest.health().await,
        }
    }
}
