//! How the suite reaches the broker: connections to it, and queues on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_contract_tests::outcome::{CaseResult, Stop};
use sealmq_contract_tests::runner::Time;
use sealmq_contract_tests::transport::{Backend, Harness, QueueSpec, Timing};
use sealmq_queue_core::Transport;

use crate::transport::{Broker, SkeletonTransport};

pub(crate) struct SkeletonBackend;

#[async_trait]
impl Backend for SkeletonBackend {
    fn name(&self) -> &'static str {
        "skeleton"
    }

    async fn harness(&self, _time: Time) -> CaseResult<Box<dyn Harness>> {
        Ok(Box::new(SkeletonHarness(Arc::default())))
    }
}

/// A broker of the case's own. With a server it would be the server's address.
struct SkeletonHarness(Arc<Broker>);

#[async_trait]
impl Harness for SkeletonHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(Arc::new(SkeletonTransport::connect(&self.0)))
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        if spec.max_messages.is_some() {
            return Err(Stop::skip("queues are not bounded"));
        }
        self.0.create_queue(name);
        Ok(name.to_owned())
    }

    fn timing(&self) -> Timing {
        Timing { quiet: Duration::from_millis(100), ..Timing::real() }
    }
}
