//! The admin side of a server of ours: JSON over HTTP, and as much HTTP as that needs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a server is told what to make and what to break.
#[derive(Debug, Clone)]
pub struct AdminSide {
    authority: String,
}

impl AdminSide {
    /// The admin side at this URL, `http://host:port`.
    ///
    /// # Panics
    /// When it is another kind of URL.
    pub fn new(url: &str) -> Self {
        let authority = url.strip_prefix("http://").expect("an http URL");
        Self { authority: authority.trim_end_matches('/').to_owned() }
    }

    /// The body of the answer to a request; `json` is what is sent, and may be empty.
    ///
    /// # Errors
    /// What was asked for and what came of it, unless that was success.
    pub async fn request(&self, method: &str, path: &str, json: &str) -> Result<String, String> {
        let answer = self.exchange(method, path, json).await;
        let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        match head.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(body.to_owned()),
            status => Err(format!("{method} {path}: {} {body}", status.unwrap_or("no status"))),
        }
    }

    async fn exchange(&self, method: &str, path: &str, json: &str) -> std::io::Result<String> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.authority,
            json.len()
        );
        let mut stream = TcpStream::connect(&self.authority).await?;
        stream.write_all((head + json).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
