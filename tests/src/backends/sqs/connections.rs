//! Connections to the SQS server: the usual one, and those that must be refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Message, Receiver, ReceiverOptions, SendReport, Source, Transport, TransportError,
};
use sealmq_test_kit::{Answer, Authority, HttpProxy, TlsProxy, required};
use sealmq_transport_sqs::{QueueType, SqsConfig, SqsTransport, TlsConfig};

use crate::outcome::{CaseResult, Stop};
use crate::transport::Connection;

const SECRET_KEY: &str = "the-secret-access-key";
const SESSION_TOKEN: &str = "the-session-token";

/// `host:port` of the server.
pub(super) fn server() -> String {
    let endpoint = required("SEALMQ_SQS_ENDPOINT");
    let address = endpoint.strip_prefix("http://").unwrap_or(&endpoint);
    address.trim_end_matches('/').to_owned()
}

/// The endpoint at `host:port`.
pub(super) fn url(address: &str) -> String {
    format!("http://{address}")
}

/// What no error may show: the credentials, and a body in the armour it travels in.
pub(super) fn secrets() -> Vec<String> {
    let armoured_body = "c2VjcmV0LWJvZHktdGV4dA";
    [SECRET_KEY, SESSION_TOKEN, armoured_body].map(str::to_owned).into()
}

fn config(queue_type: QueueType, endpoint_url: &str) -> SqsConfig {
    SqsConfig::new()
        .with_queue_type(queue_type)
        .with_endpoint_url(endpoint_url)
        .with_region("us-east-1")
        // Closing then leaves no poll running, and the server looks again for groups that are free.
        .with_poll_wait(Duration::from_secs(1))
        // The server may be slow on a busy machine.
        .with_request_timeout(Duration::from_secs(15))
        .with_static_credentials("AKIDCONTRACT", SECRET_KEY, Some(SESSION_TOKEN.to_owned()))
}

/// Connects to the service at this URL.
pub(super) async fn connect(
    queue_type: QueueType,
    endpoint_url: &str,
) -> Result<SqsTransport, TransportError> {
    SqsTransport::connect(&config(queue_type, endpoint_url)).await
}

/// Connects in an unusual way.
pub(super) async fn connect_as(
    queue_type: QueueType,
    connection: Connection,
) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
    match connection {
        Connection::WrongCredentials => Ok(with_unknown_credentials(queue_type).await),
        Connection::UntrustedAuthority => Ok(distrusting(queue_type).await),
        Connection::ClientCertificate | Connection::NoClientCertificate => {
            Err(Stop::skip("SQS knows its clients by signatures, never by certificates"))
        }
    }
}

/// The server takes any credentials, so what AWS says of unknown ones is said before it.
async fn with_unknown_credentials(
    queue_type: QueueType,
) -> Result<Arc<dyn Transport>, TransportError> {
    let proxy = HttpProxy::before(server()).await;
    let body = r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException",
        "message":"The security token included in the request is invalid."}"#;
    proxy.always(Answer::json(403, body));
    let transport = connect(queue_type, &proxy.url()).await?;
    Ok(Arc::new(Behind { transport, _proxy: proxy }))
}

/// Through TLS whose certificate another authority signed than the trusted one.
async fn distrusting(queue_type: QueueType) -> Result<Arc<dyn Transport>, TransportError> {
    let (signer, trusted) = (Authority::new("unknown"), Authority::new("trusted"));
    let proxy = TlsProxy::before(server(), &signer, None).await;
    let endpoint_url = format!("https://localhost:{}", proxy.port());
    let config = config(queue_type, &endpoint_url)
        .with_tls(TlsConfig::new().with_root_ca_pem(trusted.pem()));
    let transport = SqsTransport::connect(&config).await?;
    Ok(Arc::new(Behind { transport, _proxy: proxy }))
}

/// A transport with the proxy it connects through, which ends with it.
struct Behind<P> {
    transport: SqsTransport,
    _proxy: P,
}

#[async_trait]
impl<P: Send + Sync> Transport for Behind<P> {
    fn capabilities(&self) -> &Capabilities {
        self.transport.capabilities()
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        self.transport.send(queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        self.transport.open(source, options).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.transport.health().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.transport.close().await
    }
}
