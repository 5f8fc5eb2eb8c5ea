//! The admin side of the server, in JSON.

use sealmq_test_kit::{AdminSide, required};
use serde_json::Value;

/// The admin side of a server.
#[derive(Debug, Clone)]
pub(crate) struct Admin(AdminSide);

impl Admin {
    /// Of the server that the environment names.
    pub(crate) fn from_env() -> Self {
        Self::new(&required("SEALMQ_SERVICEBUS_ADMIN_URL"))
    }

    pub(crate) fn new(url: &str) -> Self {
        Self(AdminSide::new(url))
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
        let sent = document.map(Value::to_string).unwrap_or_default();
        let answer = self.0.request(method, path, &sent).await.unwrap();
        if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }
}
