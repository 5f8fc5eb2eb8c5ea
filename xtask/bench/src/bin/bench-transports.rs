//! Times messages on their way over real brokers, and prints JSON.

#[allow(clippy::print_stdout, reason = "the report is what it prints")]
#[tokio::main]
async fn main() -> Result<(), sealmq_bench::transports::Failure> {
    println!("{}", sealmq_bench::transports::report().await?);
    Ok(())
}
