//! The test programs that Cargo builds: one build for all, then each is run on its own.
//!
//! Running them ourselves keeps building and testing apart in the report, and lets a contract
//! suite have the last word on stdout. What Cargo would set up for them is set up in `command`.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, TargetKind};

use crate::features;
use crate::tools::{Workspace, expect_success};

/// The folder of the package that holds the contract suites.
const CONTRACT_PACKAGE: &str = "tests";

/// One test program.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Folder of its package, relative to the root.
    pub(crate) package: String,
    /// Name of its target.
    pub(crate) target: String,
    /// Whether it is an integration test, and not the unit tests of a library or program.
    pub(crate) integration: bool,
    executable: PathBuf,
}

impl Program {
    /// Whether it is this one of the contract tests.
    pub(crate) fn is_contract_test(&self, target: &str) -> bool {
        self.integration && self.package == CONTRACT_PACKAGE && self.target == target
    }

    /// The program, ready to run as Cargo would.
    pub(crate) fn command(&self, workspace: &Workspace) -> Command {
        let folder = workspace.root().join(&self.package);
        let mut command = Command::new(&self.executable);
        command.env("CARGO_MANIFEST_DIR", &folder).current_dir(folder);
        command
    }
}

/// Builds the test programs of the whole workspace, with every feature: one set of features for
/// all that follows, so that no later step builds the dependencies again.
pub(crate) fn build_all(workspace: &Workspace) -> Result<Vec<Program>> {
    build(workspace, &[])
}

/// Builds one program of the contract tests, in the same build as all the others.
pub(crate) fn build_contract_test(workspace: &Workspace, target: &str) -> Result<Program> {
    let programs = build(workspace, &["--test", target])?;
    let program = programs.into_iter().find(|program| program.is_contract_test(target));
    program.with_context(|| format!("{CONTRACT_PACKAGE}/ has no test target `{target}`"))
}

fn build(workspace: &Workspace, selection: &[&str]) -> Result<Vec<Program>> {
    let mut command = workspace.cargo(["test", "--workspace", "--no-run"]);
    command.args(["--features", &features::all_but_fips(workspace)?]);
    command.arg("--message-format=json-render-diagnostics").args(selection);
    let mut cargo = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let stdout = cargo.stdout.take().context("cargo's output is not piped")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.profile.test
            && let Some(executable) = artifact.executable
        {
            let folder = artifact.manifest_path.parent().context("a manifest without a folder")?;
            programs.push(Program {
                package: workspace.relative(folder.as_std_path()).display().to_string(),
                target: artifact.target.name,
                integration: artifact.target.kind.contains(&TargetKind::Test),
                executable: executable.into(),
            });
        }
    }
    expect_success(&command, cargo.wait()?)?;
    programs.sort_by(|a, b| {
        (&a.package, a.integration, &a.target).cmp(&(&b.package, b.integration, &b.target))
    });
    Ok(programs)
}

/// How many tests passed, failed and were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// The count in a line of this form: `3 passed, 0 failed, 1 skipped`, or libtest's
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.rsplit_once(". ").map_or(line, |(_, counts)| counts);
        let mut numbers =
            line.split([',', ';']).zip(["passed", "failed", "skipped"]).map(|(part, word)| {
                match part.trim().split_once(' ') {
                    Some((number, "ignored")) if word == "skipped" => number.parse().ok(),
                    Some((number, found)) if found == word => number.parse().ok(),
                    _ => None,
                }
            });
        let (passed, failed, skipped) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(Self { passed, failed, skipped })
    }

    /// All counts of libtest in what a program of unit or integration tests wrote.
    pub(crate) fn of_tests(output: &str) -> Result<Self> {
        let mut counts = Self::default();
        let results = output.lines().filter(|line| line.starts_with("test result: "));
        results.filter_map(Self::parse).for_each(|found| counts.add(found));
        Ok(counts)
    }

    /// The count in the last line of what a contract suite wrote.
    pub(crate) fn of_suite(output: &str) -> Result<Self> {
        let last = output.lines().last().unwrap_or_default();
        match Self::parse(last) {
            Some(counts) if !counts.is_empty() => Ok(counts),
            Some(_) => bail!("the suite ran no test"),
            None => bail!("the last line is no count of the suite: {last}"),
        }
    }

    /// Adds another count.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Nothing was tested at all.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Where a program's tests are, for messages.
pub(crate) fn place(program: &Program) -> String {
    let kind = if program.integration { "tests" } else { "src" };
    Path::new(&program.package).join(kind).join(&program.target).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_a_suite_is_read() {
        let counts = Counts { passed: 48, failed: 0, skipped: 2 };
        assert_eq!(Counts::parse("48 passed, 0 failed, 2 skipped"), Some(counts));
    }

    #[test]
    fn the_count_of_libtest_is_read() {
        let line = "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 7, failed: 0, skipped: 1 }));
    }

    #[test]
    fn other_lines_are_no_count() {
        for line in ["", "48 passed", "48 passed, many failed, 2 skipped", "1 × slow: 2 passed"] {
            assert_eq!(Counts::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_suite_that_ends_without_a_count_or_without_a_test_fails() {
        let wrote = "1 passed, 0 failed, 0 skipped\ndone\n";
        let error = Counts::of_suite(wrote).unwrap_err().to_string();
        assert!(error.contains("no count"), "{error}");
        Counts::of_suite("0 passed, 0 failed, 0 skipped\n").unwrap_err();
        Counts::of_suite("").unwrap_err();
    }

    #[test]
    fn the_counts_of_several_doc_tests_add_up() {
        let line = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let counts = Counts::of_tests(&format!("{line}other\n{line}")).unwrap();
        assert_eq!(counts.to_string(), "4 passed, 0 failed, 2 skipped");
    }
}
