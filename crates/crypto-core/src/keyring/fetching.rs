//! New DEKs to seal with: made by the first KEK's service, wrapped by all.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::deks::{Wrapped, cache_key, message_key, opening_dek};
use super::events::KeyEvent;
use super::sealing::SealingDek;
use super::shared::Shared;
use crate::keys::{KeyError, WrapContext};
use crate::suite::Suite;

impl Shared {
    pub(super) fn fetch(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
    ) -> BoxFuture<'static, Result<Arc<SealingDek>, KeyError>> {
        let (shared, context) = (Arc::clone(self), context.clone());
        async move { shared.fetch_now(&context, suite).await }.boxed()
    }

    /// One DEK, handed to the opening side as well.
    async fn fetch_now(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
    ) -> Result<Arc<SealingDek>, KeyError> {
        let epoch = self.opening.epoch();
        let Wrapped { dek, forms } = self.generate(context).await?;
        let key = message_key(&dek, &forms)?;
        let kek_version = forms.first().and_then(|(kek, bytes)| kek.service.version_of(bytes));
        for (kek, bytes) in forms {
            let found_by = cache_key(&kek, &bytes, suite, &self.policy_digest, context);
            let dek = opening_dek(&kek, &dek, bytes, context)?;
            self.opening.insert(epoch, found_by, dek);
        }
        let label = key.label();
        self.around.observe(KeyEvent::SealingKeyChanged { label, kek_version });
        Ok(Arc::new(SealingDek::new(Arc::new(key), self.around.clock.monotonic())))
    }

    /// One DEK: made by the first KEK's service, wrapped by all.
    pub(super) async fn generate(&self, context: &WrapContext) -> Result<Wrapped, KeyError> {
        let first = &self.keks[0];
        let call = first.service.generate_dek(context);
        let generated = first.call(&self.around, "generate_dek", call).await?;
        let mut forms = vec![(Arc::clone(first), generated.wrapped)];
        for kek in &self.keks[1..] {
            let call = kek.service.encrypt_dek(&generated.dek, context);
            let bytes = kek.call(&self.around, "encrypt_dek", call).await?;
            forms.push((Arc::clone(kek), bytes));
        }
        Ok(Wrapped { dek: generated.dek, forms })
    }
}
