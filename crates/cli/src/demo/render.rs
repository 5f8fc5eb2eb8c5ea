//! The report as text for people, within 80 columns.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::observer::MAX_VALUES;
use super::report::{KeysReport, Report};
use super::trial::AttackReport;
use crate::output::{Style, printable, thousands};

/// The report from the top to the verdict.
pub(super) fn render(report: &Report, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.introduction(report);
    page.roles(report);
    page.one_message(report);
    page.cleartext(report);
    page.rotation(report);
    page.attacks(report);
    page.verdict(report);
    page.text
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }

    fn heading(&mut self, text: &str) {
        let text = self.style.heading(text);
        self.line(&format!("\n{text}"));
    }

    fn introduction(&mut self, report: &Report) {
        let input = &report.input;
        let (messages, bytes) = (thousands(input.messages), thousands(input.bytes));
        let title = self.style.heading("sealmq demo");
        self.line(&format!("{title}: {messages} messages, {bytes} bytes"));
        self.line(&format!("  input      {}", shortened(&input.name, 67)));
        self.line(&format!("  broker     {}", shortened(&report.transport.broker, 67)));
        let fate = match report.transport.makes_queues {
            true => "made for this run, removed after it",
            false => "there before, and stay",
        };
        self.line(&format!("  queues     {fate}"));
        for queue in &report.transport.queues {
            self.line(&format!("             {queue}"));
        }
        self.keys(&report.keys);
        if let Some(defence) = report.weakened {
            let note = format!("The responder was weakened on purpose: {defence:?}");
            self.line(&self.style.bad(&note));
        }
    }

    fn keys(&mut self, keys: &KeysReport) {
        self.line(&format!("  keys       {}", shortened(&keys.source, 67)));
        let fate = match keys.shredded {
            None => return,
            Some(true) => "made for this run, shredded after it",
            Some(false) => "made for this run, and STAY: this client may not shred",
        };
        self.line(&format!("  tenants    {fate}"));
        for tenant in &keys.tenants {
            self.line(&format!("             {}", shortened(tenant, 67)));
        }
        if let Some(remains) = keys.remains {
            self.line(&format!("             of each there is left: {}", shortened(remains, 44)));
        }
    }

    fn roles(&mut self, report: &Report) {
        self.heading("Three roles on one broker");
        let (initiator, responder) = (&report.roles.initiator, &report.roles.responder);
        let [sent, opened, matched] =
            [initiator.sent, initiator.answers_opened, initiator.answers_matched].map(thousands);
        self.line(&format!(
            "  initiator  {sent} requests sent, {opened} answers opened, {matched} matched"
        ));
        let [opened, identical, answered] =
            [responder.opened, responder.identical, responder.answers_sent].map(thousands);
        self.line(&format!(
            "  responder  {opened} requests opened, {identical} identical, {answered} answers sent"
        ));
        let observer = &report.roles.observer;
        let [seen, bytes] = [observer.messages_seen, observer.bytes_seen].map(thousands);
        self.line(match observer.peeks {
            true => "  observer   looks at all that the broker stores, and has no key:",
            false => "  observer   receives all, puts it back (no peek here), and has no key:",
        });
        self.line(&format!("             {seen} messages seen, {bytes} bytes"));
        let search = &observer.search;
        let [found, windows] = [search.frames_with_a_window, search.windows].map(thousands);
        self.line(&format!(
            "             {found} of them hold any of {windows} 8-byte pieces of the bodies"
        ));
        let [found, bodies] = [search.control_bodies_found, search.control_bodies].map(thousands);
        let control = format!(
            "             control: the same search finds {found} of {bodies} bodies in the clear"
        );
        self.line(&self.style.dim(&control));
    }

    fn one_message(&mut self, report: &Report) {
        let roles = &report.roles;
        let Some(sample) = roles.observer.samples.first() else { return };
        self.heading("The first request, as each of them sees it");
        let kind = shortened(&sample.message_type, 12);
        let views = [
            (
                "initiator",
                roles.initiator.first_sent.as_ref().map(|sent| (sent.bytes, &sent.begins)),
            ),
            ("observer", Some((sample.frame_bytes, &sample.first_bytes))),
            (
                "responder",
                roles.responder.first_opened.as_ref().map(|got| (got.bytes, &got.begins)),
            ),
        ];
        for (who, view) in views {
            let Some((bytes, begins)) = view else { continue };
            self.line(&format!("  {who:<10} {kind:<12} {:>7} B  {begins}…", thousands(bytes)));
        }
    }

    fn cleartext(&mut self, report: &Report) {
        let clear = &report.roles.observer.cleartext;
        self.heading("In the clear by design, and bound: an edit is refused");
        self.line("  message id, correlation id, session id, time of sealing");
        self.values("type", &clear.message_types);
        self.values("content type", &clear.content_types);
        self.values("reply to", &clear.reply_to);
        self.values("attributes", &clear.attributes);
        self.values("key", &clear.key_ids);
        self.line("  visible without being written anywhere: how long each body is");
    }

    fn values(&mut self, name: &str, values: &BTreeSet<String>) {
        const WIDTH: usize = 45;
        let mut list = String::new();
        for (index, value) in values.iter().enumerate() {
            let value = shortened(value, WIDTH);
            if index > 0 && list.len() + value.len() + 2 > WIDTH {
                let at_least = if values.len() == MAX_VALUES { "at least " } else { "" };
                let _ = write!(list, ", {at_least}{} more", values.len() - index);
                break;
            }
            list.push_str(if index > 0 { ", " } else { "" });
            list.push_str(&value);
        }
        self.line(&format!("  {name:<12}  {list}"));
    }

    fn rotation(&mut self, report: &Report) {
        let rotation = &report.rotation;
        self.heading("A key rotation in the middle, without a pause");
        let (from, to) = (&rotation.from, &rotation.to);
        let (requests, answers) =
            (&report.roles.responder.requests_by_key, &report.roles.initiator.answers_by_key);
        for key in [from, to] {
            let [requests, answers] =
                [requests, answers].map(|by_key| thousands(by_key.get(key).copied().unwrap_or(0)));
            self.line(&format!("  {key:<14} {requests:>9} requests {answers:>9} answers"));
        }
        let [in_flight, failures] = [rotation.in_flight, rotation.failures].map(thousands);
        self.line(&format!(
            "  {in_flight} requests under {from} were in the queue when it rotated; \
             {failures} failures"
        ));
        self.calls(&report.keys);
    }

    fn calls(&mut self, keys: &KeysReport) {
        if keys.tenants.is_empty() {
            return;
        }
        let [calls, messages] = [keys.total_calls, keys.messages].map(thousands);
        self.line(&format!("  {calls} calls to the key service for {messages} messages:"));
        let calls = keys.calls.iter().map(|(name, count)| format!("{} {name}", thousands(*count)));
        let calls = calls.collect::<Vec<_>>().join(", ");
        self.line(&format!("  {}", shortened(&calls, 78)));
    }

    fn attacks(&mut self, report: &Report) {
        self.heading("Attacks, with full write access to the broker");
        if report.attacks.is_empty() {
            self.line("  not carried out, because good messages were lost");
            return;
        }
        let head = format!("    {:<36} {:<22} {}", "attack", "refused as", "afterwards");
        self.line(&self.style.dim(&head));
        for attack in &report.attacks {
            let mark = match (attack.refused, &attack.impossible) {
                (true, _) => self.style.good("✓"),
                (false, None) => self.style.bad("✗"),
                (false, Some(_)) => self.style.dim("-"),
            };
            self.line(&format!("  {mark} {:<36} {}", attack.name, became_of(attack)));
        }
        self.line("  in DLQ: not handed out, and in the dead-letter queue for that reason;");
        self.line("  intact: there byte for byte as the attacker had left it");
    }

    fn verdict(&mut self, report: &Report) {
        let [refused, possible, attacks] =
            [report.refused(), report.possible(), report.attacks.len()].map(thousands);
        let twins = thousands(report.twins_open());
        let mark = |good| if good { self.style.good("✓") } else { self.style.bad("✗") };
        let lines = [
            format!("\n{} {refused} of {possible} attacks refused", mark(refused == possible)),
            format!(
                "{} control: the untouched twin of each attacked message opens: {twins} of {attacks}",
                mark(twins == attacks)
            ),
        ];
        lines.iter().for_each(|line| self.line(line));
        let impossible = report.attacks.len() - report.possible();
        if impossible > 0 {
            self.line(&format!("- {impossible} more cannot be carried out on this transport"));
        }
        for problem in &report.problems {
            let line = format!("{} {problem}", self.style.bad("✗"));
            self.line(&line);
        }
        let seconds = report.elapsed_ms as f64 / 1_000.0;
        match report.ok {
            true => self.line(&format!("All as it must be, in {seconds:.2} s.")),
            false => self.line(&format!("NOT as it must be, after {seconds:.2} s.")),
        }
    }
}

fn became_of(attack: &AttackReport) -> String {
    let AttackReport { code, dead_letter_reason, .. } = attack;
    if let Some(reason) = &attack.impossible {
        return format!("not possible: {}", shortened(reason, 25));
    }
    if attack.handed_out {
        return "HANDED OUT as a good message".to_owned();
    }
    let code = code.unwrap_or("not refused");
    let afterwards = match (dead_letter_reason, attack.intact) {
        (None, _) => "not in DLQ",
        (Some(_), false) => "in DLQ, CHANGED",
        (Some(_), true) => "in DLQ, intact",
    };
    format!("{code:<22} {afterwards}")
}

/// The first characters of a text that somebody else chose.
fn shortened(text: &str, max: usize) -> String {
    printable(text).chars().take(max).collect()
}
