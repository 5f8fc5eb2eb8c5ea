//! What no compiler checks: layers, manifests, heads and lengths of files, links, claims.

mod claims;
mod facade;
mod layers;
mod links;
mod manifests;
mod paths;
mod sources;
mod tree;

use std::fmt;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::tools::Workspace;

/// A rule that something breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The crate, or the file with its line.
    place: String,
    /// The name of the rule.
    rule: &'static str,
    /// What is wrong, and what would be right.
    message: String,
}

impl Finding {
    fn new(place: impl Into<String>, rule: &'static str, message: impl Into<String>) -> Self {
        Self { place: place.into(), rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.rule)
    }
}

/// The command.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    println!("{}", check(workspace)?);
    Ok(())
}

/// Checks every rule and fails with all that was found.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let tree = Tree::read(workspace.root())?;
    let mut findings = layers::check(&layers::packages(workspace)?);
    let rules = [
        manifests::check,
        sources::check,
        facade::check,
        paths::check,
        links::check,
        claims::check,
    ];
    for rule in rules {
        findings.extend(rule(&tree));
    }
    findings.sort();
    if !findings.is_empty() {
        let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
        bail!("tidy found {}:\n  {}", lines.len(), lines.join("\n  "));
    }
    Ok(format!("{} files are tidy", tree.len()))
}

/// What a rule found in a made-up tree, as lines.
#[cfg(test)]
fn findings(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files)).iter().map(Finding::to_string).collect()
}
