//! The connections to the server: a few, lent out one call at a time.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealmq_crypto_core::{CredentialSource, KeyError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::{Client, IsolationLevel, Socket, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Checked, PostgresConfig, address};
use crate::error;
use crate::login::Login;
use crate::schema::Schema;

/// A connection that nobody used for so long is closed: what lies between may have forgotten it.
const IDLE_LIFETIME: Duration = Duration::from_secs(300);

/// Connections to one server, opened when they are first needed.
///
/// # Contract
/// - Clones share the connections.
/// - A connection whose call was dropped or timed out is closed, and the server rolls back; one
///   that broke is replaced with the next call. A call does one attempt; with a
///   [`CredentialSource`] it does a second one when the server does not let the user in any more
///   and there are other credentials. Nothing of the first attempt was done then.
/// - Each session sets its own timeouts and `READ COMMITTED`; a pooler between must pool sessions,
///   not transactions.
#[derive(Clone)]
pub struct PostgresClient(Arc<Inner>);

struct Inner {
    login: Login,
    tls: Option<MakeRustlsConnect>,
    schema: Schema,
    name: String,
    session: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    idle: Mutex<Vec<Idle>>,
    slots: Arc<Semaphore>,
}

struct Idle {
    client: Client,
    generation: u64,
    since: Instant,
}

impl PostgresClient {
    /// Connections as configured. Files are read; the server is not asked yet.
    ///
    /// # Errors
    /// `InvalidInput` names the field.
    pub fn new(config: &PostgresConfig) -> Result<Self, KeyError> {
        Self::open(config, None)
    }

    /// The same, with user and password from a source that keeps them fresh. New ones are taken
    /// over with the next call: those under way end on the connections that they have.
    ///
    /// # Errors
    /// `InvalidInput` names the field, also when the configuration holds a password of its own, or
    /// no database, whose name would be that of the user.
    pub fn with_credentials(
        config: &PostgresConfig,
        source: Arc<dyn CredentialSource>,
    ) -> Result<Self, KeyError> {
        Self::open(config, Some(source))
    }

