//! No path of anyone's machine: what is checked in must hold on every other one.

use super::Finding;
use super::tree::Tree;

/// Folders that only exist on some machine. In two parts, or this file would break its own rule.
const MACHINE_FOLDERS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Recorded data of others, with their paths in it.
const DATA: &str = "crates/cli/data/";

/// Checks every text file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !path.starts_with(DATA)) {
        for (number, line) in text.lines().enumerate() {
            if let Some(folder) = machine_folder(line) {
                let place = format!("{path}:{}", number + 1);
                let message = format!("a path of one machine, `{folder}…`: make it relative");
                findings.push(Finding::new(place, "machine-path", message));
            }
        }
    }
    findings
}

fn machine_folder(line: &str) -> Option<&'static str> {
    MACHINE_FOLDERS.iter().copied().find(|folder| {
        line.match_indices(folder).any(|(at, _)| starts_path(line[..at].chars().next_back()))
    })
}

/// Whether a path can begin after this character: not in the middle of an address or of another
/// path, as in `example.com/home/`.
fn starts_path(before: Option<char>) -> bool {
    before.is_none_or(|c| !c.is_alphanumeric() && !"._-~$})>".contains(c))
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn every_machine_folder_is_refused_with_its_line() {
        for folder in MACHINE_FOLDERS {
            for line in [format!("see {folder}x"), format!("{folder}x"), format!("\"{folder}x\"")] {
                let found = findings(check, &[("docs/a.md", &format!("fine\n{line}\n"))]);
                assert_eq!(found.len(), 1, "{line}");
                assert!(found[0].starts_with("docs/a.md:2: "), "{found:?}");
            }
        }
    }

    #[test]
    fn relative_paths_and_addresses_are_fine() {
        for folder in MACHINE_FOLDERS {
            for before in ["example.com", "docs", "$ROOT", "<root>"] {
                let line = format!("{before}{folder}x");
                assert!(findings(check, &[("docs/a.md", &line)]).is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn recorded_data_may_hold_any_path() {
        assert!(findings(check, &[("crates/cli/data/a.jsonl", MACHINE_FOLDERS[0])]).is_empty());
    }
}
