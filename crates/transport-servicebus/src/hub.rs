//! What everything of one transport shares: the connection, its links, and whether it is closed.

use std::future::Future;
use std::sync::Arc;

use fe2o3_amqp::session::SessionHandle;
use sealmq_queue_core::{Capabilities, TransportError, TransportErrorKind as Kind};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, timeout};

use crate::capabilities;
use crate::config::ServiceBusConfig;
use crate::connection::Connection;
use crate::entity::Entity;
use crate::error;
use crate::request_link::RequestLink;
use crate::sending_link::SendingLink;
use crate::slots::{Link, Slots};

/// How long closing waits for receivers to release what they hold.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Hub {
    pub(crate) config: Arc<ServiceBusConfig>,
    pub(crate) capabilities: Capabilities,
    connection: Connection,
    senders: Slots<SendingLink>,
    pub(crate) managements: Slots<RequestLink>,
    closing: watch::Sender<bool>,
    /// Every receiver holds one end until it has stopped; nothing is ever sent.
    at_work: tokio::sync::Mutex<mpsc::Receiver<()>>,
    work: std::sync::Mutex<Option<mpsc::Sender<()>>>,
}

impl Link for SendingLink {
    fn is_open(&self) -> bool {
        self.is_open()
    }
}

impl Link for RequestLink {
    fn is_open(&self) -> bool {
        self.is_open()
    }
}

impl Hub {
    pub(crate) fn new(config: ServiceBusConfig) -> Result<Arc<Self>, TransportError> {
        config.validate()?;
        let config = Arc::new(config);
        let (work, at_work) = mpsc::channel(1);
        Ok(Arc::new(Self {
            capabilities: capabilities::of(&config),
            connection: Connection::new(Arc::clone(&config))?,
            config,
            senders: Slots::default(),
            managements: Slots::default(),
            closing: watch::Sender::new(false),
            at_work: tokio::sync::Mutex::new(at_work),
            work: std::sync::Mutex::new(Some(work)),
        }))
    }

    pub(crate) fn check_open(&self) -> Result<(), TransportError> {
        if *self.closing.borrow() { Err(TransportError::closed("connection")) } else { Ok(()) }
    }

    /// Turns true when the transport is closed.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// What a receiver holds until it has stopped.
    pub(crate) fn begin_work(&self) -> Result<mpsc::Sender<()>, TransportError> {
        let work = self.work.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        work.clone().ok_or_else(|| TransportError::closed("connection"))
    }

    /// The outcome of `work`, unless the broker takes too long.
    pub(crate) async fn in_time<T>(
        &self,
        context: &str,
        work: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        self.within(self.config.operation_timeout, context, work).await
    }

    /// The outcome of `work`, unless the broker takes longer than this.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        context: &str,
        work: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        match timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(error::unavailable(format!("{context}: no answer in time"))),
        }
    }

    /// Attaches something to an entity, in a session of its own and with a token put before.
    ///
    /// What the connection lost on the way is begun anew, once: nothing was done with it yet.
    pub(crate) async fn attach<T, A, F>(
        &self,
        entity: &Entity,
        attach: A,
    ) -> Result<T, TransportError>
    where
        T: Send + 'static,
        A: Fn(SessionHandle<()>) -> F,
        F: Future<Output = Result<T, TransportError>> + Send + 'static,
    {
        let mut is_second_try = false;
        loop {
            self.check_open()?;
            let live = self.connection.live().await?;
            let attempt = async {
                let is_token_new = live.claims.ensure(entity.path()).await?;
                let session = live.begin_session().await?;
                // A task of its own: attaching that is dropped midway would end the session.
                let attached = tokio::spawn(attach(session)).await;
                let attached = attached.unwrap_or_else(|_| Err(error::unavailable("attach")));
                if attached.as_ref().is_err_and(error::is_unauthorized) && !is_token_new {
                    live.claims.distrust(entity.path());
                    return Ok(None);
                }
                attached.map(Some)
            };
            match attempt.await {
                Ok(Some(attached)) => return Ok(attached),
                Ok(None) if !is_second_try => {}
                Ok(None) => {
                    let context = format!("attach to {entity}");
                    return Err(TransportError::new(Kind::Denied, context));
                }
                Err(error) if is_second_try || live.is_alive() => return Err(error),
                Err(error) => tracing::debug!(%error, "the connection was lost, opening another"),
            }
            is_second_try = true;
        }
    }

    /// The link for sending to an entity.
    pub(crate) async fn sender(&self, entity: &Entity) -> Result<Arc<SendingLink>, TransportError> {
        let address = entity.address();
        let attaching =
            || self.attach(entity, |session| SendingLink::attach(session, address.clone(), None));
        let context = format!("attach to {address}");
        self.in_time(&context, self.senders.get(&address, attaching)).await
    }

    /// The link for requests about an entity.
    pub(crate) async fn management(
        &self,
        entity: &Entity,
    ) -> Result<Arc<RequestLink>, TransportError> {
        let address = entity.management_address();
        let attaching =
            || self.attach(entity, |session| RequestLink::attach(session, address.clone()));
        self.managements.get(&address, attaching).await
    }

    /// Puts a new token for an entity: the broker does not take the last one any more.
    pub(crate) async fn renew_token(&self, entity: &Entity) -> Result<(), TransportError> {
        let live = self.connection.live().await?;
        Box::pin(live.claims.put(entity.path())).await?;
        Ok(())
    }

    /// Asks the broker whether it answers and takes our credential.
    pub(crate) async fn health(&self) -> Result<(), TransportError> {
        self.check_open()?;
        let live = self.connection.live().await?;
        live.claims.put(self.config.entity_path().unwrap_or_default()).await?;
        Ok(())
    }

    /// Stops the receivers, lets go of the links and closes the connection. Repeating it is fine.
    pub(crate) async fn close(&self) -> Result<(), TransportError> {
        self.closing.send_replace(true);
        self.work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let stopped = timeout(STOP_TIMEOUT, async { self.at_work.lock().await.recv().await }).await;
        self.senders.clear();
        self.managements.clear();
        self.connection.close().await;
        match stopped {
            Ok(_) => Ok(()),
            Err(_) => Err(error::unavailable("close: a receiver did not stop in time")),
        }
    }
}
