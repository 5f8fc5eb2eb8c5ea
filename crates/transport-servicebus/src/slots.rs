//! Links that are shared by all who need them, attached once at a time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use sealmq_queue_core::TransportError;

/// A link that may have ended.
pub(crate) trait Link {
    /// Whether it can still be used.
    fn is_open(&self) -> bool;
}

type Slot<T> = Arc<tokio::sync::Mutex<Option<Arc<T>>>>;

/// One link for each address.
#[derive(Debug)]
pub(crate) struct Slots<T>(Mutex<HashMap<String, Slot<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Link> Slots<T> {
    /// The link for an address; `attach` makes it if there is none that is open.
    pub(crate) async fn get<A, F>(&self, address: &str, attach: A) -> Result<Arc<T>, TransportError>
    where
        A: FnOnce() -> F,
        F: Future<Output = Result<T, TransportError>>,
    {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match slots.get(address) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(slots.entry(address.to_owned()).or_default()),
            }
        };
        let mut link = slot.lock().await;
        if let Some(link) = link.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        *link = None;
        let attached = Arc::new(Box::pin(attach()).await?);
        *link = Some(Arc::clone(&attached));
        Ok(attached)
    }

    /// Lets go of all links.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
