//! The test kit's proxy in SQS's terms: requests by their action, errors as the service gives them.

use sealmq_test_kit::{HttpProxy, Request};
use sealmq_transport_sqs::{QueueType, SqsTransport};

use super::{SECOND, address, config_for};

pub(crate) use sealmq_test_kit::Answer;

const JSON: &str = "application/x-amz-json-1.0";

fn answer(status: u16, body: String) -> Answer {
    let headers = vec![("content-type".to_owned(), JSON.to_owned())];
    Answer::Reply { status, headers, body: body.into_bytes() }
}

/// A successful answer.
pub(crate) fn success(body: impl Into<String>) -> Answer {
    answer(200, body.into())
}

/// An error as the service gives them.
pub(crate) fn refused(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":{message:?}}}"#);
    answer(status, body)
        .with_header("x-amzn-query-error", &format!("{code};Sender"))
        .with_header("x-amzn-requestid", "request-1")
}

/// `AmazonSQS.SendMessageBatch` is the action `SendMessageBatch`.
fn is(request: &Request, action: &str) -> bool {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next() == Some(action)
}

/// A proxy that ends with the test.
pub(crate) struct Proxy(HttpProxy);

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self(HttpProxy::before(address()).await)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// A transport for standard queues that talks to the server through here.
    pub(crate) async fn transport(&self) -> SqsTransport {
        SqsTransport::connect(&config_for(&self.url())).await.unwrap()
    }

    /// The same with polls that wait as long as SQS allows.
    pub(crate) async fn polling_long(&self) -> SqsTransport {
        let config = config_for(&self.url()).with_poll_wait(20 * SECOND);
        SqsTransport::connect(&config).await.unwrap()
    }

    /// The same for FIFO queues.
    pub(crate) async fn fifo(&self) -> SqsTransport {
        let config = config_for(&self.url()).with_queue_type(QueueType::Fifo);
        SqsTransport::connect(&config).await.unwrap()
    }

    /// The next request of this action is answered so.
    pub(crate) fn answer(&self, action: &'static str, answer: Answer) {
        self.0.answer(move |request| is(request, action), answer);
    }

    /// How many requests of this action came.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.0.count(|request| is(request, action))
    }

    /// The bodies of all requests of this action.
    pub(crate) fn bodies(&self, action: &str) -> Vec<String> {
        let requests = self.0.requests().into_iter().filter(|request| is(request, action));
        requests.map(|request| request.text()).collect()
    }

    /// How many requests came at all.
    pub(crate) fn total(&self) -> usize {
        self.0.count(|_| true)
    }
}
