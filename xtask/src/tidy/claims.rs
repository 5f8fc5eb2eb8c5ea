//! Every claim of the threat model names a test that exists.

use super::Finding;
use super::tree::Tree;

const RULE: &str = "claims";
const DOCUMENT: &str = "docs/threat-model.md";
/// The column of the tables that make claims.
const COLUMN: &str = "Test";

/// Checks the threat model, once there is one.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(DOCUMENT) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut column = None;
    let mut claims = 0;
    for (index, line) in text.lines().enumerate() {
        let cells = cells(line);
        if cells.is_empty() {
            column = None;
        } else if column.is_none() {
            column = cells.iter().position(|cell| *cell == COLUMN).or(Some(usize::MAX));
        } else if let Some(at) = column.filter(|at| *at != usize::MAX && !is_rule(&cells)) {
            claims += 1;
            let cell = cells.get(at).copied().unwrap_or_default();
            let place = format!("{DOCUMENT}:{}", index + 1);
            findings.extend(
                check_cell(tree, cell).into_iter().map(|m| Finding::new(place.clone(), RULE, m)),
            );
        }
    }
    if claims == 0 {
        let message = format!("makes no claim: no table has a column `{COLUMN}`");
        findings.push(Finding::new(DOCUMENT, RULE, message));
    }
    findings
}

/// The cells of a table's row; none when the line is no row.
fn cells(line: &str) -> Vec<&str> {
    match line.trim().strip_prefix('|') {
        Some(row) => row.trim_end_matches('|').split('|').map(str::trim).collect(),
        None => Vec::new(),
    }
}

fn is_rule(cells: &[&str]) -> bool {
    cells.iter().all(|cell| cell.chars().all(|c| "-: ".contains(c)))
}

fn check_cell(tree: &Tree, cell: &str) -> Vec<String> {
    let tests: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
    if tests.is_empty() {
        return vec!["a claim without a test: name it as `path::test_name`".into()];
    }
    tests.into_iter().filter_map(|test| missing(tree, test)).collect()
}

fn missing(tree: &Tree, test: &str) -> Option<String> {
    let Some((path, name)) = test.split_once("::") else {
        return Some(format!("`{test}` is not of the form `path::test_name`"));
    };
    let name = name.rsplit("::").next().unwrap_or(name);
    match tree.text(path) {
        None => Some(format!("`{test}`: there is no {path}")),
        Some(text) if !has_word(text, name) => Some(format!("`{test}`: {path} has no `{name}`")),
        Some(_) => None,
    }
}

/// Whether the name stands in the text as a whole word.
fn has_word(text: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            !text[..at].ends_with(part_of_name)
                && !text[at + name.len()..].starts_with(part_of_name)
        })
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    const TESTS: (&str, &str) = ("crates/a/src/tests.rs", "fn tampering_is_refused() {}\n");

    fn threat_model(test: &str) -> String {
        format!(
            "| Term | Meaning |\n| --- | --- |\n| KEK | a key |\n\n| Claim | Test |\n| --- | --- |\n| x | {test} |\n"
        )
    }

    fn check_test(test: &str) -> Vec<String> {
        findings(check, &[(DOCUMENT, &threat_model(test)), TESTS])
    }

    #[test]
    fn a_claim_with_an_existing_test_is_fine() {
        for test in [
            "`crates/a/src/tests.rs::tampering_is_refused`",
            "`crates/a/src/tests.rs::tests::tampering_is_refused`, and again \
             `crates/a/src/tests.rs::tampering_is_refused`",
        ] {
            assert_eq!(check_test(test), [""; 0], "{test}");
        }
    }

    #[test]
    fn a_claim_without_an_existing_test_is_refused_with_its_line() {
        for test in [
            "",
            "planned",
            "`tampering_is_refused`",
            "`crates/a/src/none.rs::tampering_is_refused`",
            "`crates/a/src/tests.rs::tampering`",
            "`crates/a/src/tests.rs::`",
        ] {
            let found = check_test(test);
            assert_eq!(found.len(), 1, "{test}: {found:?}");
            assert!(found[0].starts_with("docs/threat-model.md:7: "), "{found:?}");
        }
    }

    #[test]
    fn a_threat_model_without_claims_is_refused() {
        assert_eq!(findings(check, &[(DOCUMENT, "# Threats\n")]).len(), 1);
    }

    #[test]
    fn no_threat_model_makes_no_claim() {
        assert_eq!(findings(check, &[]), [""; 0]);
    }
}
