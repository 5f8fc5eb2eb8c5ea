//! The keys in AWS under test: KMS, with keys per tenant and with one key for all, and Secrets
//! Manager.

mod kms;
mod kms_states;
mod secrets;

pub use kms::{PerTenantBackend, SharedBackend};
pub use secrets::AwsSecretsBackend;

use std::sync::atomic::{AtomicUsize, Ordering};

use sealmq_keys_aws::AwsConnection;
use sealmq_test_kit::required;
use uuid::Uuid;

const SECRET: &str = "very-secret-access-key";
/// Regions that cases take turns in: the server that imitates AWS stumbles when a key is created
/// while it looks through the keys of the same region.
const REGIONS: [&str; 16] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "sa-east-1",
];

/// The region of the next case.
fn region() -> &'static str {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    REGIONS[TURN.fetch_add(1, Ordering::Relaxed) % REGIONS.len()]
}

/// A name that no other case uses.
fn unique() -> String {
    Uuid::now_v7().simple().to_string()
}

fn connection(endpoint: &str, region: &str) -> AwsConnection {
    AwsConnection::new()
        .with_endpoint_url(endpoint)
        .with_region(region)
        .with_static_credentials("AKIDTEST", SECRET, None)
        // One server imitates all of AWS, for all cases at once.
        .with_request_timeout(std::time::Duration::from_secs(20))
}

/// `host:port` of the server that a variable names, for what stands before it.
fn address(variable: &str) -> String {
    let endpoint = required(variable);
    endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned()
}
