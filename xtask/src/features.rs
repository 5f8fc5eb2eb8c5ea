//! Each feature on its own: what builds with all features must also build with one.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::tools::{Workspace, run};

/// Packages whose features are chosen one at a time by those who use them.
const PACKAGES: &[&str] = &["sealmq-crypto-core", "sealmq-client", "sealmq"];

/// The AEAD back ends: every build needs one of them, so the first goes with all other features.
const BACK_ENDS: &[&str] = &["aws-lc-rs", "ring", "rust-crypto"];

/// Checks every combination and says how many there are.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
    let mut combinations = 0;
    for name in PACKAGES {
        for features in alone(&metadata, name)? {
            println!("{name}: {features}");
            let check = ["check", "--package", name, "--no-default-features", "--features"];
            run(workspace.cargo(check).arg(&features))?;
            combinations += 1;
        }
    }
    Ok(format!("{combinations} combinations build"))
}

/// The features of the package, each as the argument that chooses it alone.
fn alone(metadata: &Metadata, name: &str) -> Result<Vec<String>> {
    let package = metadata.packages.iter().find(|package| package.name == name);
    let package = package.with_context(|| format!("no package {name}"))?;
    let features = package.features.keys().filter(|feature| *feature != "default");
    let argument = |feature: &String| match BACK_ENDS.contains(&feature.as_str()) {
        true => feature.clone(),
        false => format!("{},{feature}", BACK_ENDS[0]),
    };
    Ok(features.map(argument).collect())
}
