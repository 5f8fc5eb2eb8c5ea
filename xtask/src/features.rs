//! Each feature on its own: it builds, and brings no SDK but its own.

use anyhow::{Context, Result, bail};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

use crate::tools::{Workspace, output_of, run};

/// Packages whose features are chosen one at a time by those who use them.
const PACKAGES: &[&str] =
    &["sealmq-crypto-core", "sealmq-client", "sealmq-config", "sealmq", "sealmq-cli"];

/// The AEAD back ends: every build needs one of them, so the first goes with all other features of
/// a package that chooses.
const BACK_ENDS: &[&str] = &["aws-lc-rs", "ring", "rust-crypto"];

/// Needs Go and CMake to build, which contributors may not have: `cargo xtask fips` is for it.
const FIPS: &str = "fips";

/// The program that generates the bindings of the FIPS module, and its printer. They compile on one
/// version of what both parse Rust with, which is not what Cargo chooses by itself.
const GENERATOR: [&str; 2] = ["bindgen", "prettyplease"];
const PARSER: &str = "syn";

/// The features of the facade that bring an SDK, and how the names of its crates begin. Features
/// may share one.
const SDKS: &[(&str, &str)] = &[
    ("aws-kms", "aws-sdk-kms"),
    ("aws-secrets", "aws-sdk-secretsmanager"),
    ("azure-keyvault", "azure_security_keyvault"),
    ("nats", "async-nats"),
    ("nats-replay", "async-nats"),
    ("pkcs11", "cryptoki"),
    ("postgres", "tokio-postgres"),
    ("servicebus", "fe2o3-amqp"),
    ("sqs", "aws-sdk-sqs"),
    ("vault", "sealmq-keys-vault"),
];

/// Checks every combination and says how many there are.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(&manifest).no_deps().exec()?;
    let mut combinations = 0;
    for name in PACKAGES {
        for features in alone(&metadata, name)? {
            println!("{name}: {features}");
            let check = ["check", "--package", name, "--no-default-features", "--features"];
            run(workspace.cargo(check).arg(&features))?;
            combinations += 1;
        }
    }
    for (feature, _) in SDKS {
        let crates = crates_of(workspace, feature)?;
        check_sdks(feature, &crates)?;
    }
    let all =
        MetadataCommand::new().manifest_path(&manifest).features(CargoOpt::AllFeatures).exec()?;
    check_generator(&all)?;
    Ok(format!("{combinations} combinations build, {} features keep to their SDK", SDKS.len()))
}

/// Every feature of every package but `fips`, as the argument that chooses them all: one set of
/// features for all builds, so that none builds the dependencies again.
pub(crate) fn all_but_fips(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
    Ok(without_fips(&metadata).join(","))
}

fn without_fips(metadata: &Metadata) -> Vec<String> {
    let of = |package: &cargo_metadata::Package| {
        let name = package.name.to_string();
        let features = package.features.keys().filter(|feature| *feature != FIPS);
        features.map(|feature| format!("{name}/{feature}")).collect::<Vec<_>>()
    };
    metadata.workspace_packages().into_iter().flat_map(of).collect()
}

/// The tests of core and client in the build with the FIPS module, and its lints.
pub(crate) fn check_fips(workspace: &Workspace) -> Result<()> {
    for (tool, argument) in [("go", "version"), ("cmake", "--version")] {
        output_of(workspace.program(tool).arg(argument)).with_context(|| {
            format!("the FIPS module is built with {tool}: see docs/fips.md for how to get it")
        })?;
    }
    let packages = ["--package", "sealmq-crypto-core", "--package", "sealmq-client"];
    let features =
        ["--features", "sealmq-client/fips,sealmq-crypto-core/ring,sealmq-crypto-core/rust-crypto"];
    run(workspace.cargo(["test"]).args(packages).args(features))?;
    run(workspace
        .cargo(["clippy", "--all-targets"])
        .args(packages)
        .args(features)
        .args(["--", "--deny", "warnings"]))?;
    run(&mut workspace.cargo(["check", "--package", "sealmq", "--features", "fips"]))
}

/// The names of all crates that the facade with this feature is built from.
fn crates_of(workspace: &Workspace, feature: &str) -> Result<Vec<String>> {
    let features = format!("{},{feature}", BACK_ENDS[0]);
    let tree = ["tree", "--package", "sealmq", "--edges", "normal,build", "--prefix", "none"];
    let mut command = workspace.cargo(tree);
    command.args(["--format", "{p}", "--no-default-features", "--features", &features]);
    let names = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    Ok(output_of(&mut command)?.lines().map(names).collect())
}

