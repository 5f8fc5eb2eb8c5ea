//! Rows as a table of microseconds per message, one column for each kind of body.

use std::fmt::Write;

use super::{Ratios, Row};

/// One table for each operation.
pub(super) fn of_rows(rows: &[Row]) -> String {
    let mut text = String::new();
    for operation in distinct(rows.iter().map(|row| row.operation.as_str())) {
        let rows: Vec<_> = rows.iter().filter(|row| row.operation == operation).collect();
        text.push_str(&of_operation(operation, &rows));
        text.push('\n');
    }
    text
}

fn of_operation(operation: &str, rows: &[&Row]) -> String {
    let bodies = distinct(rows.iter().map(|row| row.body.as_str()));
    let subjects = distinct(rows.iter().map(|row| row.subject.as_str()));
    let title = format!("{operation}, µs per message");
    let width = subjects.iter().map(|subject| subject.len()).max().unwrap_or(0);
    let width = width.max(title.chars().count());
    let mut text = format!("{title:<width$}");
    for body in &bodies {
        let _ = write!(text, " {body:>9}"); // writing to a String cannot fail
    }
    let sealing = rows.iter().any(|row| row.bytes_added.is_some());
    text.push_str(if sealing { "  bytes added  allocations\n" } else { "\n" });
    for subject in subjects {
        let of_subject = || rows.iter().filter(|row| row.subject == subject);
        let _ = write!(text, "{subject:<width$}");
        for body in &bodies {
            let micros = of_subject().find(|row| row.body == *body).map(|row| row.micros);
            let cell = micros.map_or_else(String::new, |micros| format!("{micros:.2}"));
            let _ = write!(text, " {cell:>9}");
        }
        let added = of_subject().filter_map(|row| row.bytes_added).max().unwrap_or(0);
        let allocations = of_subject().filter_map(|row| row.allocations).fold(0.0, f64::max);
        if sealing {
            let _ = write!(text, " {added:>12} {allocations:>12.1}");
        }
        text.push('\n');
    }
    text
}

/// The ratios, one a line.
pub(super) fn of_ratios(ratios: &Ratios) -> String {
    let width = ratios.keys().map(String::len).max().unwrap_or(0);
    let lines = ratios.iter().map(|(name, ratio)| format!("{name:<width$} {ratio:>6.2}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The values in the order of their first appearance.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
