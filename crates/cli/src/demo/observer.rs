//! The observer: reads what the broker stores, and has no key.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sealmq::format::{Frame, KEY_REFERENCE_OFFSET, KeyReference};
use sealmq::{Bytes, KeyManagementService, Message};
use serde::Serialize;

use super::attacks::COMMITMENT_BYTES;
use super::input::Body;
use super::keys::kek_version;
use super::needles::{Needles, WINDOW_BYTES};
use super::outsider::Outsider;
use super::stage::Stage;
use super::terms::broken;
use crate::error::CliError;
use crate::output::hex;

/// Frames shown in full detail.
const SAMPLES: usize = 3;
/// Bytes of a frame that are shown.
const SHOWN_BYTES: usize = 18;
/// Different values of metadata that are kept; there may be more.
pub(super) const MAX_VALUES: usize = 100;

/// Someone who looks at the broker's storage again and again.
pub(super) struct Observer {
    outsider: Arc<Outsider>,
    /// The broker's ids of what was seen, by queue: two queues may use the same ones.
    known: HashMap<String, HashSet<String>>,
    pub(super) notes: Notes,
}

/// What an observer writes down.
pub(super) struct Notes {
    /// What is looked for: the bodies, which the observer itself does not know.
    pub(super) needles: Needles,
    pub(super) report: ObserverReport,
    /// The first frame there was.
    pub(super) first_frame: Option<Bytes>,
    /// The version of the KEK in each frame, by the id of its message.
    kek_versions: HashMap<String, String>,
    /// Who reads that version, where a key service wraps.
    reader: Option<Arc<dyn KeyManagementService>>,
}

/// What the observer saw.
#[derive(Debug, Default, Serialize)]
pub(super) struct ObserverReport {
    /// Whether the broker lets messages be looked at, or they were received and put back.
    pub(super) peeks: bool,
    pub(super) messages_seen: usize,
    pub(super) bytes_seen: usize,
    /// Messages that were no sealed ones.
    pub(super) unsealed: usize,
    pub(super) search: Search,
    pub(super) cleartext: Cleartext,
    pub(super) samples: Vec<Sample>,
}

/// The search for pieces of bodies in what the broker stores.
#[derive(Debug, Default, Serialize)]
pub(super) struct Search {
    pub(super) window_bytes: usize,
    /// Different pieces looked for.
    pub(super) windows: usize,
    /// Frames with such a piece.
    pub(super) frames_with_a_window: usize,
    /// Of these bodies the same search …
    pub(super) control_bodies: usize,
    /// … finds so many, as it must.
    pub(super) control_bodies_found: usize,
}

/// What the broker sees by design, for routing.
#[derive(Debug, Default, Serialize)]
pub(super) struct Cleartext {
    pub(super) message_types: BTreeSet<String>,
    pub(super) content_types: BTreeSet<String>,
    pub(super) reply_to: BTreeSet<String>,
    pub(super) attributes: BTreeSet<String>,
    pub(super) key_ids: BTreeSet<String>,
}

/// One message as the observer sees it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    pub(super) queue: String,
    pub(super) message_id: String,
    pub(super) message_type: String,
    /// The key that the frame names; none if it is no frame.
    pub(super) key_id: Option<String>,
    pub(super) frame_bytes: usize,
    pub(super) first_bytes: String,
}

impl Observer {
    /// An observer of the stage's broker, and the bodies that must not be seen.
    pub(super) fn new(stage: &Stage<'_>, bodies: &[Body]) -> Self {
        let mut notes = Notes::about(bodies);
        notes.report.peeks = stage.outsider.can_peek();
        notes.reader = stage.keys.reader();
        Self { outsider: Arc::clone(&stage.outsider), known: HashMap::new(), notes }
    }

