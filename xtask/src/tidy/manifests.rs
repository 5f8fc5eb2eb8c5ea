//! Every crate of ours inherits version, edition, licence and lints from the workspace.

use super::Finding;
use super::tree::Tree;

const RULE: &str = "manifests";
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// Checks every `Cargo.toml` but the root's.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests =
        tree.texts().filter(|(path, text)| path.ends_with("/Cargo.toml") && is_package(text));
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn is_package(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[package]")
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in INHERITED {
        let line = format!("{field}.workspace = true");
        if !section(text, "[package]").any(|found| found == line) {
            let message = format!("[package] must say `{line}`");
            findings.push(Finding::new(path, RULE, message));
        }
    }
    if !section(text, "[lints]").any(|line| line == "workspace = true") {
        let message = "[lints] must say `workspace = true`";
        findings.push(Finding::new(path, RULE, message));
    }
    if !section(text, "[package]").any(is_description) {
        let message = "[package] needs a description that says what the crate is for";
        findings.push(Finding::new(path, RULE, message));
    }
    findings
}

/// A description that was written, and not only put in place.
fn is_description(line: &str) -> bool {
    line.strip_prefix("description = \"")
        .is_some_and(|text| text.trim_end_matches('"').contains(' '))
}

/// The lines of one section.
fn section<'a>(text: &'a str, header: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim).skip_while(move |line| *line != header);
    lines.skip(1).take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\ndescription = \"Does one thing\"\n\
        version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_that_inherits_everything_is_fine() {
        assert!(findings(check, &[("crates/a/Cargo.toml", GOOD)]).is_empty());
    }

    #[test]
    fn each_field_of_its_own_is_refused() {
        for field in INHERITED {
            let inherited = format!("\n{field}.workspace = true");
            let own = GOOD.replace(&inherited, &format!("\n{field} = \"1\""));
            let found = findings(check, &[("crates/a/Cargo.toml", &own)]);
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert!(found[0].starts_with("crates/a/Cargo.toml: ") && found[0].contains(field));
        }
    }

    #[test]
    fn lints_of_its_own_are_refused() {
        let own =
            GOOD.replace("[lints]\nworkspace = true", "[lints.rust]\nmissing_docs = \"allow\"");
        assert_eq!(findings(check, &[("crates/a/Cargo.toml", &own)]).len(), 1);
    }

    #[test]
    fn a_placeholder_is_no_description() {
        let own = GOOD.replace("Does one thing", "placeholder");
        assert_eq!(findings(check, &[("crates/a/Cargo.toml", &own)]).len(), 1);
    }
}
