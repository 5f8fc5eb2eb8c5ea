//! The four ways in which TLS is refused, each before the same server, and one in which it is not.

use std::error::Error;

use crate::{Authority, PostgresTlsProxy, TlsProxy};

/// A way in to a server. A client has to trust [`TlsDoor::root_ca`] and no other authority.
#[derive(Debug)]
pub struct TlsDoor {
    /// What is wrong with it.
    pub name: &'static str,
    /// The authority to trust, PEM.
    pub root_ca: String,
    /// The client certificate to show, with its key, PEM.
    pub client_certificate: Option<(String, String)>,
    says: &'static str,
    proxy: Proxy,
}

/// What a client says first.
#[derive(Debug, Clone, Copy)]
enum Opening {
    Tls,
    Postgres,
}

#[derive(Debug)]
enum Proxy {
    Tls(TlsProxy),
    Postgres(PostgresTlsProxy),
}

impl TlsDoor {
    /// The port to connect to, on the loopback address; the name to connect to is `localhost`.
    pub fn port(&self) -> u16 {
        match &self.proxy {
            Proxy::Tls(proxy) => proxy.port(),
            Proxy::Postgres(proxy) => proxy.port(),
        }
    }

    /// The error says what is wrong, itself or by what is behind it.
    ///
    /// # Panics
    /// When it says anything else.
    #[track_caller]
    pub fn check_says_why(&self, error: &(dyn Error + 'static)) {
        let mut said = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            said.push(error.to_string());
            cause = error.source();
        }
        assert!(said.iter().any(|text| text.contains(self.says)), "{}: {said:?}", self.name);
    }
}

/// Doors before one server: one that opens, and the four that do not.
#[derive(Debug)]
pub struct TlsDoors {
    /// The control: a client certificate is wanted, and there is one to show.
    pub open: TlsDoor,
    /// An authority that is not trusted, a certificate that expired, one for another name, and no
    /// client certificate where one is wanted.
    pub shut: [TlsDoor; 4],
}

impl TlsDoors {
    /// TLS before the server at `host:port`.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(server: &str) -> Self {
        Self::made(Opening::Tls, server).await
    }

    /// PostgreSQL's way into TLS before the server at `host:port`.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before_postgres(server: &str) -> Self {
        Self::made(Opening::Postgres, server).await
    }

    async fn made(opening: Opening, server: &str) -> Self {
        let (ours, other, clients) =
            (Authority::new("ours"), Authority::new("other"), Authority::new("clients"));
        let door = async |name, certificate: (String, String), wants, says| {
            let pair = (certificate.0.as_str(), certificate.1.as_str());
            let proxy = match opening {
                Opening::Tls => Proxy::Tls(TlsProxy::with_certificate(server, pair, wants).await),
                Opening::Postgres => {
                    Proxy::Postgres(PostgresTlsProxy::with_certificate(server, pair, wants).await)
                }
            };
            TlsDoor { name, root_ca: ours.pem(), client_certificate: None, says, proxy }
        };
        let good = || ours.sign("server");
        let mut open = door("the control", good(), Some(&clients), "").await;
        open.client_certificate = Some(clients.sign("client"));
        let elsewhere = ours.sign_for("server", &["elsewhere.example"]);
        let (stranger, expired) = (other.sign("server"), ours.sign_expired("server"));
        let untrusted = "server's certificate is of an authority that is not trusted";
        let shut = [
            door("another authority", stranger, None, untrusted).await,
            door("an old certificate", expired, None, "server's certificate has expired").await,
            door("another name", elsewhere, None, "server's certificate is for another name").await,
            door("no certificate", good(), Some(&clients), "wants a client certificate").await,
        ];
        Self { open, shut }
    }
}
