//! The files of the repository: what Git would keep, found without Git.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Every file, by its path below the root with `/` between the parts.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The text of each file; `None` for one that is no UTF-8.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads a checkout. Leaves out what the root's `.gitignore` names, hidden folders but `.ci`
    /// and `.cargo`, and Python environments.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<_> = ignored.lines().map(|line| line.trim_matches('/')).collect();
        let mut tree = Self::default();
        tree.read_folder(root, "", &ignored)?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str, ignored: &[&str]) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("reading {prefix}"))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (file, path) = (entry.path(), format!("{prefix}{name}"));
            if ignored.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                let hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
                if !hidden && !file.join("pyvenv.cfg").exists() {
                    self.read_folder(&file, &format!("{path}/"), ignored)?;
                }
            } else {
                let bytes = fs::read(&file).with_context(|| path.clone())?;
                self.files.insert(path, String::from_utf8(bytes).ok());
            }
        }
        Ok(())
    }

    /// Every file that is text: its path and its text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.files.iter();
        texts.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is a file or a folder of this path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        folder == "/"
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// A made-up tree.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = files.iter().map(|(path, text)| ((*path).into(), Some((*text).into())));
        Self { files: owned.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_hidden_folders_and_environments_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let kept = ["Cargo.toml", ".ci/run", "crates/a/src/lib.rs"];
        let left_out = ["target/x.rs", ".git/config", "venv/pyvenv.cfg", "venv/lib/x.py"];
        for path in kept.iter().chain(&left_out) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(root.path().join(".gitignore"), "/target\n").unwrap();
        let tree = Tree::read(root.path()).unwrap();
        let paths: Vec<_> = tree.texts().map(|(path, _)| path).collect();
        assert_eq!(paths, [".ci/run", ".gitignore", "Cargo.toml", "crates/a/src/lib.rs"]);
    }

    #[test]
    fn folders_exist_by_their_files() {
        let tree = Tree::of(&[("docs/adr/0001.md", "")]);
        assert!(tree.exists("docs/adr") && tree.exists("docs/") && tree.exists(""));
        assert!(!tree.exists("docs/ad"));
    }
}
