//! The keys of the demo: named ones in memory, or KEKs of tenants of its own in a key service.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq::format::{Frame, KeyReference};
use sealmq::local::{MemoryKeyring, MemoryKms};
use sealmq::transport::new_message_id;
use sealmq::{
    AesGcmCryptoProvider, CryptoConfig, KekAlias, KekVersion, KeyErrorKind, KeyManagementService,
    Keyring, QueueClientBuilder, TenantId, WrapContext,
};

use super::counting::Counting;
use super::impostor::Impostor;
use super::terms::{ENVIRONMENT, broken, key_id};
use crate::error::CliError;
use crate::keys::{self, KeySource};

/// The key before the rotation, and the one after it, where keys have names.
const KEY_A: &str = "demo-key-a";
const KEY_B: &str = "demo-key-b";

/// What frames call the KEK, where a key service wraps.
const ALIAS: &str = "demo-kek";

/// What strangers call a key of their own.
const STRANGERS_KEY: &str = "strangers-key";

/// Whose messages they are.
#[derive(Debug, Clone)]
pub(super) struct Tenants {
    pub(super) acme: String,
    pub(super) globex: String,
}

/// Who seals and opens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Initiator,
    Responder,
}

/// The keys, and who has them.
pub(super) enum Keys {
    /// Initiator and responder share a store.
    Named(MemoryKeyring),
    /// Each has a connection to the service.
    Service(Box<ServiceKeys>),
}

/// KEKs in a key service.
pub(super) struct ServiceKeys {
    source: Box<dyn KeySource>,
    tenants: [TenantId; 2],
    sides: [(Arc<Counting>, Keyring); 2],
    /// Who makes the tenants, rotates and shreds: with a connection that is not counted.
    operator: Arc<dyn KeyManagementService>,
}

/// What became of the tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They were shredded, and nothing can be sealed for them any more.
    Shredded,
    /// This client may not shred.
    Kept,
}

impl Keys {
    /// A first key; or a KEK for each of two new tenants, where there is a key service.
    pub(super) async fn make(source: Option<Box<dyn KeySource>>) -> Result<Self, CliError> {
        let Some(source) = source else {
            return Ok(Self::Named(MemoryKeyring::generate(key_id(KEY_A)?).map_err(broken)?));
        };
        let operator = keys::connect(&*source).await?;
        if !operator.capabilities().rotation {
            let reason = "is not allowed to rotate a KEK here, which the demo shows";
            return Err(CliError::usage(format!("{}: this client {reason}", source.describe())));
        }
        let id = new_message_id();
        let random = id.get(id.len().saturating_sub(8)..).unwrap_or(&id);
        let tenant = |name| TenantId::new(&format!("demo-{name}-{random}")).map_err(broken);
        let tenants = [tenant("acme")?, tenant("globex")?];
        let sides = [side(&*source).await?, side(&*source).await?];
        let made = ServiceKeys { source, tenants, sides, operator };
        for tenant in &made.tenants {
            if let Err(error) = made.operator.generate_dek(&made.scope_of_nobody(tenant)).await {
                let _ = made.shred().await; // the first error is what matters
                return Err(keys::cannot_use(&*made.source, error));
            }
        }
        Ok(Self::Service(Box::new(made)))
    }

    pub(super) fn tenants(&self) -> Tenants {
        let [acme, globex] = match self {
            Self::Named(_) => ["acme", "globex"].map(str::to_owned),
            Self::Service(keys) => keys.tenants.clone().map(|tenant| tenant.to_string()),
        };
        Tenants { acme, globex }
    }

    /// The client with the keys of this side.
    pub(super) fn give(
        &self,
        side: Side,
        client: QueueClientBuilder,
    ) -> Result<QueueClientBuilder, CliError> {
        match self {
            Self::Named(keys) => Ok(client.with_key_provider(Arc::new(keys.clone()))),
            Self::Service(keys) => {
                // A keyring of our own, so that a rotation can be made effective at once.
                let crypto = AesGcmCryptoProvider::builder().config(&CryptoConfig::strict());
                let crypto = crypto.keyring(keys.side(side).1.clone()).build().map_err(broken)?;
                Ok(client.with_crypto_provider(Arc::new(crypto)))
            }
        }
    }

    /// The client with the initiator's keys and caches of its own.
    pub(super) fn give_more(&self, client: QueueClientBuilder) -> QueueClientBuilder {
        match self {
            Self::Named(keys) => client.with_key_provider(Arc::new(keys.clone())),
            Self::Service(keys) => {
                let (service, _) = keys.side(Side::Initiator);
                client.with_key_management(ALIAS, Arc::clone(service) as _)
            }
        }
    }

