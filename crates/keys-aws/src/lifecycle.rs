//! The life of a tenant's keys: the first one, the next one, the end of all.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::types::KeySpec;
use sealmq_crypto_core::{KekVersion, KeyError, KeyErrorKind, TenantId};
use tokio::sync::Mutex;

use crate::alias;
use crate::config::{AwsKmsConfig, KmsKeys};
use crate::error::{Call, Meaning, malformed, refused, shredded};
use crate::keys::Keys;

/// What makes and ends keys.
///
/// A version is a key of KMS with an alias of its own, which never moves. To create that alias is
/// to claim the version: KMS lets one caller do it. The alias of the tenant follows the latest.
pub(crate) struct Lifecycle {
    keys: Arc<Keys>,
    auto_create: bool,
    multi_region: bool,
    deletion_window_days: i32,
    alias_settling: Duration,
    /// Keys cost money: callers of one client do not race for them.
    creating: Mutex<()>,
}

/// Rotations under way that one of them outruns at most.
const MAX_RIVALS: u32 = 1_000;

impl Lifecycle {
    pub(crate) fn new(keys: Arc<Keys>, config: &AwsKmsConfig) -> Self {
        Self {
            keys,
            auto_create: config.auto_create,
            multi_region: config.multi_region,
            deletion_window_days: config.deletion_window_days.try_into().unwrap_or(30),
            alias_settling: config.alias_settling,
            creating: Mutex::default(),
        }
    }

    /// The first key of a tenant whose alias is not there.
    pub(crate) async fn first(self: &Arc<Self>, tenant: &TenantId) -> Result<String, KeyError> {
        if !self.auto_create {
            let tenant = tenant.as_str();
            let reason = format!("tenant {tenant:?} has no key and automatic creation is off");
            return Err(refused(reason));
        }
        let (this, tenant) = (Arc::clone(self), tenant.clone());
        to_the_end(async move {
            let _alone = this.creating.lock().await;
            this.create_first(&tenant).await
        })
        .await
    }

    /// A new version, which wraps from now on.
    pub(crate) async fn rotate(
        self: &Arc<Self>,
        tenant: &TenantId,
    ) -> Result<KekVersion, KeyError> {
        let alias = self.tenant_alias(tenant).ok_or_else(|| {
            refused("keys of the configuration are rotated there, or in KMS by rotate_key_material")
        })?;
        match self.keys.describe(&alias).await? {
            None => return self.first(tenant).await.map(|_| KekVersion(1)),
            Some(current) if current.waits_for_deletion => return Err(shredded(tenant)),
            Some(_) => {}
        }
        let (this, tenant) = (Arc::clone(self), tenant.clone());
        to_the_end(async move {
            let _alone = this.creating.lock().await;
            this.create_next(&tenant, &alias).await
        })
        .await
    }

    /// Schedules the deletion of all keys of a tenant.
    pub(crate) async fn delete(self: &Arc<Self>, tenant: &TenantId) -> Result<(), KeyError> {
        let (this, tenant) = (Arc::clone(self), tenant.clone());
        to_the_end(async move { this.delete_all(&tenant).await }).await
    }

    fn tenant_alias(&self, tenant: &TenantId) -> Option<String> {
        match &self.keys.keys {
            KmsKeys::PerTenant { alias_prefix } => Some(alias::of_tenant(alias_prefix, tenant)),
            KmsKeys::Shared(_) | KmsKeys::Mapped(_) => None,
        }
    }

    async fn create_first(&self, tenant: &TenantId) -> Result<String, KeyError> {
        let alias = self.tenant_alias(tenant).ok_or_else(|| refused("keys are configured"))?;
        if let Some(current) = self.keys.describe(&alias).await? {
            return Ok(current.arn); // another caller was faster
        }
        let first = alias::of_version(&alias, 1);
        let key = match self.keys.describe(&first).await? {
            Some(key) if key.waits_for_deletion => return Err(shredded(tenant)),
            Some(key) => key.arn,
            None => {
                let key = self.create_key(&alias).await?;
                if self.claim(&first, &key).await? {
                    key
                } else {
                    self.schedule_deletion(&key, 7).await?;
                    let theirs = self.keys.describe(&first).await?;
                    theirs.ok_or_else(|| not_yet_known(&first))?.arn
                }
            }
        };
        self.keys.remember(&first, &key);
        self.claim(&alias, &key).await?;
        Ok(key)
    }

