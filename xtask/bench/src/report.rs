//! Subjects, the ratios between them, and both as the JSON that the programs print.

use serde_json::{Map, Value, json};

use crate::bodies::Bodies;
use crate::timing::Times;

/// One that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// What is done to a body.
    pub operation: &'static str,
    /// Who does it.
    pub name: &'static str,
    /// Bytes it adds to a body, where it is about that.
    pub bytes_added: Option<usize>,
    /// Messages of one repetition.
    pub messages: usize,
}

/// A ratio of two subjects with the same bodies, named `{ours}_{bodies}_vs_{theirs}`.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    /// What the name begins with.
    pub ours: &'static str,
    /// What the name ends with.
    pub theirs: &'static str,
    /// Operation and name of the subject whose time is looked at.
    pub of: (&'static str, &'static str),
    /// Operation and name of the subject it is compared with.
    pub to: (&'static str, &'static str),
}

/// What a program reports.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Value>,
    ratios: Map<String, Value>,
}

impl Report {
    /// Adds a row for each subject.
    pub fn add_rows(&mut self, bodies: &Bodies, subjects: &[Subject], times: &[Times]) {
        for (subject, times) in subjects.iter().zip(times) {
            self.rows.push(json!({
                "body": bodies.label,
                "body_bytes": bodies.mean_len(),
                "operation": subject.operation,
                "subject": subject.name,
                "micros": times.median_us() / subject.messages as f64,
                "bytes_added": subject.bytes_added,
            }));
        }
    }

    /// Adds those of the ratios whose two subjects were measured.
    pub fn add_ratios(
        &mut self,
        bodies: &Bodies,
        ratios: &[Ratio],
        subjects: &[Subject],
        times: &[Times],
    ) {
        let find = |(operation, name)| {
            let mut both = subjects.iter().zip(times);
            both.find(|(subject, _)| subject.operation == operation && subject.name == name)
        };
        for ratio in ratios {
            if let (Some(ours), Some(theirs)) = (find(ratio.of), find(ratio.to)) {
                let messages = theirs.0.messages as f64 / ours.0.messages as f64;
                let name = format!("{}_{}_vs_{}", ratio.ours, bodies.key, ratio.theirs);
                self.ratios.insert(name, json!(ours.1.ratio_to(theirs.1) * messages));
            }
        }
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> String {
        json!({ "rows": self.rows, "ratios": self.ratios }).to_string()
    }
}
