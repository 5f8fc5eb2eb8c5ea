//! Servers that hang: they take connections and requests, and answer none.

use std::fs;

use tokio::process::{Child, Command};

/// Stops a server and the processes it began, in their tracks.
pub(crate) async fn freeze(server: &Child) {
    signal("STOP", server).await;
}

/// Lets them go on.
pub(crate) async fn thaw(server: &Child) {
    signal("CONT", server).await;
}

async fn signal(signal: &str, server: &Child) {
    let server = server.id().expect("the server runs");
    let mut kill = Command::new("sh");
    let pids = std::iter::once(server).chain(begun_by(server));
    let pids = pids.map(|pid| pid.to_string()).collect::<Vec<_>>().join(" ");
    // Those that end meanwhile are no failure; the server itself is still there.
    let sent = kill.arg("-c").arg(format!("kill -{signal} {pids} 2>/dev/null; kill -0 {server}"));
    assert!(sent.status().await.unwrap().success(), "{signal}");
}

/// The processes whose parent this is.
fn begun_by(parent: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it, in parentheses, may hold anything.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}
