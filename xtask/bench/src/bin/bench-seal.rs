//! Times sealing and opening, and prints rows and ratios as JSON.

use std::error::Error;
use std::path::Path;

use sealmq_bench::bodies;
use sealmq_bench::line_up::{self, RATIO_BODIES, RATIOS};
use sealmq_bench::report::Report;
use sealmq_bench::timing::{self, Clock};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the report is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let webhooks = std::env::args().nth(1).ok_or("usage: bench-seal WEBHOOKS")?;
    let mut report = Report::default();
    for bodies in bodies::all(Path::new(&webhooks))? {
        eprintln!("timing {}", bodies.label);
        let (subjects, mut work): (Vec<_>, Vec<_>) = line_up::all(&bodies)?.into_iter().unzip();
        let times = timing::measure(&mut work, Clock::Thread);
        report.add_rows(&bodies, &subjects, &times);
        if RATIO_BODIES.contains(&bodies.key.as_str()) {
            report.add_ratios(&bodies, RATIOS, &subjects, &times);
        }
    }
    println!("{}", report.to_json());
    Ok(())
}
