//! Whom to log in as: a user that was given, or whom a source of credentials has now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealmq_crypto_core::{CredentialSource, Credentials, KeyError};

/// The login of one client.
pub(crate) struct Login {
    dial: Mutex<Dial>,
    source: Option<Arc<dyn CredentialSource>>,
}

/// Whom to dial as. Connections of an earlier generation are not used again.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) server: tokio_postgres::Config,
    pub(crate) generation: u64,
    credentials: Option<Arc<Credentials>>,
}

impl Login {
    pub(crate) fn new(
        server: tokio_postgres::Config,
        source: Option<Arc<dyn CredentialSource>>,
    ) -> Self {
        let dial = Dial { server, generation: 0, credentials: None };
        Self { dial: Mutex::new(dial), source }
    }

    /// Whom to dial as now: what the source has is taken over.
    ///
    /// # Errors
    /// Those of the source: it was closed.
    pub(crate) fn now(&self) -> Result<Dial, KeyError> {
        if let Some(source) = &self.source {
            self.take_over(source.current()?);
        }
        Ok(self.dial().clone())
    }

    /// From now on as this user.
    pub(crate) fn replace(&self, user: &str, password: &str) {
        let mut dial = self.dial();
        dial.server.user(user).password(password);
        dial.generation += 1;
    }

    fn take_over(&self, credentials: Arc<Credentials>) {
        let mut dial = self.dial();
        if dial.credentials.as_ref().is_some_and(|known| Arc::ptr_eq(known, &credentials)) {
            return;
        }
        dial.server.user(credentials.user()).password(credentials.expose_password());
        dial.generation += 1;
        dial.credentials = Some(credentials);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.dial().generation
    }

    pub(crate) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// Whom to dial as after the server did not let this one in; nothing where nobody else is
    /// known.
    ///
    /// # Errors
    /// Those of the source.
    pub(crate) async fn after_refusal(&self, refused: &Dial) -> Result<Option<Dial>, KeyError> {
        let (Some(source), Some(credentials)) = (&self.source, &refused.credentials) else {
            return Ok(None);
        };
        self.take_over(source.replace(credentials).await?);
        Ok(Some(self.dial().clone()))
    }

    fn dial(&self) -> MutexGuard<'_, Dial> {
        self.dial.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
