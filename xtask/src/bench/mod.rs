//! `cargo xtask bench`: runs the measuring programs, shows their rows, and checks their ratios.

mod check;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::report::write_json;
use crate::servers::Session;
use crate::tools::{Workspace, output_of};

/// Bodies of real webhooks, one JSON value a line.
const WEBHOOKS: &str = "crates/cli/data/webhooks.jsonl";

/// The allocator keeps what is freed. Otherwise bodies above 128 KiB measure how fast the kernel
/// maps pages, and that depends on what else happens to be allocated.
const KEEP_MEMORY: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "268435456"), ("MALLOC_TRIM_THRESHOLD_", "268435456")];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(clap::Subcommand)]
enum Bench {
    /// Sealing and opening, beside the ciphers alone
    Seal(Output),
    /// Messages through the client, beside the in-memory broker alone
    Client(Output),
    /// Messages over real brokers: sealed beside plaintext, the client beside the bare SDK
    Transports(Output),
}

#[derive(clap::Args)]
struct Output {
    /// Also writes rows and ratios as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fails when a ratio is more than 25 % off what docs/performance.md says
    #[arg(long)]
    check: bool,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    rows: Vec<Row>,
    ratios: Ratios,
}

type Ratios = BTreeMap<String, f64>;

/// One subject with one kind of body.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    body: String,
    body_bytes: u64,
    operation: String,
    subject: String,
    /// Microseconds per message.
    micros: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_added: Option<u64>,
    /// Allocations per message.
    #[serde(skip_serializing_if = "Option::is_none")]
    allocations: Option<f64>,
}

#[derive(Deserialize)]
struct Allocations {
    rows: Vec<AllocationsRow>,
}

#[derive(Deserialize)]
struct AllocationsRow {
    body: String,
    operation: String,
    subject: String,
    allocations: f64,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let (name, report, output) = match &arguments.bench {
        Bench::Seal(output) => ("seal", seal(workspace)?, output),
        Bench::Client(output) => ("client", measure(workspace, "bench-client", &[])?, output),
        Bench::Transports(output) => {
            let session = Session::new(workspace);
            let servers = session.need(&["nats", "sqs", "servicebus"])?;
            ("transports", measure(workspace, "bench-transports", &servers)?, output)
        }
    };
    println!("\n{}", table::of_rows(&report.rows));
    println!("{}", table::of_ratios(&report.ratios));
    if let Some(path) = &output.json {
        write_json(path, &report)?;
    }
    if output.check {
        println!("{}", check::run(workspace, name, &report.ratios)?);
    }
    Ok(())
}

fn seal(workspace: &Workspace) -> Result<Report> {
    let counted: Allocations = measure(workspace, "bench-allocations", &[])?;
    let mut report: Report = measure(workspace, "bench-seal", &[])?;
    for row in &mut report.rows {
        let counted = counted.rows.iter().find(|counted| {
            (&counted.body, &counted.operation, &counted.subject)
                == (&row.body, &row.operation, &row.subject)
        });
        row.allocations = counted.map(|counted| counted.allocations);
    }
    Ok(report)
}

/// Builds one of the measuring programs, optimized, runs it, and reads what it prints.
fn measure<T: DeserializeOwned>(
    workspace: &Workspace,
    program: &str,
    servers: &[(String, String)],
) -> Result<T> {
    let mut command = workspace.cargo(["run", "--release", "--package", "sealmq-bench", "--bin"]);
    command.args([program, "--", WEBHOOKS]).envs(KEEP_MEMORY);
    command.envs(servers.iter().cloned());
    let text = output_of(&mut command)?;
    serde_json::from_str(&text).with_context(|| format!("what {program} printed"))
}
