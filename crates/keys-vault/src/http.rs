//! One request over HTTP: no redirect, no proxy, no retry, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url, redirect, retry};
use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

use crate::auth::VaultSecret;
use crate::config::VaultConfig;
use crate::error::{no_answer, odd_answer, refusal};

/// What is asked of the server. Clones share the body.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    body: Option<Bytes>,
}

impl Request {
    /// `path` is made of names that were checked: it holds nothing to be encoded.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), query: None, body: None }
    }

    pub(crate) fn post(path: impl Into<String>, body: Zeroizing<Vec<u8>>) -> Self {
        let body = Some(Bytes::from_owner(body)); // wiped when the last reference goes
        Self { method: Method::POST, path: path.into(), query: None, body }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, path: path.into(), query: None, body: None }
    }

    pub(crate) fn with_query(mut self, query: String) -> Self {
        self.query = Some(query);
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// What the server said, whatever it was.
pub(crate) struct Answer {
    pub(crate) status: u16,
    retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// # Errors
    /// The refusal, unless this is a success.
    pub(crate) fn success(self, path: &str) -> Result<Self, KeyError> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refusal(path)) }
    }

    pub(crate) fn refusal(&self, path: &str) -> KeyError {
        refusal(path, self.status, self.retry_after, &self.body)
    }
}

pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
    namespace: Option<HeaderValue>,
    max_response_bytes: usize,
}

impl Http {
    /// # Errors
    /// `InvalidInput` names the field to mend.
    pub(crate) fn new(config: &VaultConfig) -> Result<Self, KeyError> {
        let base = config.validate()?;
        let namespace = config.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace =
            namespace.map_err(|_| KeyError::invalid_input("namespace", "is not ASCII"))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config.tls.client_config()?)
            // A redirect would carry the token, which is in a header of its own, to another host.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(retry::never())
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .build()
            .map_err(|error| KeyError::invalid_input("tls", "").with_source(error))?;
        let max_response_bytes = config.max_response_bytes;
        Ok(Self { client, base, namespace, max_response_bytes })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_ref().and_then(|namespace| namespace.to_str().ok())
    }

    /// # Errors
    /// `Unavailable` when there is no answer, or none that could be taken whole.
    pub(crate) async fn send(
        &self,
        request: &Request,
        token: Option<&VaultSecret>,
    ) -> Result<Answer, KeyError> {
        self.send_in(self.namespace.clone(), request, token).await
    }

    /// The state of the server is told in the root namespace alone.
    pub(crate) async fn send_in_root(&self, request: &Request) -> Result<Answer, KeyError> {
        self.send_in(None, request, None).await
    }

    async fn send_in(
        &self,
        namespace: Option<HeaderValue>,
        request: &Request,
        token: Option<&VaultSecret>,
    ) -> Result<Answer, KeyError> {
        let path = &request.path;
        let mut url = self.base.clone();
        url.set_path(&format!("{}v1/{path}", self.base.path()));
        url.set_query(request.query.as_deref());
        let mut headers = HeaderMap::new();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        headers.extend(namespace.map(|name| ("x-vault-namespace".parse().ok(), name)).and_then(
            |(header, name)| header.map(|header: reqwest::header::HeaderName| (header, name)),
        ));
        if let Some(token) = token {
            let value = HeaderValue::from_str(token.expose_secret());
            let mut value =
                value.map_err(|_| KeyError::invalid_input("auth.token", "not ASCII"))?;
            value.set_sensitive(true);
            headers.insert("x-vault-token", value);
        }
        let mut outgoing = self.client.request(request.method.clone(), url).headers(headers);
        if let Some(body) = &request.body {
            outgoing = outgoing.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let answer = outgoing.send().await.map_err(|error| no_answer(path, error))?;
        self.take(path, answer).await
    }

    async fn take(&self, path: &str, mut answer: reqwest::Response) -> Result<Answer, KeyError> {
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        let too_large = || odd_answer(path, "the answer is larger than max_response_bytes");
        let told = answer.content_length().map_or(Ok(0), usize::try_from);
        let told = told.map_err(|_| too_large())?;
        if told > self.max_response_bytes {
            return Err(too_large());
        }
        // With room for all of it, the buffer never moves: no copy of a key is left behind.
        let mut body = Zeroizing::new(Vec::with_capacity(told));
        while let Some(part) = answer.chunk().await.map_err(|error| no_answer(path, error))? {
            if body.len() + part.len() > self.max_response_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, retry_after, body })
    }
}

/// Seconds; the form with a date is not used by this server.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
