//! Everything that the demo found, and whether all of it is as it must be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Defence;
use super::attacks::ATTACKS;
use super::input::Input;
use super::keys::{Fate, Keys};
use super::observer::ObserverReport;
use super::roles::{InitiatorReport, ResponderReport, RotationReport, Traffic};
use super::trial::{AttackReport, Outcome};

/// The one JSON object of `sealmq demo --json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    /// What is not as it must be, in words.
    pub(super) problems: Vec<String>,
    /// The defence that was taken from the responder, on purpose.
    pub(super) weakened: Option<Defence>,
    pub(super) transport: TransportReport,
    pub(super) keys: KeysReport,
    pub(super) input: InputReport,
    pub(super) roles: Roles,
    pub(super) rotation: RotationReport,
    pub(super) attacks: Vec<AttackReport>,
    /// Queues in which messages stand at the end.
    pub(super) not_empty: Vec<String>,
    pub(super) elapsed_ms: u64,
}

/// Where all of it happened, and against whom.
pub(super) struct Place {
    /// The defence that was taken from the responder, on purpose.
    pub(super) weakened: Option<Defence>,
    pub(super) transport: TransportReport,
}

/// The broker and its queues.
#[derive(Debug, Serialize)]
pub(super) struct TransportReport {
    pub(super) name: &'static str,
    pub(super) broker: String,
    pub(super) queues: Vec<String>,
    /// Whether the demo made the queues, and removes them.
    pub(super) makes_queues: bool,
}

/// Where the keys come from, and how often a key service was asked.
#[derive(Debug, Serialize)]
pub(super) struct KeysReport {
    pub(super) name: &'static str,
    pub(super) source: String,
    /// Whose KEKs were made for this run; nobody's where keys have names.
    pub(super) tenants: Vec<String>,
    /// The calls of initiator and responder while they exchanged messages, by operation; the
    /// rotation is none of theirs.
    pub(super) calls: BTreeMap<&'static str, usize>,
    /// All of these calls …
    pub(super) total_calls: usize,
    /// … for so many messages, answers included.
    pub(super) messages: usize,
    /// Whether the tenants were shredded at the end, and are refused since; nothing without any.
    pub(super) shredded: Option<bool>,
    /// What is left of each of them.
    pub(super) remains: Option<&'static str>,
}

impl KeysReport {
    /// What is known before the end.
    pub(super) fn new(keys: &Keys, messages: usize) -> Self {
        let (calls, tenants) = (keys.calls(), keys.tenants());
        let (name, source, tenants) = match keys.source() {
            None => ("memory", "named keys in memory, end with this program".to_owned(), vec![]),
            Some(source) => (source.kind(), source.describe(), vec![tenants.acme, tenants.globex]),
        };
        let total_calls = calls.values().sum();
        let (shredded, remains) = (None, None);
        Self { name, source, tenants, calls, total_calls, messages, shredded, remains }
    }

    /// What became of the tenants.
    pub(super) fn end(&mut self, keys: &Keys, fate: Option<Fate>) {
        self.shredded = fate.map(|fate| fate == Fate::Shredded);
        self.remains = keys.source().filter(|_| self.shredded == Some(true)).map(|s| s.remains());
    }
}

#[derive(Debug, Serialize)]
pub(super) struct InputReport {
    pub(super) name: String,
    pub(super) lines: usize,
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Roles {
    pub(super) initiator: InitiatorReport,
    pub(super) responder: ResponderReport,
    pub(super) observer: ObserverReport,
}

impl Report {
    pub(super) fn new(
        input: &Input,
        count: usize,
        place: Place,
        keys: KeysReport,
        traffic: Traffic,
        outcome: Outcome,
        elapsed: Duration,
    ) -> Self {
        let Outcome { attacks, not_empty } = outcome;
        let Place { weakened, transport } = place;
        let Traffic { initiator, responder, observer, rotation, .. } = traffic;
        let bytes = (0..count).map(|index| input.body(index).text.len()).sum();
        let (name, lines) = (input.name.clone(), input.bodies.len());
        let mut report = Self {
            ok: false,
            problems: Vec::new(),
            weakened,
            transport,
            keys,
            input: InputReport { name, lines, messages: count, bytes },
            roles: Roles { initiator, responder, observer },
            rotation,
            attacks,
            not_empty,
            elapsed_ms: elapsed.as_millis() as u64,
        };
        report.problems = report.find_problems();
        report.ok = report.problems.is_empty();
        report
    }

    /// Attacks that were refused, with the right code and the message kept.
    pub(super) fn refused(&self) -> usize {
        self.attacks.iter().filter(|attack| attack.refused).count()
    }

    /// Attacks that somebody can carry out on this transport.
    pub(super) fn possible(&self) -> usize {
        self.attacks.iter().filter(|attack| attack.impossible.is_none()).count()
    }

    /// Attacks whose message opens when it is left as it was.
    pub(super) fn twins_open(&self) -> usize {
        self.attacks.iter().filter(|attack| attack.twin_opens).count()
    }

    /// The problems in one line.
    pub(super) fn verdict(&self) -> String {
        format!("the demo failed: {}", self.problems.join("; "))
    }

    fn find_problems(&self) -> Vec<String> {
        let Roles { initiator, responder, observer } = &self.roles;
        let count = self.input.messages;
        let mut problems: Vec<String> =
            initiator.failures.iter().chain(&responder.failures).cloned().collect();
        let mut expect = |what: &str, found: usize, expected: usize| {
            if found != expected {
                problems.push(format!("{what}: {found} instead of {expected}"));
            }
        };
        expect("requests sent", initiator.sent, count);
        expect("requests opened as they were sent", responder.identical, count);
        expect("answers opened and matched", initiator.answers_matched, count);
        expect("messages seen by the observer", observer.messages_seen, 2 * count);
        expect("messages that were not sealed", observer.unsealed, 0);
        let search = &observer.search;
        expect("messages with a piece of a body", search.frames_with_a_window, 0);
        expect("bodies found by the control", search.control_bodies_found, search.control_bodies);
        let before = self.rotation.after_requests;
        let under = |key: &str| responder.requests_by_key.get(key).copied().unwrap_or_default();
        expect("requests under the key before the rotation", under(&self.rotation.from), before);
        expect("requests under the key after it", under(&self.rotation.to), count - before);
        expect("attacks tried", self.attacks.len(), ATTACKS.len());
        for source in &self.not_empty {
            problems.push(format!("messages were left over in {source}"));
        }
        for attack in &self.attacks {
            if attack.handed_out {
                problems.push(format!("an attack got through: {}", attack.name));
            } else if !attack.refused && attack.impossible.is_none() {
                problems.push(format!("an attack was not refused as it must be: {}", attack.name));
            }
            if !attack.twin_opens {
                problems.push(format!("an untouched message did not open: {}", attack.name));
            }
        }
        if self.possible() == 0 && !self.attacks.is_empty() {
            problems.push("no attack could be carried out".to_owned());
        }
        problems
    }
}
