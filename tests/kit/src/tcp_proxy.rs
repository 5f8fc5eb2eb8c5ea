//! A TCP proxy before a server: it can cut its connections, let them be, and swallow an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A proxy that ends when it is dropped, and breaks its connections then.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    shared: Arc<Shared>,
    running: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    refuses: AtomicBool,
    swallows: AtomicBool,
    cut: Notify,
}

impl TcpProxy {
    /// A proxy before the server at `host:port`.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(server: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let running = tokio::spawn(serve(listener, server.into(), Arc::clone(&shared)));
        Self { port, shared, running: running.abort_handle() }
    }

    /// The port to connect to, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address to connect to: `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Breaks all connections and refuses new ones until it is restored.
    pub fn cut(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
        self.break_connections();
    }

    /// Breaks all connections, and lets new ones through.
    pub fn break_connections(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
    }

    /// Passes on what a client sends next, and breaks its connection as soon as the server says
    /// something afterwards, which the client does not get to see.
    pub fn swallow_next_answer(&self) {
        self.shared.swallows.store(true, Ordering::SeqCst);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.running.abort();
        self.break_connections();
    }
}

async fn serve(listener: TcpListener, server: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if shared.refuses.load(Ordering::SeqCst) {
            continue; // dropped: the client sees a closed connection
        }
        let (server, shared) = (server.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let cut = shared.cut.notified();
            if shared.refuses.load(Ordering::SeqCst) {
                return; // cut between accepting the connection and listening for cuts
            }
            tokio::select! {
                () = cut => {}
                _ = pass(client, &server, &shared) => {}
            }
        });
    }
}

/// Passes bytes on in both directions until one of the sides is done.
async fn pass(client: TcpStream, server: &str, shared: &Shared) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let swallowing = AtomicBool::new(false);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        done = requests(from_client, to_server, shared, &swallowing) => done,
        done = answers(from_server, to_client, &swallowing) => done,
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    swallowing: &AtomicBool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if shared.swallows.swap(false, Ordering::SeqCst) {
            swallowing.store(true, Ordering::SeqCst);
        }
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    swallowing: &AtomicBool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 || swallowing.load(Ordering::SeqCst) {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears, in capitals.
    async fn shouting() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 16];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        let answer = buffer[..length].to_ascii_uppercase();
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        address
    }

    /// What comes back for a word; nothing when the connection broke.
    async fn say(stream: &mut TcpStream, word: &str) -> String {
        let mut answer = vec![0; 16];
        let _ = stream.write_all(word.as_bytes()).await;
        let length = stream.read(&mut answer).await.unwrap_or(0);
        String::from_utf8(answer[..length].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_is_said_passes_until_the_proxy_is_cut_and_after_it_is_restored() {
        let proxy = TcpProxy::before(shouting().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, "one").await, "ONE");
        proxy.cut();
        assert_eq!(say(&mut stream, "two").await, "");
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut refused, "three").await, "");
        proxy.restore();
        let mut restored = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut restored, "four").await, "FOUR");
    }

    #[tokio::test]
    async fn one_answer_is_swallowed_and_no_more() {
        let proxy = TcpProxy::before(shouting().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, "one").await, "ONE");
        proxy.swallow_next_answer();
        assert_eq!(say(&mut stream, "two").await, "");
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, "three").await, "THREE");
    }
}
