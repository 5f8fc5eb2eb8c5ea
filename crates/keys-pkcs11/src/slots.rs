//! The slots of a module that hold a token now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::Slot;

/// The slots. If somebody else in this process had ended the module, it is initialized anew: all
/// sessions are gone by then, and `forget_sessions` drops what is left of them before their numbers
/// can be those of others.
pub(crate) fn with_tokens(
    pkcs11: &Pkcs11,
    forget_sessions: impl FnOnce(),
) -> Result<Vec<Slot>, Error> {
    match pkcs11.get_slots_with_initialized_token() {
        Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
            forget_sessions();
            initialize(pkcs11)?;
            pkcs11.get_slots_with_initialized_token()
        }
        slots => slots,
    }
}

/// Initializes the module, if nobody in this process did.
pub(crate) fn initialize(pkcs11: &Pkcs11) -> Result<(), Error> {
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        outcome => outcome,
    }
}

/// What the locks of this crate guard is whole between any two calls: a panic leaves nothing half
/// done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
