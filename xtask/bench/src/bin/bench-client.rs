//! Times messages on their way through the client and the in-memory broker, and prints JSON.

use std::error::Error;
use std::path::Path;

use sealmq_bench::bodies;
use sealmq_bench::client::{self, BODIES, RATIOS};
use sealmq_bench::report::Report;
use sealmq_bench::timing::{self, Clock};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the report is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let webhooks = std::env::args().nth(1).ok_or("usage: bench-client WEBHOOKS")?;
    let mut report = Report::default();
    for bodies in bodies::all(Path::new(&webhooks))? {
        if !BODIES.contains(&bodies.key.as_str()) {
            continue;
        }
        eprintln!("timing {} on one core", bodies.label);
        let (subjects, mut work): (Vec<_>, Vec<_>) = client::one_core(&bodies)?.into_iter().unzip();
        let times = timing::measure(&mut work, Clock::Thread);
        report.add_rows(&bodies, &subjects, &times);
        report.add_ratios(&bodies, RATIOS, &subjects, &times);

        eprintln!("timing {} on two cores", bodies.label);
        let (subjects, mut work): (Vec<_>, Vec<_>) = client::scaling(&bodies)?.into_iter().unzip();
        let times = timing::measure(&mut work, Clock::Wall);
        report.add_rows(&bodies, &subjects, &times);
    }
    println!("{}", report.to_json());
    Ok(())
}
