//! Who may depend on whom: the edges of the architecture, from the manifests Cargo has resolved.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

use super::Finding;
use crate::tools::Workspace;

const RULE: &str = "layers";

/// The part a crate plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    CryptoCore,
    QueueCore,
    Keys,
    Transport,
    /// A store of nonces on its own, for those who have no database.
    Replay,
    Client,
    /// What joins client and adapters as a file says.
    Config,
    Facade,
    Cli,
    ContractTests,
    /// What the tests of several adapters share; it knows none of our crates.
    TestKit,
    /// Settings by name, and what is wrong with one.
    Settings,
    /// What adapters of several kinds share; it knows neither keys nor queues.
    Shared,
    /// What contributors run; it is never published.
    Tool,
}

use Role::*;

impl Role {
    fn of(package: &str) -> Option<Self> {
        Some(match package {
            "sealmq-crypto-core" => CryptoCore,
            "sealmq-queue-core" => QueueCore,
            "sealmq-client" => Client,
            "sealmq-config" => Config,
            "sealmq" => Facade,
            "sealmq-cli" => Cli,
            "sealmq-contract-tests" => ContractTests,
            "sealmq-test-kit" => TestKit,
            "sealmq-settings" => Settings,
            "sealmq-aws" | "sealmq-tls" => Shared,
            "sealmq-bench" | "xtask" => Tool,
            other if other.starts_with("sealmq-keys-") => Keys,
            other if other.starts_with("sealmq-replay-") => Replay,
            other if other.starts_with("sealmq-transport-") => Transport,
            _ => return None,
        })
    }

    /// What a crate of this role may be built upon.
    fn allowed(self) -> &'static [Self] {
        match self {
            Settings | TestKit => &[],
            CryptoCore | QueueCore => &[Settings],
            Shared => &[Settings, Shared],
            Keys => &[CryptoCore, Settings, Shared],
            Replay => &[CryptoCore, Settings],
            Transport => &[QueueCore, Settings, Shared],
            Client => &[CryptoCore, QueueCore],
            Config => &[CryptoCore, QueueCore, Client, Keys, Transport, Replay, Settings, Shared],
            Facade => {
                &[CryptoCore, QueueCore, Client, Config, Keys, Transport, Replay, Settings, Shared]
            }
            Cli => &[Facade],
            ContractTests => &[CryptoCore, QueueCore, Client, Keys, Transport, Facade, TestKit],
            Tool => &[CryptoCore, QueueCore, Client, Keys, Transport, Facade, ContractTests],
        }
    }

    /// Whether even its tests must do without the other crates: the cores, which all build upon.
    fn tests_too(self) -> bool {
        matches!(self, CryptoCore | QueueCore)
    }
}

/// Runtimes, and what brings one along. The cryptographic core runs without any.
const RUNTIMES: &[&str] = &[
    "async-io",
    "async-std",
    "compio",
    "embassy-executor",
    "glommio",
    "hyper",
    "mio",
    "monoio",
    "reqwest",
    "smol",
    "tokio",
];

/// One crate of the workspace, and what it depends on.
#[derive(Debug, Default)]
pub(super) struct Package {
    name: String,
    /// Crates it is built upon directly.
    normal: Vec<String>,
    /// Crates its tests use directly.
    dev: Vec<String>,
    /// Everything it is built upon, directly or not, with every feature.
    all: BTreeSet<String>,
}

/// The crates of the workspace.
pub(super) fn packages(workspace: &Workspace) -> Result<Vec<Package>> {
    let mut command = MetadataCommand::new();
    command.manifest_path(workspace.root().join("Cargo.toml")).features(CargoOpt::AllFeatures);
    let metadata = command.exec().context("cargo metadata")?;
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let edges: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let below = |id: &PackageId| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![id.clone()]);
        while let Some(next) = todo.pop() {
            let deps = edges.get(&next).into_iter().flat_map(|node| &node.deps);
            let built = deps
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            todo.extend(
                built.filter(|dep| seen.insert(dep.pkg.clone())).map(|dep| dep.pkg.clone()),
            );
        }
        seen
    };
    let members = metadata.workspace_packages();
    Ok(members.iter().map(|member| package(&metadata, member, &below(&member.id))).collect())
}

fn package(
    metadata: &Metadata,
    member: &cargo_metadata::Package,
    below: &BTreeSet<PackageId>,
) -> Package {
    let (dev, normal): (Vec<_>, Vec<_>) =
        member.dependencies.iter().partition(|dep| dep.kind == DependencyKind::Development);
    let names = |deps: Vec<&cargo_metadata::Dependency>| {
        deps.into_iter().map(|dep| dep.name.clone()).collect()
    };
    let all = metadata.packages.iter().filter(|package| below.contains(&package.id));
    Package {
        name: member.name.to_string(),
        normal: names(normal),
        dev: names(dev),
        all: all.map(|package| package.name.to_string()).collect(),
    }
}

/// Checks every edge between crates of this workspace.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let name = &package.name;
    let Some(role) = Role::of(name) else {
        let message =
            "has no place in the architecture: give it a role in xtask/src/tidy/layers.rs";
        return vec![Finding::new(name, RULE, message)];
    };
    let mut findings = Vec::new();
    let tests = role.tests_too().then_some(&package.dev);
    for dependency in package.normal.iter().chain(tests.into_iter().flatten()) {
        if let Some(other) = Role::of(dependency)
            && !role.allowed().contains(&other)
        {
            let message = format!("must not depend on {dependency}: {}", reason(role));
            findings.push(Finding::new(name, RULE, message));
        }
    }
    if role == CryptoCore {
        for runtime in RUNTIMES.iter().filter(|runtime| package.all.contains(**runtime)) {
            let message = format!("must not bring along {runtime}: it runs without a runtime");
            findings.push(Finding::new(name, RULE, message));
        }
    }
    findings
}

