//! Initiator and responder: sealed requests and sealed answers, and a key rotation meanwhile.

use std::collections::{BTreeMap, HashMap};

use sealmq::{Bytes, QueueClient, ReceivedMessage};
use serde::{Deserialize, Serialize};

use super::input::{Body, Input};
use super::observer::{Observer, ObserverReport};
use super::stage::{Stage, answer, request};
use super::terms::{WAIT, broken};
use crate::error::CliError;
use crate::output::{Progress, printable};

/// So many requests wait in the queue while the responder works, so that some are under way when
/// the key rotates.
const AHEAD: usize = 4;

/// What each role saw.
pub(super) struct Traffic {
    pub(super) initiator: InitiatorReport,
    pub(super) responder: ResponderReport,
    pub(super) observer: ObserverReport,
    pub(super) rotation: RotationReport,
    /// A frame from before the rotation, as anybody may have kept one.
    pub(super) old_frame: Option<Bytes>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct InitiatorReport {
    pub(super) sent: usize,
    pub(super) bytes_sent: usize,
    pub(super) answers_opened: usize,
    /// Answers that belong to a request that was waiting for one, and say its size.
    pub(super) answers_matched: usize,
    pub(super) answers_by_key: BTreeMap<String, usize>,
    pub(super) first_sent: Option<Glimpse>,
    pub(super) failures: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ResponderReport {
    pub(super) opened: usize,
    pub(super) bytes_opened: usize,
    /// Requests whose body is, byte for byte, what the initiator sent.
    pub(super) identical: usize,
    pub(super) answers_sent: usize,
    pub(super) requests_by_key: BTreeMap<String, usize>,
    pub(super) first_opened: Option<Glimpse>,
    pub(super) failures: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct RotationReport {
    /// The key of the requests before it, or the version of its KEK.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) after_requests: usize,
    /// Requests under the key before that were still in the queue when it was rotated.
    pub(super) in_flight: usize,
    pub(super) failures: usize,
}

/// A body, to be recognised by.
#[derive(Debug, Serialize)]
pub(super) struct Glimpse {
    pub(super) bytes: usize,
    pub(super) begins: String,
}

impl Glimpse {
    pub(super) fn of(body: &[u8]) -> Self {
        let begins = String::from_utf8_lossy(&body[..body.len().min(36)]);
        Self { bytes: body.len(), begins: printable(&begins) }
    }
}

/// What an answer says.
#[derive(Serialize, Deserialize)]
pub(super) struct Acknowledgement {
    pub(super) status: String,
    pub(super) event: String,
    pub(super) bytes: usize,
}

impl Acknowledgement {
    /// The text of the answer to a request.
    pub(super) fn of(event: Option<&str>, body: &[u8]) -> Result<String, String> {
        let (status, event) = ("accepted".to_owned(), event.unwrap_or_default().to_owned());
        let said = Self { status, event, bytes: body.len() };
        serde_json::to_string(&said).map_err(|error| error.to_string())
    }
}

/// Sends `count` requests and has each answered; the key rotates after the first half of them.
pub(super) async fn exchange(
    stage: &Stage<'_>,
    input: &Input,
    count: usize,
) -> Result<Traffic, CliError> {
    let mut initiator = Initiator::new(stage)?;
    let mut responder = Responder::new(stage)?;
    let mut observer = Observer::new(stage, &input.bodies);
    let mut progress = Progress::new("messages", count);
    let (after_requests, mut in_flight) = (count.div_ceil(2), 0);
    let (mut from, mut to) = (String::new(), String::new());
    for index in 0..count + AHEAD {
        if index < count && initiator.send(input.body(index), input.source).await {
            observer.look(&stage.queues.requests).await?;
        }
        if index + 1 == after_requests {
            in_flight = initiator.report.sent - responder.report.opened;
            to = stage.keys.rotate().await?;
        }
        if index >= AHEAD && responder.answer_one(&mut observer, &initiator.waiting).await {
            observer.look(&stage.queues.answers).await?;
            initiator.take_answer(&mut observer).await;
            if from.is_empty() {
                from = responder.report.requests_by_key.keys().next().cloned().unwrap_or_default();
            }
        }
        if !(initiator.report.failures.is_empty() && responder.report.failures.is_empty()) {
            break; // what follows would only wait for what does not come
        }
        progress.at((index + 1).min(count));
    }
    let (initiator, responder) = (initiator.report, responder.report);
    let rotation = RotationReport {
        from,
        to,
        after_requests,
        in_flight,
        failures: initiator.failures.len() + responder.failures.len(),
    };
    let (observer, old_frame) = (observer.notes.report, observer.notes.first_frame);
    Ok(Traffic { initiator, responder, observer, rotation, old_frame })
}

struct Initiator {
    requests: QueueClient,
    answers: QueueClient,
    /// The body of each request that has no answer yet, by the id of the request.
    waiting: HashMap<String, Bytes>,
    report: InitiatorReport,
}

impl Initiator {
    fn new(stage: &Stage<'_>) -> Result<Self, CliError> {
        let requests = stage.initiator.clone();
        let answers = requests.for_queue(&stage.queues.answers).map_err(broken)?;
        let (waiting, report) = (HashMap::new(), InitiatorReport::default());
        Ok(Self { requests, answers, waiting, report })
    }

    /// Whether the request was sent.
    async fn send(&mut self, body: &Body, source: &str) -> bool {
        let message = request(body, source, self.answers.queue());
        self.report.first_sent.get_or_insert_with(|| Glimpse::of(&body.text));
        self.waiting.insert(message.id.clone(), body.text.clone());
        match self.requests.send(message).await {
            Ok(_) => {
                self.report.sent += 1;
                self.report.bytes_sent += body.text.len();
                true
            }
            Err(failed) => {
                self.report.failures.push(format!("{failed}: {}", failed.error));
                false
            }
        }
    }

    async fn take_answer(&mut self, observer: &mut Observer) {
        if let Err(failure) = self.try_take_answer(observer).await {
            self.report.failures.push(failure);
        }
    }

    async fn try_take_answer(&mut self, observer: &mut Observer) -> Result<(), String> {
        let answer = receive_one(&self.answers).await?;
        self.report.answers_opened += 1;
        count_key(&mut self.report.answers_by_key, &answer, observer);
        let request_id = answer.message.message.correlation_id.clone().unwrap_or_default();
        let Some(body) = self.waiting.remove(&request_id) else {
            return Err("an answer belongs to no request".to_owned());
        };
        let said: Acknowledgement = serde_json::from_slice(answer.body())
            .map_err(|error| format!("an answer is not what it should be: {error}"))?;
        if (said.status.as_str(), said.bytes) != ("accepted", body.len()) {
            return Err("an answer belongs to another request".to_owned());
        }
        self.report.answers_matched += 1;
        complete(answer).await
    }
}

struct Responder {
    requests: QueueClient,
    answers: QueueClient,
    report: ResponderReport,
}

impl Responder {
    fn new(stage: &Stage<'_>) -> Result<Self, CliError> {
        let requests = stage.responder.clone();
        let answers = requests.for_queue(&stage.queues.answers).map_err(broken)?;
        Ok(Self { requests, answers, report: ResponderReport::default() })
    }

    /// Whether a request was answered.
    async fn answer_one(&mut self, observer: &mut Observer, sent: &HashMap<String, Bytes>) -> bool {
        let answered = self.try_answer_one(observer, sent).await;
        let is_answered = answered.is_ok();
        self.report.failures.extend(answered.err());
        is_answered
    }

    /// Opens a request and answers it. The observer is told what must not be seen of the answer;
    /// `sent` is what the initiator sent, to compare.
    async fn try_answer_one(
        &mut self,
        observer: &mut Observer,
        sent: &HashMap<String, Bytes>,
    ) -> Result<(), String> {
        let request = receive_one(&self.requests).await?;
        self.report.opened += 1;
        self.report.bytes_opened += request.body().len();
        self.report.first_opened.get_or_insert_with(|| Glimpse::of(request.body()));
        count_key(&mut self.report.requests_by_key, &request, observer);
        let message = &request.message.message;
        if sent.get(&message.id) != Some(request.body()) {
            return Err("a request opened to another body than was sent".to_owned());
        }
        self.report.identical += 1;
        if message.reply_to.as_deref() != Some(self.answers.queue()) {
            return Err("a request asks for its answer on an unknown queue".to_owned());
        }
        let text = Acknowledgement::of(message.message_type.as_deref(), request.body())?;
        observer.notes.needles.add(text.as_bytes());
        let sent = self.answers.send(answer(&message.id, text)).await;
        sent.map_err(|failed| format!("{failed}: {}", failed.error))?;
        self.report.answers_sent += 1;
        complete(request).await
    }
}

async fn receive_one(queue: &QueueClient) -> Result<ReceivedMessage, String> {
    let name = queue.queue();
    let received = queue.receive(1, WAIT).await.map_err(|error| format!("{name}: {error}"))?;
    match received.into_iter().next() {
        Some(Ok(message)) => Ok(message),
        Some(Err(rejected)) => {
            Err(format!("{name}: a good message was refused: {}", rejected.error))
        }
        None => Err(format!("{name}: a message did not arrive")),
    }
}

async fn complete(message: ReceivedMessage) -> Result<(), String> {
    message.complete().await.map(|_| ()).map_err(|failed| format!("{failed}: {}", failed.error))
}

/// By the name of the key that opened the message; or by the version of the KEK, which stood in the
/// frame that the observer saw.
fn count_key(
    by_key: &mut BTreeMap<String, usize>,
    message: &ReceivedMessage,
    observer: &mut Observer,
) {
    let version = observer.notes.take_kek_version(&message.message.message.id);
    let named = || message.message.key_id().unwrap_or("none: not sealed").to_owned();
    *by_key.entry(version.unwrap_or_else(named)).or_default() += 1;
}
