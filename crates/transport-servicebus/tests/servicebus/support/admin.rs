//! The HTTP side of the server: as much HTTP as that needs.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::variable;

/// The admin side of a server.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    authority: String,
}

impl Admin {
    /// Of the server that the environment names.
    pub(crate) fn from_env() -> Self {
        Self::new(&variable("SEALMQ_SERVICEBUS_ADMIN_URL"))
    }

    pub(crate) fn new(url: &str) -> Self {
        let authority = url.strip_prefix("http://").expect("an http URL");
        Self { authority: authority.trim_end_matches('/').to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.request("GET", path, None).await
    }

    pub(crate) async fn put(&self, path: &str, document: &Value) -> Value {
        self.request("PUT", path, Some(document)).await
    }

    pub(crate) async fn post(&self, path: &str, document: &Value) -> Value {
        self.request("POST", path, Some(document)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        self.request("DELETE", path, None).await
    }

    async fn request(&self, method: &str, path: &str, document: Option<&Value>) -> Value {
        let body = document.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.authority,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.authority).await.expect("the admin side answers");
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer with a head");
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() }
    }
}
