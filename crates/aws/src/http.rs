//! The SDK's HTTP client: our TLS, answers that end at a limit, no proxy.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sealmq_settings::InvalidSetting;
use sealmq_tls::TlsConfig;

/// A host that does not answer by then is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Load balancers of AWS close what is idle for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Connector {
    client: Client<HttpsConnector<connect::HttpConnector>, SdkBody>,
    max_answer_bytes: usize,
}

/// An HTTP client of the SDK that trusts what `tls` says.
///
/// # Errors
/// [`InvalidSetting`] names the field, and the file if it is one.
pub(crate) fn client(
    tls: &TlsConfig,
    max_answer_bytes: usize,
) -> Result<SharedHttpClient, InvalidSetting> {
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls.client_config()?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(https);
    Ok(SharedHttpClient::new(Connector { client, max_answer_bytes }))
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let answer = self.client.request(request);
        let limit = self.max_answer_bytes;
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            // Still a stream: the SDK's traces show what was read already.
            let answer = answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, limit)));
            HttpResponse::try_from(answer)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("max_answer_bytes", &self.max_answer_bytes).finish()
    }
}
