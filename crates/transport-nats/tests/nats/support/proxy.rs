//! A proxy between client and server that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy before one server.
pub(crate) struct Proxy {
    port: u16,
    /// Counts the cuts; odd while nothing gets through.
    cuts: watch::Sender<u32>,
}

impl Proxy {
    /// A proxy before the server at this port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = watch::Sender::new(0);
        let mut cut = cuts.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                cut.mark_unchanged();
                if *cut.borrow() % 2 == 1 {
                    continue; // dropped at once
                }
                let mut cut = cut.clone();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cuts }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Breaks all connections and refuses new ones.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts |= 1);
    }

    /// Lets connections through again.
    pub(crate) fn restore(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
