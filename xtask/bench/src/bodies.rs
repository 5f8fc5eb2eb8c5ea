//! What is sealed: bodies of fixed sizes, and the bodies of real webhooks.

use std::path::Path;

/// One kind of body.
pub struct Bodies {
    /// How tables call it.
    pub label: &'static str,
    /// What ratios call it.
    pub key: String,
    /// The bodies; a repetition takes each of them once.
    pub bodies: Vec<Vec<u8>>,
}

impl Bodies {
    /// Their mean length in bytes.
    pub fn mean_len(&self) -> usize {
        self.bodies.iter().map(Vec::len).sum::<usize>() / self.bodies.len().max(1)
    }
}

const SIZES: &[(&str, usize)] = &[
    ("64 B", 64),
    ("256 B", 256),
    ("1 KiB", 1024),
    ("10 KiB", 10 * 1024),
    ("64 KiB", 64 * 1024),
    ("256 KiB", 256 * 1024),
];

/// The fixed sizes, then the webhooks of this file, one JSON value a line.
///
/// # Errors
/// What is wrong with the file.
pub fn all(webhooks: &Path) -> Result<Vec<Bodies>, String> {
    let fixed = |&(label, len): &(&'static str, usize)| Bodies {
        label,
        key: len.to_string(),
        bodies: vec![(0..len).map(|index| index as u8).collect()],
    };
    let mut all: Vec<_> = SIZES.iter().map(fixed).collect();
    let text = std::fs::read_to_string(webhooks)
        .map_err(|error| format!("{}: {error}", webhooks.display()))?;
    let bodies: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    if bodies.is_empty() {
        return Err("the file of webhooks is empty".into());
    }
    all.push(Bodies { label: "webhooks", key: "webhooks".into(), bodies });
    Ok(all)
}
