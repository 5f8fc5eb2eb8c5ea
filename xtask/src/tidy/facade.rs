//! The facade holds no logic: it only exports what the other crates do.

use super::Finding;
use super::tree::Tree;

const FOLDER: &str = "crates/sealmq/src/";

/// Words that begin something with content of its own.
const OWN_CONTENT: &[&str] =
    &["const", "enum", "fn", "impl", "macro_rules", "static", "struct", "trait", "type", "union"];

/// Checks every file of the facade.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.starts_with(FOLDER)) {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = own_content(line) {
                let place = format!("{path}:{}", number + 1);
                let message = format!("`{word}`: the facade holds `pub use`, `mod` and `cfg` only");
                findings.push(Finding::new(place, "facade", message));
            }
        }
    }
    findings
}

fn own_content(line: &str) -> Option<&str> {
    let code = line.split("//").next().unwrap_or_default();
    // Attributes hold strings and paths, never an item of their own on the same line here.
    if code.trim_start().starts_with('#') {
        return None;
    }
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().find(|word| OWN_CONTENT.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn exports_are_fine() {
        let text = "//! The facade: one type and no logic.\n#![doc = include_str!(\"a fn.md\")]\n\
            #[cfg(feature = \"nats\")]\npub use sealmq_transport_nats as nats;\n\
            /// What the fn does.\npub mod keys {\n    pub use a::{self, b};\n}\n";
        assert!(findings(check, &[("crates/sealmq/src/lib.rs", text)]).is_empty());
    }

    #[test]
    fn logic_is_refused_with_its_line() {
        for item in
            ["pub fn a() {}", "struct A;", "impl A {}", "pub const A: u8 = 1;", "type A = B;"]
        {
            let text = format!("//! Job.\n{item}\n");
            let found = findings(check, &[("crates/sealmq/src/lib.rs", &text)]);
            assert_eq!(found.len(), 1, "{item}");
            assert!(found[0].starts_with("crates/sealmq/src/lib.rs:2: "), "{found:?}");
        }
    }

    #[test]
    fn other_crates_may_hold_logic() {
        assert!(findings(check, &[("crates/client/src/lib.rs", "fn a() {}")]).is_empty());
    }
}
