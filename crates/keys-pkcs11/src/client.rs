//! Work on the token: one session and one blocking thread for each call, sessions kept for the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cryptoki::session::Session;
use sealmq_crypto_core::KeyError;
use tokio::sync::Semaphore;

use crate::config::Pkcs11Config;
use crate::error::{self, Failure, unavailable};
use crate::module::Module;
use crate::pin::Pin;
use crate::slots::lock;
use crate::token::Token;

/// Clones share the sessions.
#[derive(Clone)]
pub(crate) struct Pkcs11Client {
    pool: Arc<Pool>,
    /// Belongs to no runtime: whoever drops a call does not keep its session from others.
    permits: Arc<Semaphore>,
    call_timeout: Duration,
}

struct Pool {
    token: Arc<Token>,
    pin: Arc<Pin>,
    read_only: bool,
    idle: Mutex<Vec<Session>>,
}

impl Pkcs11Client {
    /// Loads the module, finds the token and logs in.
    pub(crate) async fn connect(config: Pkcs11Config) -> Result<Self, KeyError> {
        let (call_timeout, max_sessions) = (config.call_timeout, config.max_sessions);
        let opened = tokio::task::spawn_blocking(move || {
            let token = Module::load(&config.module)?.token(&config.token)?;
            let (pin, read_only) = (Arc::new(config.pin), config.read_only);
            let first = token.open(&pin, read_only)?;
            Ok::<_, Failure>(Pool { token, pin, read_only, idle: Mutex::new(vec![first]) })
        });
        let pool = in_time(call_timeout, opened).await?;
        let permits = Arc::new(Semaphore::new(max_sessions));
        Ok(Self { pool: Arc::new(pool), permits, call_timeout })
    }

    pub(crate) fn token(&self) -> &Token {
        &self.pool.token
    }

    /// Does this on a session of its own. Work that was begun ends, even if its caller does not
    /// wait for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session, &Token) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, KeyError> {
        let (pool, permits) = (Arc::clone(&self.pool), Arc::clone(&self.permits));
        let begun = async {
            let permit = permits.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let outcome = pool.on_session(work);
                drop(permit);
                outcome
            })
            .await
        };
        in_time(self.call_timeout, begun).await
    }
}

impl Pool {
    fn on_session<T>(
        &self,
        work: impl FnOnce(&Session, &Token) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = lock(&self.idle).pop();
        let session = match idle {
            Some(session) => session,
            None => self.token.open(&self.pin, self.read_only)?,
        };
        let outcome = work(&session, &self.token);
        match outcome.as_ref().err().map(Failure::session) {
            None | Some(error::Session::Usable) => lock(&self.idle).push(session),
            Some(error::Session::Broken) => {
                // What broke one session, a token that was pulled out as a rule, broke them all.
                tracing::warn!(token = self.token.label(), "sessions of the token are replaced");
                let broken = std::mem::take(&mut *lock(&self.idle));
                drop((session, broken));
            }
        }
        outcome
    }
}

/// The outcome of a blocking piece of work, if it comes in time.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<Result<T, Failure>, tokio::task::JoinError>>,
) -> Result<T, KeyError> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(outcome)) => outcome.map_err(KeyError::from),
        Ok(Err(_)) => Err(unavailable("a call to the module ended early")),
        Err(_) => Err(unavailable(format!("the token did not answer within {limit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use sealmq_crypto_core::KeyErrorKind;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_told_that_the_token_is_unavailable() {
        let limit = Duration::from_millis(10);
        let error = in_time::<()>(limit, pending()).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
        assert_eq!(in_time(limit, ready(Ok(Ok(7)))).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_call_that_panics_is_an_error_and_no_panic() {
        let panics = tokio::task::spawn_blocking(|| panic!("as told to"));
        let error = in_time::<()>(Duration::from_secs(60), panics).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    }
}
