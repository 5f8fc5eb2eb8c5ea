//! Test programs side by side: most of their time they wait for servers and for time to pass.

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::vec::IntoIter;

use anyhow::{Context, Result, anyhow};

use crate::programs::Counts;
use crate::tools::{expect_success, run_captured};

/// How many run at once. More would have tests wait for each other on a small machine.
const LANES: usize = 2;

/// One program, and how its output is read.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) command: Command,
    pub(crate) count: fn(&str) -> Result<Counts>,
}

/// Runs each and prints what it wrote when it ends. After one has failed no other begins.
pub(crate) fn run(jobs: Vec<Job>) -> Result<Counts> {
    let queue = Mutex::new(jobs.into_iter());
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(|| lane(&queue))).collect();
        let mut counts = Counts::default();
        for lane in lanes {
            counts.add(lane.join().map_err(|_| anyhow!("a lane panicked"))??);
        }
        Ok(counts)
    })
}

fn lane(queue: &Mutex<IntoIter<Job>>) -> Result<Counts> {
    let mut counts = Counts::default();
    while let Some(job) = next(queue) {
        match one(job) {
            Ok(found) => counts.add(found),
            Err(error) => {
                while next(queue).is_some() {}
                return Err(error);
            }
        }
    }
    Ok(counts)
}

fn next(queue: &Mutex<IntoIter<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn one(Job { name, mut command, count }: Job) -> Result<Counts> {
    let began = Instant::now();
    let (status, output) = run_captured(&mut command)?;
    // One print, so that the lines of two programs do not mix.
    println!("\n{name}\n{output}{name}: {:.1} s", began.elapsed().as_secs_f64());
    expect_success(&command, status).with_context(|| name.clone())?;
    count(&output).with_context(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job { name: name.to_owned(), command, count: Counts::of_suite }
    }

    #[test]
    fn all_are_run_and_counted() {
        let jobs = (0..5).map(|n| job("some", &format!("echo {n} passed, 0 failed, 1 skipped")));
        let counts = run(jobs.skip(1).collect()).unwrap();
        assert_eq!(counts.to_string(), "10 passed, 0 failed, 4 skipped");
    }

    #[test]
    fn they_run_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let meet = |own: &str, other: &str| {
            let script = format!(
                "cd {}; touch {own}; while [ ! -e {other} ]; do sleep 0.01; done; \
                 echo 1 passed, 0 failed, 0 skipped",
                folder.path().display()
            );
            job(own, &script)
        };
        run(vec![meet("one", "other"), meet("other", "one")]).unwrap();
    }

    #[test]
    fn after_a_failure_no_other_begins() {
        let folder = tempfile::tempdir().unwrap();
        let touched = folder.path().join("touched");
        let mut jobs = vec![job("broken", "exit 3"), job("broken too", "exit 3")];
        jobs.push(job("never", &format!("touch {}", touched.display())));
        let error = format!("{:#}", run(jobs).unwrap_err());
        assert!(error.starts_with("broken") && error.contains("exit status: 3"), "{error}");
        assert!(!touched.exists());
    }
}
