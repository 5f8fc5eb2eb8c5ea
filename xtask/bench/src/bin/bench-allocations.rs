//! Counts what sealing and opening allocate, and prints it as JSON. Apart from the timing, because
//! the counting allocator takes time of its own.

use std::error::Error;
use std::path::Path;

use sealmq_bench::{bodies, line_up};
use serde_json::json;

/// Repetitions that are counted; caches are filled by one before.
const COUNTED: usize = 8;

#[allow(clippy::print_stdout, reason = "the report is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let webhooks = std::env::args().nth(1).ok_or("usage: bench-allocations WEBHOOKS")?;
    let mut rows = Vec::new();
    for bodies in bodies::all(Path::new(&webhooks))? {
        for (subject, mut work) in line_up::all(&bodies)? {
            work.prepare(1);
            work.execute(1);
            let mut allocations = 0;
            for _ in 0..COUNTED {
                work.prepare(1);
                allocations += allocation_counter::measure(|| work.execute(1)).count_total;
            }
            let messages = (COUNTED * subject.messages) as f64;
            rows.push(json!({
                "body": bodies.label,
                "operation": subject.operation,
                "subject": subject.name,
                "allocations": allocations as f64 / messages,
            }));
        }
    }
    println!("{}", json!({ "rows": rows }));
    Ok(())
}
