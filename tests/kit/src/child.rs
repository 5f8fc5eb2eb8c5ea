//! A test that runs in a process of its own, with an environment of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

/// A test of this program in a process of its own, which finds these variables and nothing else.
/// It has `CHILD_FOLDER`, where it writes `said`, and `CHILD_SERVICE`, the URL to call.
///
/// # Panics
/// When the program cannot find itself.
pub fn child_of(
    test: &str,
    folder: &Path,
    service: &str,
    variables: &[(&'static str, String)],
) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env_clear();
    child.env("HOME", folder).env("AWS_REGION", "us-east-1").kill_on_drop(true);
    child.env("CHILD_FOLDER", folder).env("CHILD_SERVICE", service);
    child.envs(variables.iter().cloned());
    child.stdout(Stdio::piped());
    child
}

/// What the child wrote in the end.
///
/// # Panics
/// When it fails, or takes minutes.
pub async fn said_by(child: Child, folder: &Path) -> String {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the child ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    std::fs::read_to_string(folder.join("said")).unwrap()
}
