//! HTTP: answers bounded in size and time, no redirects, no other host than the one that is meant.

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, HttpClient, Method, RawResponse, Request, StatusCode, Url,
};
use reqwest::{redirect, retry};
use sealmq_crypto_core::KeyError;
use sealmq_tls::{Refusal, causes};

use crate::config::AzureConnection;
use crate::error::NoAnswer;

/// An answer may be so long. The longest secret has 25,600 characters, the longest list of versions
/// is of 25.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// An HTTP client of the SDK's making.
#[derive(Debug)]
pub(super) struct BoundedClient {
    client: reqwest::Client,
    /// Where the vault is. The next page of a list is wherever the last one says: a token must not
    /// go there unless it is the same host.
    origin: Option<Url>,
}

impl BoundedClient {
    pub(super) fn new(connection: &AzureConnection, origin: Option<Url>) -> Result<Self, KeyError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(connection.tls.client_config()?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(retry::never())
            .referer(false)
            .timeout(connection.request_timeout)
            .build()
            .map_err(|error| KeyError::invalid_input("connection", "").with_source(error))?;
        Ok(Self { client, origin })
    }

    fn outgoing(&self, request: &Request) -> azure_core::Result<reqwest::RequestBuilder> {
        let url = request.url();
        let same = |origin: &Url| origin.origin() == url.origin();
        if !self.origin.as_ref().is_none_or(same) {
            return Err(refused("a request to another host than the vault's"));
        }
        let method = match request.method() {
            Method::Delete => reqwest::Method::DELETE,
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Patch => reqwest::Method::PATCH,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            _ => return Err(refused("a request of an unknown method")),
        };
        let mut outgoing = self.client.request(method, url.clone());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        match request.body() {
            Body::Bytes(bytes) => Ok(outgoing.body(bytes.clone())),
            Body::SeekableStream(_) => Err(refused("a body that is a stream")),
        }
    }
}

#[async_trait]
impl HttpClient for BoundedClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut answer = self.outgoing(request)?.send().await.map_err(no_answer)?;
        let status = StatusCode::from(answer.status().as_u16());
        let headers = headers(answer.headers());
        let told = answer.content_length().unwrap_or_default();
        let mut body = Vec::with_capacity(MAX_ANSWER_BYTES.min(told as usize));
        while let Some(part) = answer.chunk().await.map_err(no_answer)? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(refused("an answer that is too long"));
            }
            body.extend_from_slice(&part);
        }
        if self.origin.is_none() && is_retried(status) {
            // The credential of virtual machines retries for more than a minute, whatever its
            // options say; an error it does not retry.
            let raw = RawResponse::from_bytes(status, headers, body);
            let raw_response = Some(Box::new(raw));
            return Err(
                ErrorKind::HttpResponse { status, error_code: None, raw_response }.into_error()
            );
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

fn is_retried(status: StatusCode) -> bool {
    matches!(u16::from(status), 404 | 408 | 410 | 429 | 500..=599)
}

fn headers(map: &reqwest::header::HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(value) = value.to_str() {
            headers.insert(HeaderName::from(name.as_str().to_owned()), value.to_owned());
        }
    }
    headers
}

fn refused(what: &str) -> azure_core::Error {
    let no_answer = NoAnswer { reason: format!("refused: {what}") };
    azure_core::Error::new(ErrorKind::Other, no_answer)
}

fn no_answer(error: reqwest::Error) -> azure_core::Error {
    let error = error.without_url(); // it is the SDK's, and says nothing that the call does not
    let reason = Refusal::of(&error).map(|refusal| refusal.to_string()).unwrap_or_else(|| {
        let mut texts: Vec<String> = causes(&error).map(ToString::to_string).collect();
        texts.dedup();
        texts.join(": ")
    });
    azure_core::Error::new(ErrorKind::Other, NoAnswer { reason })
}
