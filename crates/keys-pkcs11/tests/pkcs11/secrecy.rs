//! What is logged and shown, in good times and in bad ones, holds no PIN and no DEK.

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use cryptoki::context::Pkcs11;
use sealmq_crypto_core::KeyManagementService;
use sealmq_keys_pkcs11::{Pkcs11Config, Pkcs11Service, TokenName};
use sealmq_test_kit::SoftHsm;

use crate::support::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn spellings(secret: &[u8]) -> [Vec<u8>; 3] {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    [secret.to_vec(), hex.into_bytes(), format!("{secret:?}").into_bytes()]
}

token_test! {
    neither_logs_nor_errors_show_a_secret {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        let wrong_pin = "a wrong PIN that must not be seen";
        let token = TokenName::Label(TOKEN.into());
        let wrong = Pkcs11Config::new(SoftHsm::module(), token, pin(wrong_pin));
        let mut errors = vec![Pkcs11Service::connect(wrong).await.unwrap_err()];
        let service = service().await;
        let used = context("acme");
        let made = service.generate_dek(&used).await.unwrap();
        let session = neighbours_session();
        session.logout().unwrap();
        errors.push(service.encrypt_dek(&made.dek, &used).await.unwrap_err());
        service.generate_dek(&used).await.unwrap();
        Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
        errors.push(service.decrypt_dek(&made.wrapped, &used).await.unwrap_err());
        errors.push(service.decrypt_dek(&made.wrapped, &context("other")).await.unwrap_err());
        let mut changed = made.wrapped.clone();
        changed[40] ^= 1;
        errors.push(service.rewrap_dek(&changed, &used).await.unwrap_err());
        errors.push(service.decrypt_dek(made.dek.expose_secret(), &used).await.unwrap_err());

        let mut shown = log.0.lock().unwrap().clone();
        assert!(String::from_utf8_lossy(&shown).contains("are replaced"), "something is logged");
        for error in &errors {
            let source = error.source().map(ToString::to_string);
            shown.extend(format!("{error} {error:?} {source:?}").into_bytes());
        }
        shown.extend(format!("{service:?} {:?} {made:?}", config()).into_bytes());
        let holds = |secret: &[u8]| {
            spellings(secret).iter().any(|text| shown.windows(text.len()).any(|part| part == text))
        };
        assert!(holds(b"acme"), "what is shown is found");
        let secrets = [SoftHsm::PIN, SoftHsm::SO_PIN, wrong_pin].map(str::as_bytes);
        for secret in secrets.into_iter().chain([&made.dek.expose_secret()[..]]) {
            assert!(!holds(secret), "a secret is shown");
        }
    }
}