/// Nothing else here builds with `fips`, so a change of the lock file could break that unseen.
fn check_generator(metadata: &Metadata) -> Result<()> {
    let nodes = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let parser_of = |part: &str| {
        let node = nodes.nodes.iter().find(|node| metadata[&node.id].name == part);
        let deps = node.with_context(|| format!("{part} is not in the build with {FIPS}"))?;
        let parser = deps.dependencies.iter().find(|id| metadata[*id].name == PARSER);
        let parser = parser.with_context(|| format!("{part} does without {PARSER}"))?;
        anyhow::Ok(metadata[parser].version.clone())
    };
    let [generator, printer] = GENERATOR;
    let (generated, printed) = (parser_of(generator)?, parser_of(printer)?);
    if generated != printed {
        bail!(
            "{FIPS} does not compile: {generator} has {PARSER} {generated} in Cargo.lock, {printer} \
             has {printed}"
        );
    }
    Ok(())
}

fn check_sdks(feature: &str, crates: &[String]) -> Result<()> {
    for (owner, sdk) in SDKS {
        let found = crates.iter().find(|name| name.starts_with(sdk));
        match (found, SDKS.contains(&(feature, sdk))) {
            (None, true) => bail!("feature {feature} does not bring {sdk}: is the list right?"),
            (Some(name), false) => bail!("feature {feature} brings {name}, of feature {owner}"),
            (Some(_), true) | (None, false) => {}
        }
    }
    Ok(())
}

/// The features of the package, each as the argument that chooses it alone.
fn alone(metadata: &Metadata, name: &str) -> Result<Vec<String>> {
    let package = metadata.packages.iter().find(|package| package.name == name);
    let package = package.with_context(|| format!("no package {name}"))?;
    let features =
        package.features.keys().filter(|name| !["default", FIPS].contains(&name.as_str()));
    let chooses = package.features.contains_key(BACK_ENDS[0]);
    let argument = |feature: &String| match BACK_ENDS.contains(&feature.as_str()) || !chooses {
        true => feature.clone(),
        false => format!("{},{feature}", BACK_ENDS[0]),
    };
    Ok(features.map(argument).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_of_another_feature_is_refused() {
        let crates = ["tokio", "async-nats", "aws-sdk-sqs"].map(str::to_owned);
        let error = check_sdks("nats", &crates).unwrap_err().to_string();
        assert_eq!(error, "feature nats brings aws-sdk-sqs, of feature sqs");
        check_sdks("nats", &crates[..2]).unwrap();
    }

    #[test]
    fn features_may_share_an_sdk_and_each_must_bring_it() {
        let crates = ["sealmq-replay-nats", "async-nats"].map(str::to_owned);
        check_sdks("nats-replay", &crates).unwrap();
        assert!(check_sdks("nats-replay", &crates[..1]).is_err());
        let error = check_sdks("sqs", &["aws-sdk-sqs".into(), "async-nats".into()]).unwrap_err();
        assert_eq!(error.to_string(), "feature sqs brings async-nats, of feature nats");
    }

    #[test]
    fn everything_is_every_feature_but_fips() -> Result<()> {
        let workspace = Workspace::find()?;
        let manifest = workspace.root().join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
        let chosen = without_fips(&metadata);
        let packages = metadata.workspace_packages();
        let all: usize = packages.iter().map(|package| package.features.len()).sum();
        let fips = packages.iter().filter(|package| package.features.contains_key(FIPS)).count();
        assert_eq!((chosen.len(), fips), (all - 3, 3), "core, client and facade have it");
        assert!(chosen.iter().any(|feature| feature == "sealmq/nats"));
        assert!(!chosen.iter().any(|feature| feature.ends_with(FIPS)));
        Ok(())
    }

    #[test]
    fn a_lock_file_that_breaks_the_build_with_fips_is_noticed() -> Result<()> {
        let manifest = Workspace::find()?.root().join("Cargo.toml");
        let mut all = MetadataCommand::new();
        let mut all = all.manifest_path(manifest).features(CargoOpt::AllFeatures).exec()?;
        check_generator(&all)?;
        let parsers = all.packages.iter().filter(|package| package.name == PARSER);
        let parsers: Vec<_> = parsers.map(|package| package.id.clone()).collect();
        let generator = all.packages.iter().find(|package| package.name == GENERATOR[0]);
        let generator = generator.context("the generator")?.id.clone();
        let resolve = all.resolve.as_mut().context("what was resolved")?;
        let node = resolve.nodes.iter_mut().find(|node| node.id == generator);
        let dependencies = &mut node.context("the generator's node")?.dependencies;
        let chosen = dependencies.iter_mut().find(|id| parsers.contains(id));
        let chosen = chosen.context("its parser")?;
        let another = parsers.iter().find(|id| *id != chosen).context("another parser")?;
        *chosen = another.clone();
        let error = check_generator(&all).unwrap_err().to_string();
        assert!(error.starts_with("fips does not compile: bindgen has syn "), "{error}");
        Ok(())
    }

    #[test]
    fn an_sdk_that_a_feature_does_not_bring_is_noticed() {
        assert!(check_sdks("nats", &["tokio".to_owned()]).is_err());
    }
}
