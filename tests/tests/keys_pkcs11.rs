//! The key contract on an HSM: SoftHSM behind PKCS#11.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_pkcs11::Pkcs11Backend;
use sealmq_contract_tests::keys::kms;

const SKIPS: &str = include_str!("../allowed-skips.txt");

fn main() -> ExitCode {
    Pkcs11Backend::with_tokens(|| kms::suite(Pkcs11Backend).allow_skips(SKIPS).main())
}
