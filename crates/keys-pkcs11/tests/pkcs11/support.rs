//! A token for each test, and somebody else who uses it in the same process.

use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId, WrapContext};
use sealmq_keys_pkcs11::{Pin, Pkcs11Config, Pkcs11Service, TokenName};
use sealmq_test_kit::SoftHsm;

/// The label of the token that every test has.
pub(crate) const TOKEN: &str = "orders";

/// An asynchronous test that runs in a process of its own, with a new token.
macro_rules! token_test {
    ($(#[doc = $doc:literal])* $name:ident $body:block) => {
        $(#[doc = $doc])*
        #[test]
        fn $name() {
            let name = concat!(module_path!(), "::", stringify!($name));
            $crate::support::on_token(name, async $body);
        }
    };
}
pub(crate) use token_test;

pub(crate) fn on_token(name: &str, body: impl Future<Output = ()>) {
    if SoftHsm::is_inside() {
        return run(body);
    }
    again(&SoftHsm::new(&[TOKEN]), name);
}

/// Runs the body in this process, and says that it ran.
pub(crate) fn run(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(body);
    std::fs::write(SoftHsm::folder_inside().with_file_name("ran"), "").unwrap();
}

/// Runs the test of this module path in another process with these tokens.
pub(crate) fn again(softhsm: &SoftHsm, name: &str) {
    let (_, name) = name.split_once("::").unwrap();
    let ended = softhsm.run_again(["--exact", name, "--nocapture"]);
    assert!(ended.success(), "{name}: {ended}");
    // A name that matches no test is a success, too.
    assert!(softhsm.folder().join("ran").exists(), "{name} ran");
}

pub(crate) fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

pub(crate) fn config() -> Pkcs11Config {
    let token = TokenName::Label(TOKEN.into());
    // Shared machines can be slow; what must be fast has its own limit.
    Pkcs11Config::new(SoftHsm::module(), token, pin(SoftHsm::PIN))
        .with_call_timeout(Duration::from_secs(60))
}

pub(crate) async fn service() -> Pkcs11Service {
    Pkcs11Service::connect(config()).await.unwrap()
}

pub(crate) fn context(tenant: &str) -> WrapContext {
    WrapContext::new(Some("test"), TenantId::new(tenant).unwrap(), "orders")
}

pub(crate) fn kind<T>(outcome: Result<T, KeyError>) -> KeyErrorKind {
    outcome.err().expect("this is refused").kind().clone()
}

/// Somebody else in this process who uses the same module.
pub(crate) fn neighbour() -> (Pkcs11, Slot) {
    let pkcs11 = Pkcs11::new(SoftHsm::module()).unwrap();
    let _ = pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)); // by any one
    let slots = pkcs11.get_slots_with_initialized_token().unwrap();
    let slot =
        slots.into_iter().find(|slot| pkcs11.get_token_info(*slot).unwrap().label() == TOKEN);
    (pkcs11.clone(), slot.unwrap())
}

/// A session of somebody else, logged in.
pub(crate) fn neighbours_session() -> Session {
    let (pkcs11, slot) = neighbour();
    let session = pkcs11.open_rw_session(slot).unwrap();
    let _ = session.login(UserType::User, Some(&AuthPin::new(SoftHsm::PIN.into()))); // may be
    session
}
