//! The key contracts on the sources without a server: in memory, and in a keyring file.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_local::{
    FileKeyringBackend, MemoryKeyringBackend, MemoryKmsBackend, Protection,
};
use sealmq_contract_tests::keys::{kms, provider};
use sealmq_contract_tests::suite::Suite;

fn main() -> ExitCode {
    let file = || FileKeyringBackend(Protection::Passphrase);
    let in_the_clear = || FileKeyringBackend(Protection::InTheClear);
    let tests = [
        kms::tests("memory-kms::", MemoryKmsBackend),
        kms::tests("file-kms::", file()),
        kms::tests("file-kms-in-the-clear::", in_the_clear()),
        provider::tests("memory-keyring::", MemoryKeyringBackend),
        provider::tests("file-keyring::", file()),
        provider::tests("file-keyring-in-the-clear::", in_the_clear()),
    ];
    Suite::new("keys-local", tests.into_iter().flatten().collect())
        .allow_skips(include_str!("../allowed-skips.txt"))
        .main()
}
