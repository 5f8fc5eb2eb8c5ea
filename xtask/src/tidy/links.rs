//! Links between documents resolve: the file is there, and so is the heading.

use super::Finding;
use super::tree::Tree;

const RULE: &str = "links";

/// Checks every Markdown file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts().filter(|(path, _)| path.ends_with(".md"));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for link in links(&line) {
            if let Some(message) = broken(tree, path, &link) {
                findings.push(Finding::new(format!("{path}:{number}"), RULE, message));
            }
        }
    }
    findings
}

/// The lines outside fenced code, numbered, without their inline code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            lines.push((index + 1, outside));
        }
    }
    lines
}

/// The targets of `[text](target)` and of `[name]: target`.
fn links(line: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for part in line.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default();
        targets.extend(target.split_whitespace().next().map(str::to_owned));
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.extend(target.split_whitespace().next().map(str::to_owned));
    }
    targets
}

fn broken(tree: &Tree, path: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(f, h)| (f, Some(h)));
    let target = if file.is_empty() { path.to_owned() } else { resolve(path, file)? };
    if !tree.exists(&target) {
        return Some(format!("`{link}`: there is no {target}"));
    }
    let heading = heading?;
    let text = tree.text(&target).filter(|_| target.ends_with(".md"))?;
    let known = anchors(text);
    (!known.iter().any(|anchor| anchor == heading))
        .then(|| format!("`{link}`: {target} has no heading `#{heading}`"))
}

/// The path that `link` means in the document at `path`.
fn resolve(path: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that renderers give to headings.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = title
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
            .collect();
        let again = anchors.iter().filter(|known| **known == slug).count();
        anchors.push(if again == 0 { slug } else { format!("{slug}-{again}") });
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    const FORMAT: (&str, &str) = ("docs/format.md", "# The format\n## 1. Key `wrap`, then seal\n");

    #[test]
    fn links_that_resolve_are_fine() {
        let text = "[a](docs/format.md) [b](docs/format.md#1-key-wrap-then-seal) [c](docs)\n\
            [d](https://example.com/x) [e](#top) `[f](none.md)`\n# Top\n[g]: docs/format.md\n\
            ```\n[h](none.md)\n```\n";
        assert_eq!(findings(check, &[("README.md", text), FORMAT]), [""; 0]);
    }

    #[test]
    fn links_of_a_document_in_a_folder_are_relative_to_it() {
        let text = "[a](../format.md) [b](../../README.md)\n";
        let files = [("docs/adr/0001.md", text), FORMAT, ("README.md", "")];
        assert_eq!(findings(check, &files), [""; 0]);
    }

    #[test]
    fn a_missing_file_is_refused_with_its_line() {
        for text in ["\n[a](docs/none.md)\n", "\n[a]: docs/none.md\n"] {
            let found = findings(check, &[("README.md", text)]);
            assert_eq!(found, ["README.md:2: `docs/none.md`: there is no docs/none.md [links]"]);
        }
    }

    #[test]
    fn a_missing_heading_is_refused() {
        let found = findings(check, &[("README.md", "[a](docs/format.md#keys)"), FORMAT]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("no heading `#keys`"), "{found:?}");
    }
}
