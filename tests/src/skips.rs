//! The list of skips that are allowed: a case may only be left out with a reason on record.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// One line of the list: this backend skips this case for this reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the backend.
    pub backend: String,
    /// Name of the case, `group::name`.
    pub case: String,
    /// Why it cannot be tested there.
    pub reason: String,
}

/// Reads a list: `backend case reason…` a line; empty lines and lines that begin with `#` say nothing.
///
/// # Errors
/// The first line that is not of this form.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut words = line.splitn(3, char::is_whitespace);
            match (words.next(), words.next(), words.next().map(str::trim)) {
                (Some(backend), Some(case), Some(reason)) if !reason.is_empty() => {
                    Ok(Entry { backend: backend.into(), case: case.into(), reason: reason.into() })
                }
                _ => Err(format!("not `backend case reason`: {line}")),
            }
        })
        .collect()
}

/// The skips one backend is allowed, and which of them were needed.
#[derive(Debug, Default)]
pub struct AllowedSkips {
    cases: BTreeSet<String>,
    ran_anyway: Mutex<BTreeSet<String>>,
}

impl AllowedSkips {
    /// The entries for this backend.
    pub fn of(backend: &str, entries: &[Entry]) -> Self {
        let mine = entries.iter().filter(|entry| entry.backend == backend);
        Self { cases: mine.map(|entry| entry.case.clone()).collect(), ran_anyway: Mutex::default() }
    }

    /// Whether this case may be skipped.
    pub fn allow(&self, case: &str) -> bool {
        self.cases.contains(case)
    }

    /// Takes note that this case was not skipped.
    pub fn note_run(&self, case: &str) {
        if self.allow(case) {
            self.ran_anyway.lock().unwrap().insert(case.to_owned());
        }
    }

    /// Entries that are stale: their case ran, or there is no case of that name.
    pub fn stale(&self, known: &BTreeSet<String>) -> Vec<String> {
        let ran = self.ran_anyway.lock().unwrap();
        let stale = |case: &&String| ran.contains(*case) || !known.contains(*case);
        self.cases.iter().filter(stale).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let list = parse("# why\n\nmemory lock::case no such thing\n").unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].reason, "no such thing");
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert!(parse("memory lock::case").is_err());
        assert!(parse("memory lock::case  ").is_err());
    }

    #[test]
    fn every_entry_is_for_a_test_program_that_exists() {
        let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for entry in parse(include_str!("../allowed-skips.txt")).unwrap() {
            let name = entry.backend.replace('-', "_");
            let programs = [format!("tests/{name}.rs"), format!("tests/keys_{name}.rs")];
            let exists = programs.iter().any(|program| package.join(program).exists());
            assert!(exists, "{entry:?}: there is neither of {programs:?}");
        }
    }

    #[test]
    fn entries_whose_case_ran_or_is_unknown_are_stale() {
        let list = parse("memory a::used r\nmemory a::ran r\nmemory a::gone r\nnats a::ran r");
        let skips = AllowedSkips::of("memory", &list.unwrap());
        skips.note_run("a::ran");
        let known = ["a::used", "a::ran"].map(String::from).into();
        assert_eq!(skips.stale(&known), ["a::gone", "a::ran"]);
    }
}
