//! A TCP proxy before the server, for one test alone: it can cut its connections and let them be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The faults of the server strike every connection; those of a proxy strike its own only.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    refuses: AtomicBool,
    cut: Notify,
}

impl Proxy {
    /// A proxy before the server that the environment names.
    pub(crate) async fn start() -> Self {
        let string = super::connection_string();
        let endpoint = string.split(';').find_map(|part| part.strip_prefix("Endpoint=sb://"));
        let server = endpoint.expect("an endpoint").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        tokio::spawn(serve(listener, server, Arc::clone(&shared)));
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections and refuses new ones until it is restored.
    pub(crate) fn cut(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
        self.shared.cut.notify_waiters();
    }

    /// Breaks all connections, and lets new ones through.
    pub(crate) fn break_connections(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Lets connections through again.
    pub(crate) fn restore(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, server: String, shared: Arc<Shared>) {
    while let Ok((mut client, _)) = listener.accept().await {
        if shared.refuses.load(Ordering::SeqCst) {
            continue; // dropped: the client sees a closed connection
        }
        let (server, shared) = (server.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let cut = shared.cut.notified();
            let pass = async {
                let mut upstream = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut upstream).await
            };
            tokio::select! {
                () = cut => {}
                _ = pass => {}
            }
        });
    }
}
