//! A transport that fails when the test says so, and notes every call with its time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Certainty, Delivery, Message, Receipt, Receiver, ReceiverOptions, SendFailure,
    SendReport, Session, SessionSelector, Settlement, Settler, Source, Transport, TransportError,
    TransportErrorKind,
};
use sealmq_transport_memory::MemoryTransport;
use tokio::time::Instant;

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Send,
    Open,
    Recv,
    Complete,
    Abandon,
    DeadLetter,
    Defer,
    Extend,
    Health,
    Close,
}

/// How it fails.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The broker never hears of it.
    Refused(TransportErrorKind),
    /// The broker does it, and its answer is lost.
    AnswerLost(TransportErrorKind),
    /// The broker takes this long, and does it then.
    Slow(Duration),
}

impl Fault {
    /// The broker is out of reach.
    pub(crate) fn unreachable() -> Self {
        Self::Refused(TransportErrorKind::Unavailable)
    }
}

/// Says of a message whether the broker refuses it, and how.
type Refusal = Box<dyn Fn(&Message) -> Option<TransportErrorKind> + Send>;

#[derive(Default)]
struct Script {
    faults: HashMap<Call, (usize, Option<Fault>)>,
    calls: Vec<(Call, Instant)>,
    sent: Vec<Vec<Message>>,
    refusal: Option<Refusal>,
}

/// A connection to an in-memory broker with faults. Clones share them.
#[derive(Clone)]
pub(crate) struct FaultyTransport {
    inner: MemoryTransport,
    script: Arc<Mutex<Script>>,
}

impl FaultyTransport {
    pub(crate) fn new(broker: &MemoryTransport) -> Self {
        Self { inner: broker.connect_again(), script: Arc::default() }
    }

    /// The next `times` calls of this kind fail.
    pub(crate) fn fail(&self, call: Call, times: usize, fault: Fault) {
        self.script().faults.insert(call, (times, Some(fault)));
    }

    /// Calls of this kind succeed again.
    pub(crate) fn recover(&self, call: Call) {
        self.script().faults.remove(&call);
    }

    /// The broker refuses messages as this says, each for itself.
    pub(crate) fn refuse(
        &self,
        refusal: impl Fn(&Message) -> Option<TransportErrorKind> + Send + 'static,
    ) {
        self.script().refusal = Some(Box::new(refusal));
    }

    /// When calls of this kind were made.
    pub(crate) fn calls(&self, call: Call) -> Vec<Instant> {
        let script = self.script();
        script.calls.iter().filter(|(made, _)| *made == call).map(|(_, at)| *at).collect()
    }

    /// The pauses between the calls of this kind.
    pub(crate) fn pauses(&self, call: Call) -> Vec<Duration> {
        self.calls(call).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Every batch that was to be sent, in order.
    pub(crate) fn sent(&self) -> Vec<Vec<Message>> {
        self.script().sent.clone()
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call and takes one fault off the list.
    fn begin(&self, call: Call) -> Option<Fault> {
        let mut script = self.script();
        script.calls.push((call, Instant::now()));
        let (left, fault) = script.faults.get_mut(&call)?;
        *left = left.checked_sub(1)?;
        fault.clone()
    }

    /// Runs the call, unless it is to fail before it begins.
    async fn run<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        match self.begin(call) {
            None => work.await,
            Some(Fault::Refused(kind)) => Err(failure(kind)),
            Some(Fault::AnswerLost(kind)) => {
                work.await?;
                Err(failure(kind))
            }
            Some(Fault::Slow(takes)) => {
                tokio::time::sleep(takes).await;
                work.await
            }
        }
    }

    fn wrap(&self, inner: Box<dyn Receiver>) -> Box<dyn Receiver> {
        Box::new(FaultyReceiver { inner, transport: self.clone() })
    }
}

fn failure(kind: TransportErrorKind) -> TransportError {
    TransportError::new(kind, "a fault of the test")
}

#[async_trait]
impl Transport for FaultyTransport {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        self.script().sent.push(messages.clone());
        let fail_all = |messages: Vec<Message>, kind: TransportErrorKind| -> SendReport {
            let fail = |message| {
                Err(SendFailure { error: failure(kind.clone()), message: Box::new(message) })
            };
            messages.into_iter().map(fail).collect()
        };
        match self.begin(Call::Send) {
            Some(Fault::Refused(kind)) => return fail_all(messages, kind),
            Some(Fault::AnswerLost(kind)) => {
                self.inner.send(queue, messages.clone()).await;
                return fail_all(messages, kind);
            }
            Some(Fault::Slow(takes)) => tokio::time::sleep(takes).await,
            None => {}
        }
        let mut report = Vec::with_capacity(messages.len());
        for message in messages {
            let refused = self.script().refusal.as_ref().and_then(|refusal| refusal(&message));
            match refused {
                Some(kind) => report.extend(fail_all(vec![message], kind)),
                None => report.extend(self.inner.send(queue, vec![message]).await),
            }
        }
        report
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        let opened = self.run(Call::Open, self.inner.open(source, options)).await?;
        Ok(self.wrap(opened))
    }

    async fn accept_session(
        &self,
        queue: &str,
        session: SessionSelector,
        wait: Duration,
        options: ReceiverOptions,
    ) -> Result<Option<Box<dyn Receiver>>, TransportError> {
        let accepting = self.inner.accept_session(queue, session, wait, options);
        Ok(self.run(Call::Open, accepting).await?.map(|receiver| self.wrap(receiver)))
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        self.inner.redrive(queue, max).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.run(Call::Health, self.inner.health()).await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.run(Call::Close, self.inner.close()).await
    }
}

struct FaultyReceiver {
    inner: Box<dyn Receiver>,
    transport: FaultyTransport,
}

#[async_trait]
impl Receiver for FaultyReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let received = self.transport.run(Call::Recv, self.inner.recv(max, wait)).await?;
        let wrap = |Delivery { message, receipt }: Delivery| {
            let metadata = receipt.metadata().clone();
            let transport = self.transport.clone();
            let settler = FaultySettler { receipt: Mutex::new(Some(receipt)), transport };
            Delivery { message, receipt: Receipt::new(metadata, Box::new(settler)) }
        };
        Ok(received.into_iter().map(wrap).collect())
    }

    async fn recv_deferred(
        &self,
        sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        self.inner.recv_deferred(sequence_number).await
    }

    fn session(&self) -> Option<&dyn Session> {
        self.inner.session()
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inner.close().await
    }
}

struct FaultySettler {
    receipt: Mutex<Option<Receipt>>,
    transport: FaultyTransport,
}

impl FaultySettler {
    /// The broker's own receipt, which is gone once a settlement of it was done.
    fn take(&self) -> Result<Receipt, TransportError> {
        self.receipt.lock().unwrap().take().ok_or_else(|| failure(TransportErrorKind::LockLost))
    }

    fn put_back(&self, receipt: Receipt) {
        *self.receipt.lock().unwrap() = Some(receipt);
    }
}

#[async_trait]
impl Settler for FaultySettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let call = match &settlement {
            Settlement::Complete => Call::Complete,
            Settlement::Abandon { .. } => Call::Abandon,
            Settlement::DeadLetter { .. } => Call::DeadLetter,
            _ => Call::Defer,
        };
        let settling = async {
            self.take()?.settle(settlement).await.map_err(|failed| {
                self.put_back(*failed.receipt);
                failed.error
            })
        };
        self.transport.run(call, settling).await
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        let receipt = self.take()?;
        let extended = self.transport.run(Call::Extend, receipt.extend(duration)).await;
        self.put_back(receipt);
        extended
    }
}
