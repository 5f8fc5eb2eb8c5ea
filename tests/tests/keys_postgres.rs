//! The key contracts on PostgreSQL: the key service, and the store of DEKs.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_postgres::{
    PostgresDekStoreBackend, PostgresKeyServiceBackend,
};
use sealmq_contract_tests::keys::{kms, provider};
use sealmq_contract_tests::suite::Suite;

fn main() -> ExitCode {
    let tests = [
        kms::tests("postgres-kms::", PostgresKeyServiceBackend),
        provider::tests("postgres-deks::", PostgresDekStoreBackend),
    ];
    Suite::new("keys-postgres", tests.into_iter().flatten().collect()).main()
}
