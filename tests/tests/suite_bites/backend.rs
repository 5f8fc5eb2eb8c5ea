//! The in-memory broker behind the wrapper and a simulated network.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_contract_tests::backends::memory::MemoryBackend;
use sealmq_contract_tests::outcome::CaseResult;
use sealmq_contract_tests::runner::Time;
use sealmq_contract_tests::transport::{
    Backend, Connection, Expectations, FaultyProxy, Harness, QueueKind, QueueSpec, Timing,
};
use sealmq_queue_core::{
    Capabilities, ReceiveMode, ReceiverOptions, Source, Transport, TransportError,
    TransportErrorKind,
};

use crate::sabotage::Sabotage;
use crate::transport::SabotagedTransport;
use crate::world::World;

/// A backend that breaks one promise.
pub(crate) struct SabotagedBackend(pub(crate) Sabotage);

#[async_trait]
impl Backend for SabotagedBackend {
    fn name(&self) -> &'static str {
        "sabotaged"
    }

    fn time(&self) -> Time {
        Time::Paused
    }

    fn case_timeout(&self) -> Duration {
        match self.0 {
            Sabotage::Hangs => Duration::from_millis(300),
            _ => Duration::from_secs(30),
        }
    }

    async fn harness(&self, time: Time) -> CaseResult<Box<dyn Harness>> {
        let memory = Arc::from(MemoryBackend::full().harness(time).await?);
        let harness = SabotagedHarness { memory, world: World::new(self.0), time };
        let (kind, lock) = (QueueKind::Standard, harness.timing().long_lock);
        let (max_deliveries, max_messages, deduplicates) = (None, None, false);
        let spare = QueueSpec { kind, lock, max_deliveries, deduplicates, max_messages };
        harness.create_queue("spare", &spare).await?; // for what goes to the wrong queue
        Ok(Box::new(harness))
    }
}

#[derive(Clone)]
struct SabotagedHarness {
    memory: Arc<dyn Harness>,
    world: Arc<World>,
    time: Time,
}

impl SabotagedHarness {
    async fn connect(&self, through_proxy: bool) -> CaseResult<Arc<dyn Transport>> {
        let inner = self.memory.transport().await?;
        Ok(Arc::new(SabotagedTransport::new(inner, &self.world, through_proxy)))
    }

    /// Takes what waits in every queue away, as a broker without a disk does.
    async fn forget(&self) -> CaseResult {
        let transport = self.memory.transport().await?;
        let queues = self.world.queues.lock().unwrap().clone();
        for queue in queues {
            let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
            let receiver = transport.open(&Source::queue(queue), options).await?;
            drop(receiver.recv(usize::MAX, Duration::ZERO).await?);
        }
        Ok(())
    }
}

#[async_trait]
impl Harness for SabotagedHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        self.connect(false).await
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        let mut spec = spec.clone();
        match self.world.how {
            Sabotage::IgnoresMaxDeliveries => spec.max_deliveries = None,
            Sabotage::IgnoresGroups => spec.kind = QueueKind::Standard,
            _ => {}
        }
        let address = self.memory.create_queue(name, &spec).await?;
        self.world.queues.lock().unwrap().push(address.clone());
        Ok(address)
    }

    fn timing(&self) -> Timing {
        let timing = self.memory.timing();
        match self.time {
            Time::Paused => timing,
            // What does not come need not be waited for long, if in real time.
            Time::Real => Timing { patience: Duration::from_secs(3), ..timing },
        }
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        self.memory.expectations(capabilities)
    }

    fn many(&self) -> usize {
        2_000
    }

    async fn restart_broker(&self) -> CaseResult {
        self.world.broker_down.store(true, Ordering::Relaxed);
        if self.world.is(Sabotage::ForgetsOnRestart) {
            self.forget().await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.world.broker_down.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn faulty_proxy(&self) -> CaseResult<Box<dyn FaultyProxy>> {
        Ok(Box::new(self.clone()))
    }

    async fn connect_as(
        &self,
        connection: Connection,
    ) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
        let how = self.world.how;
        let refusal = match connection {
            Connection::ClientCertificate => None,
            Connection::WrongCredentials if how == Sabotage::TakesDenialForOutage => {
                Some(TransportErrorKind::Unavailable)
            }
            Connection::UntrustedAuthority if how == Sabotage::TrustsAnyAuthority => None,
            Connection::NoClientCertificate if how == Sabotage::NeedsNoCertificate => None,
            Connection::WrongCredentials => Some(TransportErrorKind::Denied),
            _ => Some(TransportErrorKind::Unavailable),
        };
        Ok(match refusal {
            Some(kind) => Err(TransportError::new(kind, "the simulated network")),
            None => Ok(self.connect(false).await?),
        })
    }

    async fn break_dead_letter_queue(&self, _address: &str) -> CaseResult {
        self.world.dead_letters_broken.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl FaultyProxy for SabotagedHarness {
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        self.world.reach_broker(true)?;
        let connected = self.connect(true).await;
        connected.map_err(|stop| TransportError::closed(&format!("{stop:?}")))
    }

    async fn cut(&self) {
        self.world.proxy_cut.store(true, Ordering::Relaxed);
    }

    async fn restore(&self) {
        self.world.proxy_cut.store(false, Ordering::Relaxed);
    }

    async fn swallow_next_answer(&self, _address: &str) {
        self.world.swallow_next.store(true, Ordering::Relaxed);
    }
}
