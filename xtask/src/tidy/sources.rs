//! The head and the length of source files: each states its one job and is short enough for it.

use super::Finding;
use super::tree::Tree;

/// Lines of code from which a file wants to be two.
const LONGEST: usize = 400;

/// Files that are longer for a reason: the path, and the reason.
const LONG_FOR_A_REASON: &[(&str, &str)] = &[];

/// Checks every Rust and Python file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = stale(tree, LONG_FOR_A_REASON);
    for (path, text) in tree.texts() {
        let (head, comment) = match path.rsplit_once('.') {
            Some((_, "rs")) => (rust_head(text), "//"),
            Some((_, "py")) => (python_head(text), "#"),
            _ => continue,
        };
        findings.extend(head.map(|message| Finding::new(path, "file-head", message)));
        let lines = lines_of_code(text, comment);
        if lines > LONGEST && LONG_FOR_A_REASON.iter().all(|(long, _)| *long != path) {
            let message = format!("{lines} lines of code, more than {LONGEST}: split it by jobs");
            findings.push(Finding::new(path, "file-length", message));
        }
    }
    findings
}

fn rust_head(text: &str) -> Option<&'static str> {
    let first = text.lines().next().unwrap_or_default();
    let stated = first.strip_prefix("//!").is_some_and(|job| !job.trim().is_empty());
    (!stated).then_some("the first line must be `//!` with the file's one job")
}

fn python_head(text: &str) -> Option<&'static str> {
    let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
    let stated = first.strip_prefix("\"\"\"").is_some_and(|job| !job.trim().is_empty());
    (!stated).then_some("the file must begin with a docstring that states its one job")
}

fn lines_of_code(text: &str, comment: &str) -> usize {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with(comment)).count()
}

/// Entries of the table whose file is gone, or short by now.
fn stale(tree: &Tree, table: &[(&str, &str)]) -> Vec<Finding> {
    let needed =
        |path: &str| tree.text(path).is_some_and(|text| lines_of_code(text, "//") > LONGEST);
    let entries = table.iter().filter(|(path, _)| !needed(path));
    entries
        .map(|(path, _)| Finding::new(*path, "file-length", "needs no exception any more"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn files_that_state_their_job_are_fine() {
        let files = [
            ("a.rs", "//! One job.\nfn a() {}\n"),
            ("b.py", "#!/usr/bin/env python3\n\"\"\"One job.\"\"\"\n"),
            ("c.md", "no source\n"),
        ];
        assert!(findings(check, &files).is_empty());
    }

    #[test]
    fn files_without_a_job_are_refused() {
        let files = [
            ("a.rs", "fn a() {}\n//! Late.\n"),
            ("b.rs", "//!\n"),
            ("c.rs", ""),
            ("d.py", "import os\n\"\"\"Late.\"\"\"\n"),
            ("e.py", ""),
        ];
        let found = findings(check, &files);
        assert_eq!(found.len(), files.len(), "{found:?}");
        assert!(found[0].starts_with("a.rs: ") && found[0].ends_with("[file-head]"));
    }

    #[test]
    fn the_length_counts_code_only() {
        let code =
            |lines: usize| format!("//! Job.\n{}", "let a = 1; // why\n\n// more\n".repeat(lines));
        assert!(findings(check, &[("a.rs", &code(LONGEST))]).is_empty());
        let found = findings(check, &[("a.rs", &code(LONGEST + 1))]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("401 lines of code"), "{found:?}");
    }

    #[test]
    fn an_exception_that_is_not_needed_any_more_is_refused() {
        let tree = Tree::of(&[("short.rs", "//! Job.\n")]);
        let table = [("short.rs", "a table"), ("gone.rs", "a table")];
        assert_eq!(stale(&tree, &table).len(), 2);
    }
}
