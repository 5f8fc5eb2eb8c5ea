//! Answers end at a limit.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// An answer may be so long. The longest secret has 64 KiB, and base64 makes a third more of it.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// An HTTP client whose answers end at a limit.
#[derive(Debug)]
pub(super) struct LimitedClient(SharedHttpClient);

impl LimitedClient {
    pub(super) fn new(inner: SharedHttpClient) -> Self {
        Self(inner)
    }
}

impl HttpClient for LimitedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(LimitedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct LimitedConnector(SharedHttpConnector);

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            // Still a stream: the SDK's traces show what was read already.
            let body = Limited::new(answer.take_body(), MAX_ANSWER_BYTES);
            *answer.body_mut() = SdkBody::from_body_1_x(body);
            Ok(answer)
        })
    }
}
