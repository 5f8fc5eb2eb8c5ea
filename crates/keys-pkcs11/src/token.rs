//! One token: where it is plugged in, and the login that all of this process share.
//!
//! Login belongs to the application and the token, not to a session, and ends with the last
//! session: one more session, which does no work, holds it.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;

use crate::error::{Failure, denied, unavailable};
use crate::pin::Pin;
use crate::slots::{lock, with_tokens};

pub(crate) struct Token {
    pkcs11: Pkcs11,
    serial: String,
    label: String,
    login: Mutex<Login>,
    objects: RwLock<()>,
}

#[derive(Default)]
struct Login {
    holder: Option<Session>,
    /// PINs that this token refused: each try brings it nearer to locking itself.
    refused: Vec<Arc<Pin>>,
}

impl Token {
    pub(crate) fn new(pkcs11: Pkcs11, serial: String, label: String) -> Self {
        Self { pkcs11, serial, label, login: Mutex::default(), objects: RwLock::default() }
    }

    pub(crate) fn serial(&self) -> &str {
        &self.serial
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Keys of the token are used by many in this process at once,
    pub(crate) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// and changed by one, while nobody uses them: rotations are counted without gaps, and SoftHSM
    /// does not always survive a key that is made while others search.
    pub(crate) fn changing(&self) -> RwLockWriteGuard<'_, ()> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session that is logged in.
    pub(crate) fn open(&self, pin: &Arc<Pin>, read_only: bool) -> Result<Session, Failure> {
        let mut login = lock(&self.login);
        let slot = self.slot(&mut login)?;
        self.log_in(&mut login, slot, pin)?;
        let session = match read_only {
            true => self.pkcs11.open_ro_session(slot)?,
            false => self.pkcs11.open_rw_session(slot)?,
        };
        Ok(session)
    }

    /// Where the token is plugged in now.
    fn slot(&self, login: &mut Login) -> Result<Slot, Failure> {
        let slots = with_tokens(&self.pkcs11, || login.holder = None)?;
        let found = slots.into_iter().find(|slot| {
            let info = self.pkcs11.get_token_info(*slot);
            info.is_ok_and(|info| info.serial_number() == self.serial)
        });
        found.ok_or_else(|| unavailable(format!("token {:?} is not present", self.label)).into())
    }

    fn log_in(&self, login: &mut Login, slot: Slot, pin: &Arc<Pin>) -> Result<(), Failure> {
        if let Some(holder) = &login.holder {
            match is_logged_in(holder) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => login.holder = None,
            }
        }
        let holder = match login.holder.take() {
            Some(holder) => holder,
            None => self.pkcs11.open_ro_session(slot)?,
        };
        self.present(&mut login.refused, slot, pin, &holder)?;
        login.holder = Some(holder);
        Ok(())
    }

    /// Shows the token the PIN, if that cannot lock it.
    fn present(
        &self,
        refused: &mut Vec<Arc<Pin>>,
        slot: Slot,
        pin: &Arc<Pin>,
        session: &Session,
    ) -> Result<(), Failure> {
        if refused.iter().any(|known| known.is(pin)) {
            return Err(denied("the token refused this PIN before: it is not tried again").into());
        }
        let info = self.pkcs11.get_token_info(slot)?;
        if info.user_pin_locked() {
            return Err(denied("the PIN is locked: the security officer can reset it").into());
        }
        if info.user_pin_final_try() {
            let reason = "one try is left before the PIN is locked: log in by the vendor's tool";
            return Err(denied(reason).into());
        }
        match session.login(UserType::User, Some(&pin.for_login())) {
            Ok(()) => refused.clear(),
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => {
                if let Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _) = error {
                    refused.push(Arc::clone(pin));
                }
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// Whether the session sees the private objects of the user.
pub(crate) fn is_logged_in(session: &Session) -> Result<bool, Error> {
    let state = session.get_session_info()?.session_state();
    Ok(matches!(state, SessionState::RoUser | SessionState::RwUser))
}