    /// The client with a key that only strangers know, under a name of theirs.
    pub(super) fn give_unknown(
        &self,
        client: QueueClientBuilder,
    ) -> Result<QueueClientBuilder, CliError> {
        Ok(match self {
            Self::Named(_) => client.with_key_provider(strangers(STRANGERS_KEY)?),
            Self::Service(_) => {
                client.with_key_management(STRANGERS_KEY, Arc::new(MemoryKms::new()))
            }
        })
    }

    /// The client with a key that only strangers know, named like the one in use; `seen` is a frame
    /// that they have seen.
    pub(super) fn give_false(
        &self,
        client: QueueClientBuilder,
        seen: &Frame<'_>,
    ) -> Result<QueueClientBuilder, CliError> {
        Ok(match (self, seen.key_reference()) {
            (Self::Service(_), KeyReference::Wrapped(deks)) => {
                let form = deks.iter().next().map_or(&[][..], |dek| dek.wrapped);
                client.with_key_management(ALIAS, Arc::new(Impostor::after(form)))
            }
            _ => client.with_key_provider(strangers(KEY_B)?),
        })
    }

    /// Makes a new key, which seals from now on, and says what reports call it.
    pub(super) async fn rotate(&self) -> Result<String, CliError> {
        match self {
            Self::Named(keys) => {
                keys.rotate(key_id(KEY_B)?).map_err(broken)?;
                Ok(KEY_B.to_owned())
            }
            Self::Service(keys) => {
                let [acme, _] = &keys.tenants;
                let version = keys.operator.rotate_kek(acme).await.map_err(broken)?;
                for (_, keyring) in &keys.sides {
                    keyring.forget_tenant(acme);
                }
                Ok(kek_version(version))
            }
        }
    }

    /// Who reads the version of the KEK off a wrapped DEK, which takes no key.
    pub(super) fn reader(&self) -> Option<Arc<dyn KeyManagementService>> {
        match self {
            Self::Named(_) => None,
            Self::Service(keys) => Some(Arc::clone(&keys.operator)),
        }
    }

    /// How often both sides together called each operation of the service.
    pub(super) fn calls(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = BTreeMap::new();
        if let Self::Service(keys) = self {
            for (operation, count) in keys.sides.iter().flat_map(|(service, _)| service.calls()) {
                *calls.entry(operation).or_default() += count;
            }
        }
        calls
    }

    pub(super) fn source(&self) -> Option<&dyn KeySource> {
        match self {
            Self::Named(_) => None,
            Self::Service(keys) => Some(&*keys.source),
        }
    }

    /// Shreds the tenants, where that is allowed, and makes sure that they are refused then.
    pub(super) async fn end(&self) -> Result<Option<Fate>, CliError> {
        match self {
            Self::Named(_) => Ok(None),
            Self::Service(keys) => keys.shred().await.map(Some),
        }
    }
}

impl ServiceKeys {
    fn side(&self, side: Side) -> &(Arc<Counting>, Keyring) {
        match side {
            Side::Initiator => &self.sides[0],
            Side::Responder => &self.sides[1],
        }
    }

    fn scope_of_nobody(&self, tenant: &TenantId) -> WrapContext {
        WrapContext::new(Some(ENVIRONMENT), tenant.clone(), "first-and-last-use")
    }

    async fn shred(&self) -> Result<Fate, CliError> {
        if !self.operator.capabilities().deletion {
            return Ok(Fate::Kept);
        }
        let mut outcome = Ok(Fate::Shredded);
        for tenant in &self.tenants {
            let failed = |why: &str| {
                let place = self.source.describe();
                CliError::failed(format!("tenant {tenant} at {place} {why}"))
            };
            if let Err(error) = self.operator.delete_kek(tenant).await {
                outcome = Err(failed("could not be shredded").because(error));
                continue;
            }
            // Stand-ins for KMS go on wrapping by keys whose deletion is scheduled, and rotate none.
            match self.operator.rotate_kek(tenant).await {
                Err(error) if *error.kind() == KeyErrorKind::KeyNotFound => {}
                Err(error) => {
                    outcome = Err(failed("is not known to be shredded").because(error));
                }
                Ok(_) => outcome = Err(failed("was shredded and serves all the same")),
            }
        }
        outcome
    }
}

/// What reports call a version.
pub(super) fn kek_version(version: KekVersion) -> String {
    format!("KEK version {}", version.0)
}

async fn side(source: &dyn KeySource) -> Result<(Arc<Counting>, Keyring), CliError> {
    let service = Counting::new(keys::connect(source).await?);
    let alias = KekAlias::new(ALIAS).map_err(broken)?;
    let keyring = Keyring::builder().kek(alias, Arc::clone(&service) as _).build();
    Ok((service, keyring.map_err(broken)?))
}

fn strangers(id: &str) -> Result<Arc<MemoryKeyring>, CliError> {
    Ok(Arc::new(MemoryKeyring::generate(key_id(id)?).map_err(broken)?))
}
