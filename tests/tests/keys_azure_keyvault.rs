//! The key contracts on Azure Key Vault: the one that the tests share, and a managed HSM started
//! here.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use sealmq_contract_tests::backends::keys_azure::{
    KeyVaultKmsBackend, KeyVaultSecretsBackend, Wraps,
};
use sealmq_contract_tests::keys::{kms, provider};
use sealmq_contract_tests::suite::Suite;
use sealmq_test_kit::KeyVault;

fn main() -> ExitCode {
    let vault = Arc::new(KeyVault::from_env());
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers");
    let hsm = Arc::new(KeyVault::start(&servers, &["--hsm"]));
    let kms = |prefix, vault: &Arc<KeyVault>, wraps| {
        kms::tests(prefix, KeyVaultKmsBackend::new(Arc::clone(vault), wraps))
    };
    let tests = [
        kms("rsa::", &vault, Wraps::AuthenticatedRsa),
        kms("rsa-unauthenticated::", &vault, Wraps::UnauthenticatedRsa),
        kms("hsm::", &hsm, Wraps::SymmetricHsm),
        provider::tests("secrets::", KeyVaultSecretsBackend::new(vault)),
    ];
    let tests = tests.into_iter().flatten().collect();
    // Most of them wait for the server, or for a second to end.
    Suite::new("keys-azure-keyvault", tests).at_once(Some(16)).main()
}
