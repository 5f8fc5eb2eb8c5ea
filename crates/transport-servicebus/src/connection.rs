//! The one connection: opened when it is needed, watched over by a task, replaced when it is lost.

use std::fmt;
use std::sync::Arc;

use fe2o3_amqp::Session;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use rustls::ClientConfig;
use sealmq_queue_core::TransportError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use crate::claims::{self, Claims};
use crate::config::ServiceBusConfig;
use crate::dial;
use crate::error;
use crate::request_link::RequestLink;

const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// The window of a session, in frames of 64 KiB: what the broker may send before we have read it.
const SESSION_WINDOW: u32 = 2_048;

type SessionRequest = oneshot::Sender<Result<SessionHandle<()>, TransportError>>;

/// A connection that is open, or was when it was last looked at.
pub(crate) struct Live {
    sessions: mpsc::Sender<SessionRequest>,
    pub(crate) claims: Arc<Claims>,
}

impl Live {
    pub(crate) fn is_alive(&self) -> bool {
        !self.sessions.is_closed()
    }

    /// Begins a session: each link has its own, so that what goes wrong with one stays there.
    pub(crate) async fn begin_session(&self) -> Result<SessionHandle<()>, TransportError> {
        begin(&self.sessions).await
    }
}

/// The connection of a transport.
pub(crate) struct Connection {
    config: Arc<ServiceBusConfig>,
    tls: Option<Arc<ClientConfig>>,
    state: Mutex<State>,
}

enum State {
    /// Not needed yet, or lost.
    Absent,
    /// Open, and the task that watches over it.
    Open(Arc<Live>, JoinHandle<()>),
    /// Closed by us: no other will be opened.
    Closed,
}

impl Connection {
    pub(crate) fn new(config: Arc<ServiceBusConfig>) -> Result<Self, TransportError> {
        let tls = config.tls.as_ref().map(|tls| tls.client_config().map(Arc::new)).transpose()?;
        Ok(Self { config, tls, state: Mutex::new(State::Absent) })
    }

    /// The open connection: the present one, or a new one. Whoever comes meanwhile waits for it.
    pub(crate) async fn live(&self) -> Result<Arc<Live>, TransportError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(live, _) if live.is_alive() => return Ok(Arc::clone(live)),
            State::Open(..) | State::Absent => {}
            State::Closed => return Err(TransportError::closed("connection")),
        }
        *state = State::Absent;
        // Boxed, like all that is done seldom: futures here are part of those of every call.
        let (live, task) = Box::pin(self.open()).await?;
        let live = Arc::new(live);
        *state = State::Open(Arc::clone(&live), task);
        Ok(live)
    }

    async fn open(&self) -> Result<(Live, JoinHandle<()>), TransportError> {
        let handle = dial::open(&self.config, self.tls.as_ref()).await?;
        let (sessions, requests) = mpsc::channel(16);
        let task = tokio::spawn(supervise(handle, requests));
        let attach = async {
            let session = begin(&sessions).await?;
            RequestLink::attach(session, claims::ADDRESS.to_owned()).await
        };
        let link = match timeout(self.config.operation_timeout, attach).await {
            Ok(attached) => attached?,
            Err(_) => return Err(error::unavailable("attach to $cbs: no answer in time")),
        };
        tracing::debug!(host = self.config.host, "connected");
        Ok((Live { sessions, claims: Claims::new(Arc::clone(&self.config), link) }, task))
    }

    /// Closes the connection and waits, not for long, until the broker agrees.
    pub(crate) async fn close(&self) {
        let state = std::mem::replace(&mut *self.state.lock().await, State::Closed);
        if let State::Open(live, task) = state {
            drop(live); // the task ends when nobody can ask it for a session any more
            let _ = timeout(2 * CLOSE_TIMEOUT, task).await;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("config", &self.config).finish_non_exhaustive()
    }
}

async fn begin(
    sessions: &mpsc::Sender<SessionRequest>,
) -> Result<SessionHandle<()>, TransportError> {
    let gone = || error::unavailable("begin a session: the connection is gone");
    let (reply, begun) = oneshot::channel();
    sessions.send(reply).await.map_err(|_| gone())?;
    begun.await.map_err(|_| gone())?
}

/// Begins sessions until the connection ends, or nobody needs it any more.
async fn supervise(mut handle: ConnectionHandle<()>, mut requests: mpsc::Receiver<SessionRequest>) {
    loop {
        tokio::select! {
            biased;
            ended = handle.on_close() => {
                match ended {
                    Ok(()) => tracing::debug!("the broker closed the connection"),
                    Err(error) => tracing::debug!(%error, "the connection was lost"),
                }
                return;
            }
            request = requests.recv() => match request {
                Some(reply) => {
                    let begun = Session::builder()
                        .incoming_window(SESSION_WINDOW)
                        .begin(&mut handle)
                        .await
                        .map_err(|error| error::failed(error, "begin a session"));
                    let _ = reply.send(begun); // whoever asked may have given up
                }
                None => {
                    let _ = timeout(CLOSE_TIMEOUT, handle.close()).await;
                    return;
                }
            },
        }
    }
}
