//! The report of a check as text, 80 columns wide.

use std::fmt::Write as _;

use super::report::{Check, Report, Section};
use crate::output::Style;

const WIDTH: usize = 80;
/// Where the second column begins.
const COLUMN: usize = 28;

/// The report as text.
pub(super) fn render(report: &Report, style: Style) -> String {
    let mut text = format!("{}\n", style.heading(&report.file));
    for section in &report.sections {
        render_section(section, style, &mut text);
    }
    let _ = writeln!(text);
    if !report.online {
        let _ = writeln!(text, "{} valid; no server was asked", style.good("✓"));
    }
    for check in &report.checks {
        render_check(check, style, &mut text);
    }
    text
}

fn render_section(section: &Section, style: Style, text: &mut String) {
    if section.settings.is_empty() && section.defaults.is_empty() && section.kind.is_none() {
        return;
    }
    let name = if section.path.is_empty() { "top" } else { &section.path };
    let kind = section.kind.map(|kind| format!("  {kind}")).unwrap_or_default();
    let _ = writeln!(text, "\n{}{kind}", style.heading(name));
    for setting in &section.settings {
        let value = match (&setting.value, setting.origin.as_str()) {
            (Some(value), "file") => printable(value),
            (Some(value), origin) => format!("{value}, {}", printable(origin)),
            (None, origin) => printable(origin),
        };
        columns(&setting.key, &value, text);
    }
    for default in &section.defaults {
        columns(&default.key, &format!("not given: {}", default.about), text);
    }
}

fn render_check(check: &Check, style: Style, text: &mut String) {
    let mark = if check.ok { style.good("✓") } else { style.bad("✗") };
    let elapsed = check.elapsed_ms.map(|ms| format!("  {ms} ms")).unwrap_or_default();
    let _ = writeln!(text, "{mark} {}{}", printable(&check.what), style.dim(&elapsed));
    for line in wrap(&printable(check.reason.as_deref().unwrap_or_default()), WIDTH - 4) {
        let _ = writeln!(text, "    {line}");
    }
}

/// A key, and its value beside it on as many lines as it needs.
fn columns(key: &str, value: &str, text: &mut String) {
    let mut lines = wrap(value, WIDTH - COLUMN - 2).into_iter();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(text, "  {key:<width$} {first}", width = COLUMN - 1);
    for line in lines {
        let _ = writeln!(text, "  {:<COLUMN$}{line}", "");
    }
}

/// Lines of at most this width, broken between words; a longer word is broken inside.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        let room = |line: &str| width.saturating_sub(line.chars().count() + 1);
        if !line.is_empty() && word.len() > room(&line) {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Without what a terminal would act on. Letters beyond ASCII are fine, as in names of queues.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || is_mark(c) { c } else { '?' }).collect()
}

fn is_mark(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || c == '…'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_they_may_be_and_lose_nothing() {
        let text = "one two three ".repeat(20) + &"x".repeat(200);
        for width in [10, 52, 76] {
            let lines = wrap(&text, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
            let kept: String = lines.concat().split(' ').collect();
            assert_eq!(kept, text.split(' ').collect::<String>());
        }
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(printable("a\x1b[31mé\u{202e}"), "a?[31mé?");
    }
}
