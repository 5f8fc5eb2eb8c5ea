//! The key contract on AWS Secrets Manager.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_aws::AwsSecretsBackend;
use sealmq_contract_tests::keys::provider;

fn main() -> ExitCode {
    provider::suite(AwsSecretsBackend).main()
}
