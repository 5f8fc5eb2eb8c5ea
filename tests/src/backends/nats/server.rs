//! The server of one test program, which cases share and one of them may restart.

use std::sync::Arc;
use std::time::Duration;

use sealmq_test_kit::NatsServer;
use sealmq_transport_nats::{NatsConfig, NatsCredentials};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::outcome::{CaseResult, Stop};

const USER: &str = "contract";
/// What no output may show.
pub(super) const PASSWORD: &str = "hunter2-of-the-contract";

/// How long a busy machine may take to let a connection in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take before the case sees a failure.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// A server that is started when it is first needed. It runs on a runtime of its own, because it
/// outlives those of the cases.
pub(super) struct OwnServer {
    server: Arc<Mutex<Option<NatsServer>>>,
    runtime: Option<Runtime>,
}

impl OwnServer {
    /// A server that does not run yet.
    pub(super) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { server: Arc::default(), runtime: Some(runtime.unwrap()) }
    }

    /// Its port; starts it first if need be.
    pub(super) async fn port(&self) -> CaseResult<u16> {
        let start = |mut server: OwnedMutexGuard<Option<NatsServer>>| async move {
            if let Some(server) = server.as_ref() {
                return server.port();
            }
            let users = format!("authorization {{ user: {USER}, password: \"{PASSWORD}\" }}");
            server.insert(NatsServer::with_config(&users).await).port()
        };
        self.with(start).await
    }

    /// Kills it as a crash would, and starts it again with what it had stored.
    pub(super) async fn restart(&self) -> CaseResult {
        let restart = |mut server: OwnedMutexGuard<Option<NatsServer>>| async move {
            let server = server.as_mut().expect("a case restarts a server that it has used");
            server.kill().await;
            server.start_again().await;
        };
        self.with(restart).await
    }

    /// Does this with the server, on the runtime that its process belongs to.
    async fn with<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl FnOnce(OwnedMutexGuard<Option<NatsServer>>) -> F,
    ) -> CaseResult<T> {
        let work = work(Arc::clone(&self.server).lock_owned().await);
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        let outcome = runtime.spawn(work).await;
        outcome.map_err(|error| Stop::broken(format!("the NATS server: {error}")))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // to wait is not allowed where a case drops it
        }
    }
}

/// How to connect to the server of the test program at this port, or to a proxy before it.
pub(super) fn config(port: u16) -> NatsConfig {
    plain_config(&format!("nats://127.0.0.1:{port}"))
        .with_credentials(NatsCredentials::user_password(USER, PASSWORD))
}

/// How to connect to a server at this address, without credentials.
pub(super) fn plain_config(url: &str) -> NatsConfig {
    NatsConfig::new(url).with_connect_timeout(CONNECT_TIMEOUT).with_request_timeout(REQUEST_TIMEOUT)
}

/// Takes a stream away from under the adapter's feet.
pub(super) async fn delete_stream(port: u16, stream: &str) -> CaseResult {
    let options = async_nats::ConnectOptions::with_user_and_password(USER.into(), PASSWORD.into());
    let client = options.connect(format!("127.0.0.1:{port}")).await?;
    async_nats::jetstream::new(client).delete_stream(stream).await?;
    Ok(())
}