    async fn create_next(&self, tenant: &TenantId, alias: &str) -> Result<KekVersion, KeyError> {
        let mut version = self.latest(alias, 0).await?;
        let previous = alias::of_version(alias, version);
        let key = self.create_key(alias).await?;
        let oldest = version;
        loop {
            version += 1;
            let name = alias::of_version(alias, version);
            if self.claim(&name, &key).await? {
                self.keys.remember(&name, &key);
                break;
            }
            if version - oldest > MAX_RIVALS {
                self.schedule_deletion(&key, 7).await?;
                return Err(KeyError::new(KeyErrorKind::Unavailable, "too many rotations at once"));
            }
        }
        tokio::time::sleep(self.alias_settling).await;
        let mut newest = version;
        loop {
            // Whoever claimed a later version may have been faster: the alias must not go back.
            let target = match self.keys.version(alias, newest).await? {
                Some(target) => target,
                None => return Err(not_yet_known(alias)),
            };
            self.point(alias, &target).await?;
            let later = self.latest(alias, newest).await?;
            if later == newest {
                break;
            }
            newest = later;
        }
        // A shredding that did not see this version yet has seen the one before it.
        if self.keys.describe(&previous).await?.is_some_and(|before| before.waits_for_deletion) {
            self.schedule_deletion(&key, self.deletion_window_days).await?;
            return Err(shredded(tenant));
        }
        Ok(KekVersion(version))
    }

    /// The latest version from this one on, which is there.
    async fn latest(&self, alias: &str, from: u32) -> Result<u32, KeyError> {
        let mut version = from;
        while self.keys.version(alias, version + 1).await?.is_some() {
            version += 1;
        }
        Ok(version)
    }

    async fn delete_all(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let days = self.deletion_window_days;
        match &self.keys.keys {
            KmsKeys::Shared(_) => {
                Err(refused("the key serves all tenants: it cannot be shredded for one"))
            }
            KmsKeys::Mapped(tenants) => {
                for name in tenants.get(tenant).into_iter().flatten() {
                    self.end(name, days).await?;
                }
                Ok(())
            }
            KmsKeys::PerTenant { alias_prefix } => {
                let alias = alias::of_tenant(alias_prefix, tenant);
                let mut version = 1;
                while self.end(&alias::of_version(&alias, version), days).await? {
                    version += 1;
                }
                Ok(())
            }
        }
    }

    /// Schedules the deletion of a key unless that is done, and says whether there is such a key.
    async fn end(&self, name: &str, days: i32) -> Result<bool, KeyError> {
        match self.keys.describe(name).await? {
            None => Ok(false),
            Some(key) if key.waits_for_deletion => Ok(true),
            Some(key) => self.schedule_deletion(&key.arn, days).await.map(|()| true),
        }
    }

    async fn create_key(&self, alias: &str) -> Result<String, KeyError> {
        let call = Call::new(format!("creating a key for {alias}"), "keys");
        let request = self.keys.sdk.create_key().key_spec(KeySpec::SymmetricDefault);
        let request = request.description(format!("sealmq KEK of {alias}"));
        let answer = request.multi_region(self.multi_region).send().await;
        let answer = answer.map_err(|error| call.failed(&error))?;
        let arn = answer.key_metadata().and_then(|metadata| metadata.arn());
        arn.map(str::to_owned).ok_or_else(|| malformed(format!("a new key for {alias}")))
    }

    /// Gives the key this alias, and says whether it was free.
    async fn claim(&self, alias: &str, key: &str) -> Result<bool, KeyError> {
        let call = Call::new(format!("naming a key {alias}"), "keys");
        let request = self.keys.sdk.create_alias().alias_name(alias).target_key_id(key);
        free_or_taken(&call, request.send().await)
    }

    async fn point(&self, alias: &str, key: &str) -> Result<(), KeyError> {
        let call = Call::new(format!("moving {alias} to {key}"), "keys");
        let request = self.keys.sdk.update_alias().alias_name(alias).target_key_id(key);
        request.send().await.map(|_| ()).map_err(|error| call.failed(&error).into())
    }

    async fn schedule_deletion(&self, key: &str, days: i32) -> Result<(), KeyError> {
        let call = Call::new(format!("scheduling the deletion of {key}"), "keys");
        let id = key.rsplit('/').next().unwrap_or(key); // the call is for keys of the own account
        let request = self.keys.sdk.schedule_key_deletion().key_id(id);
        let Err(error) = request.pending_window_in_days(days).send().await else {
            return Ok(());
        };
        match call.failed(&error) {
            failed if failed.meaning == Meaning::Shredded => Ok(()), // another caller was faster
            failed => Err(failed.into()),
        }
    }
}

fn free_or_taken<T, E>(
    call: &Call,
    answer: Result<T, SdkError<E, aws_sdk_kms::config::http::HttpResponse>>,
) -> Result<bool, KeyError>
where
    E: aws_sdk_kms::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    let Err(error) = answer else {
        return Ok(true);
    };
    match call.failed(&error) {
        failed if failed.meaning == Meaning::Exists => Ok(false),
        failed => Err(failed.into()),
    }
}

fn not_yet_known(alias: &str) -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, format!("{alias} is not known everywhere yet"))
}

/// Goes on when the caller goes away: half of the steps would leave a key that costs money and
/// serves nobody.
async fn to_the_end<T: Send + 'static>(
    steps: impl Future<Output = Result<T, KeyError>> + Send + 'static,
) -> Result<T, KeyError> {
    tokio::spawn(steps).await.unwrap_or_else(|_| {
        Err(KeyError::new(KeyErrorKind::Unavailable, "the runtime was stopped"))
    })
}
