//! The key contract on AWS KMS: with keys of each tenant, and with one key for all tenants.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_aws::{PerTenantBackend, SharedBackend};
use sealmq_contract_tests::keys::kms;
use sealmq_contract_tests::suite::Suite;

fn main() -> ExitCode {
    let tests =
        [kms::tests("per-tenant::", PerTenantBackend), kms::tests("shared::", SharedBackend)];
    Suite::new("aws-kms", tests.into_iter().flatten().collect())
        .allow_skips(include_str!("../allowed-skips.txt"))
        .main()
}
