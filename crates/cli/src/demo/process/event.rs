//! What a role says: a line or two for people, or a JSON object on a line.

use serde::Serialize;

use super::Role;
use crate::demo::observer::{ObserverReport, Sample};
use crate::error::CliError;
use crate::output::{self, Style, printable, thousands};

/// One thing that happened.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    Started {
        role: Role,
        broker: String,
        queues: [&'a str; 2],
    },
    /// A request was sealed and sent.
    Sent {
        message_id: &'a str,
        bytes: usize,
        begins: String,
    },
    /// A request was opened, and an answer sent.
    Answered {
        message_id: &'a str,
        key_id: &'a str,
        bytes: usize,
        begins: String,
    },
    /// An answer was opened.
    Answer {
        request_id: &'a str,
        /// Whether this initiator sent the request, and the answer fits it.
        matches: bool,
        key_id: &'a str,
        text: String,
    },
    /// A message was not accepted.
    Refused {
        message_id: &'a str,
        code: &'static str,
    },
    /// The observer saw a message.
    Seen(&'a Sample),
    /// The observer saw that the number of messages in a queue has changed.
    Depth {
        queue: &'a str,
        waiting: u64,
    },
    /// What the observer cannot do here.
    Blind {
        reason: &'static str,
    },
    Ended(Summary<'a>),
}

/// What a role did, all in all.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Summary<'a> {
    Initiator { interrupted: bool, sent: usize, matched: usize, unanswered: usize, refused: usize },
    Responder { interrupted: bool, answered: usize, refused: usize },
    Observer { interrupted: bool, report: &'a ObserverReport },
}

/// Says things, one way or the other.
pub(super) struct Voice {
    json: bool,
    style: Style,
}

impl Voice {
    pub(super) fn new(json: bool) -> Self {
        Self { json, style: Style::of_stdout() }
    }

    pub(super) fn say(&self, event: &Event<'_>) -> Result<(), CliError> {
        match self.json {
            true => output::print_json_line(event),
            false => output::print(&(self.text(event) + "\n")),
        }
    }

    fn text(&self, event: &Event<'_>) -> String {
        match event {
            Event::Started { role, broker, queues: [requests, answers] } => {
                let role = self.style.heading(&format!("{role:?}").to_lowercase());
                let broker = fit(broker, 60);
                format!("{role} on {broker}\n  requests   {requests}\n  answers    {answers}")
            }
            Event::Sent { message_id, bytes, begins } => {
                let bytes = thousands(*bytes);
                format!("sent      {}\n          {bytes} B  {begins}…", fit(message_id, 70))
            }
            Event::Answered { message_id, key_id, bytes, begins } => {
                let (bytes, key_id) = (thousands(*bytes), fit(key_id, 60));
                let message_id = fit(message_id, 70);
                format!(
                    "answered  {message_id}\n          under {key_id}\n          {bytes} B  {begins}…"
                )
            }
            Event::Answer { request_id, matches, key_id, text } => {
                let (request_id, key_id) = (fit(request_id, 48), fit(key_id, 60));
                let note = if *matches { "" } else { "  of no request of mine" };
                let text = fit(text, 70);
                format!("answer    {request_id}{note}\n          under {key_id}\n          {text}")
            }
            Event::Refused { message_id, code } => {
                let refused = self.style.bad("refused ");
                format!("{refused}  {}\n          {code}", fit(message_id, 70))
            }
            Event::Seen(sample) => seen(sample),
            Event::Depth { queue, waiting } => {
                format!("depth     {:>9}  {}", thousands(*waiting as usize), fit(queue, 58))
            }
            Event::Blind { reason } => (*reason).to_owned(),
            Event::Ended(summary) => self.summary(summary),
        }
    }

    fn summary(&self, summary: &Summary<'_>) -> String {
        match summary {
            Summary::Initiator { interrupted, sent, matched, unanswered, refused } => {
                let [sent, matched, unanswered, refused] =
                    [*sent, *matched, *unanswered, *refused].map(thousands);
                format!(
                    "{}: {sent} sent, {matched} answers matched, {unanswered} unanswered, \
                     {refused} refused",
                    end(*interrupted)
                )
            }
            Summary::Responder { interrupted, answered, refused } => {
                let [answered, refused] = [*answered, *refused].map(thousands);
                format!("{}: {answered} answered, {refused} refused", end(*interrupted))
            }
            Summary::Observer { interrupted, report } => {
                let (end, search) = (end(*interrupted), &report.search);
                if report.messages_seen == 0 {
                    return format!("{end}: no message was seen, so nothing is proved");
                }
                let [seen, bytes, unsealed, found, windows, control, bodies] = [
                    report.messages_seen,
                    report.bytes_seen,
                    report.unsealed,
                    search.frames_with_a_window,
                    search.windows,
                    search.control_bodies_found,
                    search.control_bodies,
                ]
                .map(thousands);
                format!(
                    "{end}: {seen} messages seen, {bytes} bytes, {unsealed} not sealed\n  \
                     {found} of them hold any of {windows} 8-byte pieces of the bodies\n  \
                     control: the same search finds {control} of {bodies} bodies in the clear"
                )
            }
        }
    }
}

fn seen(sample: &Sample) -> String {
    let Sample { queue, message_id, key_id, frame_bytes, first_bytes, .. } = sample;
    let sealed = match key_id {
        Some(key_id) => format!("sealed, names {}", fit(key_id, 54)),
        None => "NOT SEALED".to_owned(),
    };
    let (bytes, message_id) = (thousands(*frame_bytes), fit(message_id, 70));
    format!(
        "seen      {message_id}\n          in {}\n          {sealed}\n          {bytes} B  {first_bytes}…",
        fit(queue, 66)
    )
}

fn end(interrupted: bool) -> &'static str {
    if interrupted { "interrupted" } else { "done" }
}

/// As much of a text that somebody else chose as fits the line.
fn fit(text: &str, max: usize) -> String {
    printable(text).chars().take(max).collect()
}
