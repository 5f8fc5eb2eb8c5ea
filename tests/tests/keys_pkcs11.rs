//! The key contract on an HSM: SoftHSM behind PKCS#11.

use std::process::ExitCode;

use sealmq_contract_tests::backends::keys_pkcs11::Pkcs11Backend;
use sealmq_contract_tests::keys::kms;

fn main() -> ExitCode {
    Pkcs11Backend::with_tokens(|| kms::suite(Pkcs11Backend).main())
}
