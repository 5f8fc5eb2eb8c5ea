//! One piece of work on the token: the keys of one tenant, on one session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki::session::Session;
use sealmq_crypto_core::{EncryptionKey, KekVersion, KeyErrorKind, TenantId, WrapContext};

use crate::config::NonceSource;
use crate::error::{Failure, creation_denied, malformed, no_tenant, no_version, shredded};
use crate::keks::{self, Kek, Keks, Tenant};
use crate::token::Token;
use crate::wrap::{WrappedForm, unwrap, wrap};

/// What each call needs of the configuration.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) key_prefix: Arc<str>,
    pub(crate) auto_create: bool,
    pub(crate) read_only: bool,
    pub(crate) restrict_mechanisms: bool,
    pub(crate) nonce_source: NonceSource,
    /// Whether a wrap was opened again: a token that hides its nonce is found out at once.
    pub(crate) checked: Arc<AtomicBool>,
}

/// The surroundings of one piece of work.
pub(crate) struct OnToken<'a> {
    pub(crate) session: &'a Session,
    pub(crate) token: &'a Token,
    pub(crate) tenant: &'a TenantId,
    pub(crate) label: &'a [u8],
    pub(crate) settings: &'a Settings,
}

impl OnToken<'_> {
    fn find(&self) -> Result<Tenant, Failure> {
        keks::find(self.session, self.label)
    }

    /// The KEKs of a tenant that was used before.
    fn existing(&self) -> Result<Keks, Failure> {
        match self.find()? {
            Tenant::Live(keks) => Ok(keks),
            Tenant::Unused => Err(no_tenant(self.tenant).into()),
            Tenant::Shredded => Err(shredded(self.tenant).into()),
        }
    }

    /// Wraps by the latest KEK, which is made now if the tenant was never used.
    pub(crate) fn wrap_by_latest(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, Failure> {
        let reading = self.token.reading();
        match self.find()? {
            Tenant::Live(keks) => return self.wrap(keks.latest(), dek, context),
            Tenant::Shredded => return Err(shredded(self.tenant).into()),
            Tenant::Unused if !self.settings.auto_create => {
                return Err(creation_denied(self.tenant).into());
            }
            Tenant::Unused => drop(reading),
        }
        let _changing = self.token.changing();
        let keks = match self.find()? {
            Tenant::Live(keks) => keks,
            Tenant::Shredded => return Err(shredded(self.tenant).into()),
            Tenant::Unused => self.create(1)?,
        };
        self.wrap(keks.latest(), dek, context)
    }

    fn create(&self, version: u32) -> Result<Keks, Failure> {
        let restrict = self.settings.restrict_mechanisms;
        match keks::create(self.session, self.label, version, restrict)? {
            Tenant::Shredded => Err(shredded(self.tenant).into()),
            Tenant::Live(keks) if keks.of_version(version).next().is_some() => Ok(keks),
            Tenant::Live(_) | Tenant::Unused => {
                Err(malformed("the token did not make the key as it was asked to").into())
            }
        }
    }

    fn wrap(
        &self,
        kek: &Kek,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, Failure> {
        let source = self.settings.nonce_source;
        let wrapped = wrap(self.session, kek, dek, context, source)?;
        if !self.settings.checked.load(Ordering::Relaxed) {
            let form = WrappedForm::parse(&wrapped)?;
            match unwrap(self.session, kek, &form, context, source) {
                Ok(opened) if opened == *dek => {}
                Ok(_) | Err(Failure::Refused(_)) => {
                    return Err(malformed("the token does not open what it wrapped").into());
                }
                Err(failure) => return Err(failure),
            }
            self.settings.checked.store(true, Ordering::Relaxed);
        }
        Ok(wrapped)
    }

    fn unwrap(
        &self,
        keks: &Keks,
        form: &WrappedForm,
        context: &WrapContext,
    ) -> Result<EncryptionKey, Failure> {
        let mut refusal = no_version(self.tenant, form.version);
        for kek in keks.of_version(form.version) {
            match unwrap(self.session, kek, form, context, self.settings.nonce_source) {
                Err(Failure::Refused(error)) if *error.kind() == KeyErrorKind::ContextMismatch => {
                    refusal = error;
                }
                outcome => return outcome,
            }
        }
        Err(refusal.into())
    }

    /// Unwraps a DEK by the version that its form names.
    pub(crate) fn open(
        &self,
        form: &WrappedForm,
        context: &WrapContext,
    ) -> Result<EncryptionKey, Failure> {
        let _reading = self.token.reading();
        self.unwrap(&self.existing()?, form, context)
    }

    /// Wraps the same DEK by the latest KEK.
    pub(crate) fn rewrap(
        &self,
        form: &WrappedForm,
        context: &WrapContext,
    ) -> Result<Vec<u8>, Failure> {
        let _reading = self.token.reading();
        let keks = self.existing()?;
        let dek = self.unwrap(&keks, form, context)?;
        self.wrap(keks.latest(), &dek, context)
    }

    /// A rotation can be the first use of a tenant, and is then subject to its policy.
    pub(crate) fn rotate(&self) -> Result<KekVersion, Failure> {
        let _changing = self.token.changing();
        let next = match self.find()? {
            Tenant::Live(keks) => keks::next_version(keks.latest().version)?,
            Tenant::Shredded => return Err(shredded(self.tenant).into()),
            Tenant::Unused if !self.settings.auto_create => {
                return Err(creation_denied(self.tenant).into());
            }
            Tenant::Unused => 1,
        };
        self.create(next)?;
        Ok(KekVersion(next))
    }

    pub(crate) fn shred(&self) -> Result<(), Failure> {
        let _changing = self.token.changing();
        keks::shred(self.session, self.label)
    }
}
