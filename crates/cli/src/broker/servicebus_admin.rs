//! The admin side of the Service Bus server for tests: as much HTTP as making queues takes.

use std::env;
use std::io;
use std::time::Duration;

use sealmq::{TransportError, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const VARIABLE: &str = "SEALMQ_SERVICEBUS_ADMIN_URL";

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Admin {
    authority: String,
}

impl Admin {
    /// The admin side that the environment names, if it names one.
    pub(super) fn from_env() -> Result<Option<Self>, TransportError> {
        let Some(url) = env::var(VARIABLE).ok().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        match url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) {
            Some(authority) if !authority.is_empty() && !authority.contains(['/', '@']) => {
                Ok(Some(Self { authority: authority.to_owned() }))
            }
            _ => Err(TransportError::invalid_input(VARIABLE, "is http://HOST:PORT")),
        }
    }

    /// Makes a queue. One that is there stays as it is: the server would put another in its place.
    pub(super) async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        match self.request("GET", queue).await {
            Err(error) if *error.kind() == TransportErrorKind::NotFound => {
                self.request("PUT", queue).await
            }
            found => found,
        }
    }

    pub(super) async fn remove_queue(&self, queue: &str) -> Result<(), TransportError> {
        self.request("DELETE", queue).await
    }

    async fn request(&self, method: &str, queue: &str) -> Result<(), TransportError> {
        let context = format!("{method} of queue {queue} at the admin side");
        let unavailable = |error: io::Error| {
            TransportError::new(TransportErrorKind::Unavailable, &context).with_source(error)
        };
        let answer = timeout(PATIENCE, self.exchange(method, queue)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(unavailable)?;
        match answer.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(()),
            Some("404") => Err(TransportError::new(TransportErrorKind::NotFound, &context)),
            status => {
                let status = status.unwrap_or("no status");
                Err(unavailable(io::Error::other(format!("the answer was {status}"))))
            }
        }
    }

    async fn exchange(&self, method: &str, queue: &str) -> io::Result<String> {
        let (body, queue) = (if method == "PUT" { "{}" } else { "" }, queue.replace('/', "%2F"));
        let request = format!(
            "{method} /queues/{queue} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.authority,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.authority).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
