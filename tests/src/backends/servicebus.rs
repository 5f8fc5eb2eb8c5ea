//! Azure Service Bus under test: the server that the environment names, and its admin side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{Capabilities, Transport, TransportError};
use sealmq_test_kit::{AdminSide, Authority, TcpProxy, TlsProxy, required};
use sealmq_transport_servicebus::{Credential, ServiceBusConfig, ServiceBusTransport, TlsConfig};

use crate::outcome::{CaseResult, Stop};
use crate::runner::Time;
use crate::transport::{
    Backend, Connection, Expectations, FaultyProxy, Harness, QueueKind, QueueSpec,
};

const CONNECTION_STRING: &str = "SEALMQ_SERVICEBUS_CONNECTION_STRING";
const ADMIN_URL: &str = "SEALMQ_SERVICEBUS_ADMIN_URL";

/// "Service Bus quotas": the most deliveries a queue can be set to.
const MOST_DELIVERIES: u32 = 2_000;
/// How long the broker is away.
const OUTAGE: Duration = Duration::from_millis(300);
/// A key that no policy has, in the form that keys have.
const WRONG_KEY: &str = "bm90IHRoZSBrZXkgb2YgYW55IHBvbGljeQ==";

/// The Service Bus transport; the cases share a server.
pub struct ServiceBusBackend;

#[async_trait]
impl Backend for ServiceBusBackend {
    fn name(&self) -> &'static str {
        "servicebus"
    }

    async fn harness(&self, _time: Time) -> CaseResult<Box<dyn Harness>> {
        let connection_string = required(CONNECTION_STRING);
        let server = part(&connection_string, "Endpoint=sb://")?.trim_end_matches('/').to_owned();
        let proxy = TcpProxy::before(&*server).await;
        let config = ServiceBusConfig::from_connection_string(&connection_string)?;
        Ok(Box::new(ServiceBusHarness {
            policy: part(&connection_string, "SharedAccessKeyName=")?.to_owned(),
            key: part(&connection_string, "SharedAccessKey=")?.to_owned(),
            config: config.with_port(proxy.port()),
            admin: AdminSide::new(&required(ADMIN_URL)),
            server,
            proxy,
            tls_proxies: Mutex::default(),
        }))
    }
}

/// What a connection string says after this name.
fn part<'a>(connection_string: &'a str, name: &str) -> CaseResult<&'a str> {
    let found = connection_string.split(';').find_map(|part| part.strip_prefix(name));
    found.ok_or_else(|| Stop::broken(format!("{CONNECTION_STRING} has no {name}")))
}

struct ServiceBusHarness {
    server: String,
    /// What the broker's restarts are made of: other suites use the same server meanwhile.
    proxy: TcpProxy,
    policy: String,
    key: String,
    config: ServiceBusConfig,
    admin: AdminSide,
    /// They end with the case.
    tls_proxies: Mutex<Vec<TlsProxy>>,
}

impl ServiceBusHarness {
    async fn ask(&self, method: &str, path: &str, json: &str) -> CaseResult {
        let answer = self.admin.request(method, path, json).await;
        answer.map(drop).map_err(Stop::broken)
    }

    /// The settings to reach the server under TLS; `shows` says whether with a client certificate.
    async fn under_tls(&self, demands: bool, trusts: bool, shows: bool) -> ServiceBusConfig {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let demanded = demands.then_some(&clients);
        let proxy = TlsProxy::before(self.server.as_str(), &servers, demanded).await;
        let trusted = if trusts { servers } else { Authority::new("somebody else") };
        let mut tls = TlsConfig::new().with_root_ca_pem(trusted.pem());
        if shows {
            let (certificate, key) = clients.sign("a client");
            tls = tls.with_client_certificate_pem(certificate, key);
        }
        let config = self.config.clone().with_port(proxy.port()).with_tls(tls);
        self.tls_proxies.lock().unwrap().push(proxy);
        config
    }
}

#[async_trait]
impl Harness for ServiceBusHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(Arc::new(ServiceBusTransport::new(self.config.clone())?))
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        let requires_session = match spec.kind {
            QueueKind::Standard => false,
            QueueKind::Sessions => true,
            QueueKind::OrderedGroups => return Err(Stop::broken("there are no ordered groups")),
        };
        let most = spec.max_messages.map_or("null".to_owned(), |most| most.to_string());
        let settings = format!(
            r#"{{"lock_duration_ms": {}, "max_delivery_count": {}, "requires_session": {},
                "requires_duplicate_detection": {}, "max_messages": {most}}}"#,
            spec.lock.as_millis(),
            spec.max_deliveries.unwrap_or(MOST_DELIVERIES),
            requires_session,
            spec.deduplicates,
        );
        self.ask("PUT", &format!("/queues/{name}"), &settings).await?;
        Ok(name.to_owned())
    }

    async fn remove_queue(&self, address: &str) {
        let _ = self.ask("DELETE", &format!("/queues/{address}"), "").await; // it may be gone
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations {
            exhausted_reason: Some("MaxDeliveryCountExceeded"),
            // The broker drops a duplicate and says nothing of it.
            reports_duplicates: false,
            refuses_whole_requests: true,
            ..Expectations::declared_by(capabilities)
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.key.clone()]
    }

    async fn restart_broker(&self) -> CaseResult {
        self.proxy.cut();
        tokio::time::sleep(OUTAGE).await;
        self.proxy.restore();
        Ok(())
    }

    async fn faulty_proxy(&self) -> CaseResult<Box<dyn FaultyProxy>> {
        let proxy = TcpProxy::before(self.server.as_str()).await;
        let config = self.config.clone().with_port(proxy.port());
        Ok(Box::new(ServiceBusProxy { proxy, config, admin: self.admin.clone() }))
    }

    async fn connect_as(
        &self,
        connection: Connection,
    ) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
        let config = match connection {
            Connection::WrongCredentials => {
                let credential = Credential::shared_access_key(&self.policy, WRONG_KEY);
                self.config.clone().with_credential(credential)
            }
            Connection::UntrustedAuthority => self.under_tls(false, false, false).await,
            Connection::ClientCertificate => self.under_tls(true, true, true).await,
            Connection::NoClientCertificate => self.under_tls(true, true, false).await,
        };
        let connected = ServiceBusTransport::new(config);
        Ok(connected.map(|transport| Arc::new(transport) as Arc<dyn Transport>))
    }

    async fn break_dead_letter_queue(&self, address: &str) -> CaseResult {
        let full = format!(r#"{{"action": "refuse-dead-letter", "entity": "{address}"}}"#);
        self.ask("POST", "/faults", &full).await
    }
}

struct ServiceBusProxy {
    proxy: TcpProxy,
    config: ServiceBusConfig,
    admin: AdminSide,
}

#[async_trait]
impl FaultyProxy for ServiceBusProxy {
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        let transport = ServiceBusTransport::new(self.config.clone())?;
        transport.health().await?; // it connects no earlier than it must
        Ok(Arc::new(transport))
    }

    async fn cut(&self) {
        self.proxy.cut();
    }

    async fn restore(&self) {
        self.proxy.restore();
    }

    /// The proxy would swallow what comes first, which is the answer to a token or to a link: the
    /// server knows better what answers a message.
    async fn swallow_next_answer(&self, address: &str) {
        let fault = format!(r#"{{"action": "cut-after-store", "entity": "{address}"}}"#);
        self.admin.request("POST", "/faults", &fault).await.unwrap();
    }
}
