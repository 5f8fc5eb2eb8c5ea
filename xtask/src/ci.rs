//! The steps of `cargo xtask ci`: every check that is no test, the quick ones first.

use crate::report::Step;
use crate::tools::{Workspace, run};
use crate::{deny, features, tidy};

/// The steps.
///
/// Warnings are refused by arguments of the lint run and not by `RUSTFLAGS`: a change of that
/// variable builds every dependency anew.
pub(crate) fn steps(workspace: &Workspace) -> Vec<Step<'_>> {
    let cargo = |args: &'static [&'static str]| {
        move || run(&mut workspace.cargo(args)).map(|()| String::new())
    };
    vec![
        Step::new("fmt", "formatting", cargo(&["fmt", "--all", "--check"])),
        Step::new("tidy", "layers, manifests, file heads, links, claims", || {
            tidy::check(workspace)
        }),
        Step::new("deny", "bans, licences and sources of dependencies", || {
            deny::check(workspace, false).map(|()| String::new())
        }),
        Step::new("clippy", "lints", || {
            let features = features::all_but_fips(workspace)?;
            let mut command = workspace.cargo(["clippy", "--workspace", "--all-targets"]);
            command.args(["--features", &features, "--", "--deny", "warnings"]);
            run(&mut command).map(|()| String::new())
        }),
        Step::new("rustdoc", "the documentation builds and its links resolve", || {
            let features = features::all_but_fips(workspace)?;
            let mut command = workspace.cargo(["doc", "--workspace", "--no-deps"]);
            command.args(["--features", &features]).env("RUSTDOCFLAGS", "--deny warnings");
            run(&mut command).map(|()| String::new())
        }),
    ]
}