    /// Takes a look at a queue that something was just put on.
    pub(super) async fn look(&mut self, queue: &str) -> Result<(), CliError> {
        let known = self.known.entry(queue.to_owned()).or_default();
        for stored in self.outsider.look(queue, known).await.map_err(broken)? {
            if known.insert(stored.broker_id) {
                self.notes.note(queue, &stored.message);
            }
        }
        Ok(())
    }
}

impl Notes {
    /// Empty ones, about bodies that must not be seen.
    pub(super) fn about(bodies: &[Body]) -> Self {
        let mut needles = Needles::default();
        for body in bodies {
            needles.add(&body.text);
        }
        let long = || bodies.iter().filter(|body| body.text.len() >= WINDOW_BYTES);
        let search = Search {
            window_bytes: WINDOW_BYTES,
            control_bodies: long().count(),
            control_bodies_found: long().filter(|b| needles.count_in(&b.text) > 0).count(),
            ..Search::default()
        };
        let report = ObserverReport { search, ..ObserverReport::default() };
        let (first_frame, kek_versions, reader) = (None, HashMap::new(), None);
        Self { needles, report, first_frame, kek_versions, reader }
    }

    /// The version of the KEK that the frame of this message named; none where keys have names.
    pub(super) fn take_kek_version(&mut self, message_id: &str) -> Option<String> {
        self.kek_versions.remove(message_id)
    }

    fn note_key(&mut self, message: &Message, frame: &Frame<'_>) {
        self.first_frame.get_or_insert_with(|| message.body.clone());
        if let (Some(reader), KeyReference::Wrapped(deks)) = (&self.reader, frame.key_reference())
            && let Some(version) = deks.iter().next().and_then(|dek| reader.version_of(dek.wrapped))
        {
            self.kek_versions.insert(message.id.clone(), kek_version(version));
        }
    }

    /// Notes a message, and what there is to see of it.
    pub(super) fn note(&mut self, queue: &str, message: &Message) -> Sample {
        let mut sample = Sample::of(queue, message);
        let frame = Frame::parse(&message.body);
        if let Ok(frame) = &frame {
            self.note_key(message, frame);
        }
        let report = &mut self.report;
        let found = match frame {
            Ok(frame) => {
                let key_id = frame.key_reference().label().to_owned();
                keep(&mut report.cleartext.key_ids, Some(&key_id));
                sample.key_id = Some(key_id);
                // All but the key reference: that is in the clear, and a body may well name a key.
                let head = &message.body[..KEY_REFERENCE_OFFSET];
                let rest = &message.body[frame.header_len() - COMMITMENT_BYTES..];
                self.needles.count_in(head) + self.needles.count_in(rest)
            }
            Err(_) => {
                report.unsealed += 1;
                self.needles.count_in(&message.body)
            }
        };
        report.messages_seen += 1;
        report.bytes_seen += message.body.len();
        report.search.windows = self.needles.len();
        report.search.frames_with_a_window += usize::from(found > 0);
        let cleartext = &mut report.cleartext;
        keep(&mut cleartext.message_types, message.message_type.as_ref());
        keep(&mut cleartext.content_types, message.content_type.as_ref());
        keep(&mut cleartext.reply_to, message.reply_to.as_ref());
        for (name, value) in &message.attributes {
            keep(&mut cleartext.attributes, Some(&format!("{name}={value}")));
        }
        if report.samples.len() < SAMPLES {
            report.samples.push(sample.clone());
        }
        sample
    }
}

impl Sample {
    fn of(queue: &str, message: &Message) -> Self {
        Self {
            queue: queue.to_owned(),
            message_id: message.id.clone(),
            message_type: message.message_type.clone().unwrap_or_default(),
            key_id: None,
            frame_bytes: message.body.len(),
            first_bytes: hex(&message.body[..message.body.len().min(SHOWN_BYTES)]),
        }
    }
}

fn keep(values: &mut BTreeSet<String>, value: Option<&String>) {
    if values.len() < MAX_VALUES {
        values.extend(value.cloned());
    }
}
