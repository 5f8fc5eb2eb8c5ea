//! A server of one test alone, for the faults that strike every connection.

use std::process::Stdio;

use sealmq_test_kit::required;
use sealmq_transport_servicebus::{ServiceBusConfig, ServiceBusTransport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Admin;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/servers");

/// A server that ends when it is dropped.
pub(crate) struct Server {
    pub(crate) admin: Admin,
    config: ServiceBusConfig,
    _process: Child,
}

impl Server {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let mut process = Command::new(required("SEALMQ_PYTHON"))
            .args(["-m", "servicebus"])
            .current_dir(FOLDER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs");
        let mut said = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut said).await.unwrap();
        let ready: Value = serde_json::from_str(&said).expect("the server says that it is ready");
        let string = format!(
            "Endpoint=sb://127.0.0.1:{};SharedAccessKeyName=RootManageSharedAccessKey;\
             SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true",
            ready["amqp_port"]
        );
        Self {
            admin: Admin::new(&format!("http://127.0.0.1:{}", ready["admin_port"])),
            config: ServiceBusConfig::from_connection_string(&string).unwrap(),
            _process: process,
        }
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> ServiceBusTransport {
        ServiceBusTransport::new(self.config.clone()).unwrap()
    }

    /// Does or arms a fault.
    pub(crate) async fn fault(&self, fault: &Value) {
        self.admin.post("/faults", fault).await;
    }

    /// Makes a queue with the server's settings.
    pub(crate) async fn queue(&self, name: &str) {
        self.admin.put(&format!("/queues/{name}"), &json!({})).await;
    }
}
