//! The key contracts on Vault and OpenBao: Transit as a key service, KV as a key store.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_vault::{VaultKvBackend, VaultTransitBackend};
use sealmq_contract_tests::keys::{kms, provider};
use sealmq_contract_tests::suite::Suite;

fn main() -> ExitCode {
    let tests = [
        kms::tests("vault-transit::", VaultTransitBackend),
        provider::tests("vault-kv::", VaultKvBackend),
    ];
    Suite::new("keys-vault", tests.into_iter().flatten().collect()).main()
}