    fn open(
        config: &PostgresConfig,
        source: Option<Arc<dyn CredentialSource>>,
    ) -> Result<Self, KeyError> {
        let Checked { mut server, schema, encrypted } = config.check()?;
        if source.is_some() {
            config.check_without_login(&server)?;
        }
        if let Some(password) = config.read_password()? {
            server.password(password.as_bytes());
        }
        if server.get_application_name().is_none() {
            server.application_name("sealmq");
        }
        server.connect_timeout(config.connect_timeout);
        server.keepalives_idle(Duration::from_secs(30));
        let tls = if encrypted {
            Some(MakeRustlsConnect::new(config.tls.client_config()?))
        } else {
            None
        };
        let name = format!("{}?schema={}", address(&server), schema.as_str());
        let ms = config.statement_timeout.as_millis();
        let session = format!(
            "SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
             SET idle_in_transaction_session_timeout = {}; \
             SET default_transaction_isolation = 'read committed'; SET search_path = pg_catalog",
            config.request_timeout.as_millis().saturating_mul(2)
        );
        Ok(Self(Arc::new(Inner {
            login: Login::new(server, source),
            tls,
            schema,
            name,
            session,
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(config.max_connections)),
        })))
    }

    /// Dials as this user from now on. Calls under way end on the connections that they have;
    /// those are not used again. A [`CredentialSource`] does the same on its own.
    pub fn replace_credentials(&self, user: &str, password: &str) {
        self.0.login.replace(user, password);
        lock(&self.0.idle).clear();
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// Server, database and schema: no credential.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// The outcome of a call, which must come in time. What is dropped midway loses its connection.
    pub(crate) async fn in_time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        timeout(self.0.request_timeout, call).await.map_err(|_| error::timed_out(operation))?
    }

    /// A connection of one's own. Dropping it closes it; [`Lease::keep`] gives it back.
    pub(crate) async fn lease(&self) -> Result<Lease, KeyError> {
        let slot = Arc::clone(&self.0.slots).acquire_owned().await;
        let slot = slot.map_err(|_| error::timed_out("waiting for a connection"))?;
        let mut dial = self.0.login.now()?;
        let client = match self.reuse(dial.generation) {
            Some(client) => client,
            None => match self.connect(&dial.server).await {
                Err(error) if error::is_login_refused(&error) => {
                    dial = self.0.login.after_refusal(&dial).await?.ok_or(error)?;
                    self.connect(&dial.server).await?
                }
                connected => connected?,
            },
        };
        let home = Arc::clone(&self.0);
        Ok(Lease { client, generation: dial.generation, home, _slot: slot })
    }

    /// Well, if a call that failed with this may be made once more: the right was denied to a user
    /// that the server does not let in any more, and there is another one. A user that was dropped
    /// keeps its connections and loses its rights.
    ///
    /// # Errors
    /// This error; that of the source, if it has nobody else for now.
    pub(crate) async fn let_in_again(
        &self,
        generation: u64,
        error: KeyError,
    ) -> Result<(), KeyError> {
        let login = &self.0.login;
        if !login.has_source() || !error::is_right_missing(&error) {
            return Err(error);
        }
        let dial = login.now()?;
        if dial.generation != generation {
            return Ok(());
        }
        match self.connect(&dial.server).await {
            Err(refused) if error::is_login_refused(&refused) => {
                login.after_refusal(&dial).await?.map(drop).ok_or(error)
            }
            _ => Err(error),
        }
    }

    fn reuse(&self, generation: u64) -> Option<Client> {
        let mut idle = lock(&self.0.idle);
        idle.retain(|idle| {
            let young = idle.since.elapsed() < IDLE_LIFETIME;
            young && idle.generation == generation && !idle.client.is_closed()
        });
        idle.pop().map(|idle| idle.client)
    }

    async fn connect(&self, server: &tokio_postgres::Config) -> Result<Client, KeyError> {
        let connecting = async {
            match &self.0.tls {
                Some(tls) => dial(server, tls.clone()).await,
                None => dial(server, NoTls).await,
            }
        };
        let operation = "connecting";
        let connecting = async {
            let client = connecting.await?;
            client.batch_execute(&self.0.session).await?;
            Ok::<_, tokio_postgres::Error>(client)
        };
        match timeout(self.0.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| error::sql(operation, error)),
            Err(_) => Err(error::timed_out(operation)),
        }
    }
}

async fn dial<T>(server: &tokio_postgres::Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    T::TlsConnect: Send,
{
    let (client, connection) = server.connect(tls).await?;
    // It ends when the client is dropped or the connection breaks; the client then knows.
    tokio::spawn(async move {
        if connection.await.is_err() {
            tracing::debug!(target: "sealmq::keys::postgres", "a connection broke");
        }
    });
    Ok(client)
}

/// A connection lent out for one call.
pub(crate) struct Lease {
    client: Client,
    generation: u64,
    home: Arc<Inner>,
    _slot: OwnedSemaphorePermit,
}

impl Lease {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A transaction that sees what others commit meanwhile, whatever the database's default.
    pub(crate) async fn begin(
        &mut self,
        operation: &'static str,
    ) -> Result<Transaction<'_>, KeyError> {
        let builder = self.client.build_transaction();
        let begun = builder.isolation_level(IsolationLevel::ReadCommitted).start().await;
        begun.map_err(|error| error::sql(operation, error))
    }

    /// Gives the connection back: the call came to its end, well or not.
    pub(crate) fn keep(self) {
        if self.client.is_closed() || self.generation != self.home.login.generation() {
            return;
        }
        let idle = Idle { client: self.client, generation: self.generation, since: Instant::now() };
        lock(&self.home.idle).push(idle);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for PostgresClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresClient")
            .field("name", &self.0.name)
            .field("tls", &self.0.tls.is_some())
            .field("idle", &lock(&self.0.idle).len())
            .finish_non_exhaustive()
    }
}
