//! The test vectors of the frame: written by the Python implementation, or checked byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::python;
use crate::tools::{Workspace, run as run_program};

const FOLDER: &str = "tests/vectors/v1";
const GENERATOR: &str = "tests/vectors/generate.py";
/// Fewer than this, and the generator lost families of conditions.
const FEWEST: usize = 200;
/// Differences that a message names; more would bury the first.
const SHOWN: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Writes nothing; fails when the vectors differ from what the generator writes
    #[arg(long)]
    check: bool,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.check {
        println!("{}", check(workspace)?);
        return Ok(());
    }
    generate(workspace, &workspace.root().join(FOLDER))
}

/// Generates the vectors anew below target/ and compares them with those in the repository.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let fresh_folder = workspace.target().join("vectors-check");
    if fresh_folder.exists() {
        fs::remove_dir_all(&fresh_folder).context("removing the vectors of an earlier check")?;
    }
    generate(workspace, &fresh_folder)?;
    let fresh = read_folder(&fresh_folder)?;
    let frozen = read_folder(&workspace.root().join(FOLDER))?;
    let differences = differences(&frozen, &fresh);
    if !differences.is_empty() {
        let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ");
        bail!("{FOLDER}: {} differences\n  {shown}", differences.len());
    }
    if frozen.len() < FEWEST {
        bail!("{FOLDER}: {} vectors, at least {FEWEST} are required", frozen.len());
    }
    Ok(format!("{} vectors are byte for byte what the generator writes", frozen.len()))
}

fn generate(workspace: &Workspace, folder: &Path) -> Result<()> {
    let python = python::ensure(workspace)?;
    // No byte code beside the sources: the repository stays as it was.
    run_program(workspace.program(python).args(["-B", GENERATOR]).arg(folder))
}

type Files = BTreeMap<String, Vec<u8>>;

fn read_folder(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

fn differences(frozen: &Files, fresh: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (name, bytes) in frozen {
        match fresh.get(name) {
            None => found.push(format!("{name}: no condition produces it")),
            Some(new) if new != bytes => {
                found.push(format!("{name}: {}", first_difference(bytes, new)))
            }
            Some(_) => {}
        }
    }
    let missing = fresh.keys().filter(|name| !frozen.contains_key(*name));
    found.extend(missing.map(|name| format!("{name}: missing")));
    found
}

fn first_difference(frozen: &[u8], fresh: &[u8]) -> String {
    let at = frozen.iter().zip(fresh).take_while(|(a, b)| a == b).count();
    let line = frozen[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("differs from byte {at} on, in line {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn equal_folders_have_no_differences() {
        let files = files(&[("a.json", "1"), ("b.json", "2")]);
        assert!(differences(&files, &files).is_empty());
    }

    #[test]
    fn a_changed_a_missing_and_an_extra_file_are_named() {
        let frozen = files(&[("changed.json", "{\nx1"), ("extra.json", "")]);
        let fresh = files(&[("changed.json", "{\nx2"), ("new.json", "")]);
        let expected = [
            "changed.json: differs from byte 3 on, in line 2",
            "extra.json: no condition produces it",
            "new.json: missing",
        ];
        assert_eq!(differences(&frozen, &fresh), expected);
    }

    #[test]
    fn a_truncated_file_differs_at_its_end() {
        assert!(first_difference(b"abc", b"ab").starts_with("differs from byte 2"));
    }
}
