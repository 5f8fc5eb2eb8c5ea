//! Asking the sources of keys themselves, past every cache: for self-tests, health and the end.

use futures_util::future::join_all;

use super::deks::{Wrapped, message_key};
use super::named::NamedKeys;
use super::ring::Keyring;
use crate::keys::{KeyError, KeyErrorKind, WrapContext};
use crate::message_key::MessageKey;

impl Keyring {
    /// A DEK that was made and wrapped for this and unwrapped again by each KEK; it goes into no
    /// cache. The keys are those of the sealer, then one as each KEK gives it to a receiver.
    pub(crate) async fn round_trip(
        &self,
        context: &WrapContext,
    ) -> Result<Vec<MessageKey>, KeyError> {
        let shared = &self.shared;
        let Wrapped { dek, forms } = shared.generate(context).await?;
        let mut keys = vec![message_key(&dek, &forms)?];
        for (kek, bytes) in &forms {
            let call = kek.service.decrypt_dek(bytes, context);
            let unwrapped = kek.call(&shared.around, "decrypt_dek", call).await?;
            if unwrapped != dek {
                let reason = format!("{} unwrapped another DEK", kek.alias.as_str());
                return Err(KeyError::new(KeyErrorKind::Malformed, reason));
            }
            keys.push(message_key(&unwrapped, &forms)?);
        }
        Ok(keys)
    }

    /// Whether the next message of this scope is sealed without asking a service.
    pub(crate) fn seals_from_cache(&self, context: &WrapContext) -> bool {
        let shared = &self.shared;
        shared.slot(context).has_room(&shared.policy, &shared.around)
    }

    /// Asks each service whether it answers: seals need all of them.
    pub(crate) async fn health(&self) -> Result<(), KeyError> {
        let asked = self.shared.keks.iter().map(|kek| kek.service.health());
        join_all(asked).await.into_iter().collect()
    }

    /// Asks each service whether it answers: opens need one of them.
    pub(crate) async fn any_service_answers(&self) -> bool {
        let asked = self.shared.keks.iter().map(|kek| kek.service.health());
        join_all(asked).await.iter().any(Result::is_ok)
    }

    /// Forgets every DEK, and ends the session with each service.
    pub(crate) async fn close(&self) -> Result<(), KeyError> {
        self.shared.opening.retain(|_| false);
        self.shared.evict_sealing(|_| true);
        let closed = self.shared.keks.iter().map(|kek| kek.service.close());
        join_all(closed).await.into_iter().collect()
    }
}

impl NamedKeys {
    /// The current key as the store gives it now; it goes into no cache.
    pub(crate) async fn read_current(&self) -> Result<MessageKey, KeyError> {
        let id = self.provider.current_key_id().await?;
        let key = self.provider.get_key(&id).await?;
        MessageKey::named(&id, &key)
            .map_err(|error| KeyError::new(KeyErrorKind::Malformed, "named key").with_source(error))
    }

    /// Whether the next message is sealed without asking the store.
    pub(crate) fn seals_from_cache(&self) -> bool {
        let listed = self.directory.at_hand(&());
        listed.is_some_and(|listed| self.keys.at_hand(&listed.current).is_some())
    }

    /// Asks the store whether it answers.
    pub(crate) async fn health(&self) -> Result<(), KeyError> {
        self.provider.health().await
    }

    /// Forgets every key, and ends the session with the store.
    pub(crate) async fn close(&self) -> Result<(), KeyError> {
        self.keys.retain(|_| false);
        self.directory.retain(|_| false);
        self.provider.close().await
    }
}