fn reason(role: Role) -> &'static str {
    match role {
        CryptoCore => "the cryptographic core knows no queue and no adapter",
        QueueCore => "the queue core knows no key and no adapter",
        Keys => "a key adapter knows only the cryptographic core, and TLS",
        Replay => "a replay guard knows only the cryptographic core",
        Transport => "a transport knows only the queue core, so it cannot leak a plaintext",
        Client => "the client knows the two cores and no adapter",
        Config => "the file joins client, cores and adapters",
        Facade => "the facade joins client, cores and adapters",
        Cli => "the program uses what users use, the facade",
        Settings => "everything reads settings, so it knows nothing else",
        Shared => "adapters of several kinds use it, so it knows none of them",
        TestKit => "the tests of every adapter use it, so it knows none",
        ContractTests | Tool => "the program's own crate is for no one to build upon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, normal: &[&str]) -> Package {
        let normal: Vec<String> = normal.iter().map(|name| (*name).into()).collect();
        let all = normal.iter().cloned().collect();
        Package { name: name.into(), normal, dev: Vec::new(), all }
    }

    fn refused(name: &str, dependency: &str) -> bool {
        let findings = check_package(&package(name, &[dependency]));
        findings.iter().any(|finding| finding.place == name && finding.message.contains(dependency))
    }

    #[test]
    fn the_edges_of_the_architecture_are_allowed() {
        let edges: [(&str, &[&str]); 13] = [
            ("sealmq-crypto-core", &["sha2"]),
            ("sealmq-queue-core", &["bytes"]),
            ("sealmq-keys-vault", &["sealmq-crypto-core", "tokio"]),
            ("sealmq-transport-sqs", &["sealmq-queue-core", "tokio"]),
            ("sealmq-replay-nats", &["sealmq-crypto-core", "tokio"]),
            ("sealmq-client", &["sealmq-crypto-core", "sealmq-queue-core"]),
            ("sealmq", &["sealmq-client", "sealmq-keys-aws", "sealmq-transport-nats"]),
            ("sealmq-config", &["sealmq-client", "sealmq-keys-aws", "sealmq-transport-nats"]),
            ("sealmq-config", &["sealmq-replay-nats"]),
            ("sealmq", &["sealmq-config"]),
            ("sealmq", &["sealmq-replay-nats"]),
            ("sealmq-cli", &["sealmq"]),
            ("sealmq-contract-tests", &["sealmq-transport-nats", "sealmq-test-kit"]),
        ];
        for (name, dependencies) in edges {
            assert_eq!(check_package(&package(name, dependencies)), [], "{name}");
        }
    }

    #[test]
    fn edges_against_the_layers_are_refused() {
        let edges = [
            ("sealmq-crypto-core", "sealmq-queue-core"),
            ("sealmq-queue-core", "sealmq-crypto-core"),
            ("sealmq-keys-aws", "sealmq-queue-core"),
            ("sealmq-keys-aws", "sealmq-keys-vault"),
            ("sealmq-transport-sqs", "sealmq-crypto-core"),
            ("sealmq-transport-sqs", "sealmq-transport-memory"),
            ("sealmq-transport-sqs", "sealmq-client"),
            ("sealmq-transport-nats", "sealmq-replay-nats"),
            ("sealmq-replay-nats", "sealmq-queue-core"),
            ("sealmq-replay-nats", "sealmq-transport-nats"),
            ("sealmq-replay-nats", "sealmq-client"),
            ("sealmq-client", "sealmq-replay-nats"),
            ("sealmq-client", "sealmq-transport-memory"),
            ("sealmq-client", "sealmq-config"),
            ("sealmq-client", "sealmq"),
            ("sealmq-config", "sealmq"),
            ("sealmq-cli", "sealmq-crypto-core"),
            ("sealmq-test-kit", "sealmq-transport-nats"),
            ("sealmq-tls", "sealmq-crypto-core"),
        ];
        for (name, dependency) in edges {
            assert!(refused(name, dependency), "{name} -> {dependency}");
        }
    }

    #[test]
    fn the_tests_of_a_core_use_no_other_crate_either() {
        let mut core = package("sealmq-crypto-core", &[]);
        core.dev.push("sealmq-keys-local".into());
        assert_eq!(check_package(&core).len(), 1);
    }

    #[test]
    fn the_tests_of_the_client_may_use_adapters() {
        let mut client = package("sealmq-client", &[]);
        client.dev.push("sealmq-transport-memory".into());
        assert_eq!(check_package(&client), []);
    }

    #[test]
    fn a_runtime_below_the_cryptographic_core_is_refused() {
        let mut core = package("sealmq-crypto-core", &["harmless"]);
        core.all.insert("tokio".into());
        assert_eq!(check_package(&core).len(), 1);
        core.name = "sealmq-keys-aws".into();
        assert_eq!(check_package(&core), []);
    }

    #[test]
    fn a_crate_without_a_role_is_refused() {
        assert_eq!(check_package(&package("sealmq-misc", &[])).len(), 1);
    }
}
