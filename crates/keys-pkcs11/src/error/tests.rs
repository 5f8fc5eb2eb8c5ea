//! The table of answers, row by row.

use cryptoki::context::Function;

use super::*;

#[test]
fn answers_mean_what_the_table_says() {
    use KeyErrorKind as K;
    use RvError as R;
    use Session::{Broken, Usable};
    let throttled = K::Throttled { retry_after: None };
    let rows = [
        (R::PinIncorrect, K::Denied, Usable),
        (R::PinLocked, K::Denied, Usable),
        (R::PinExpired, K::Denied, Usable),
        (R::UserPinNotInitialized, K::Denied, Usable),
        (R::UserAnotherAlreadyLoggedIn, K::Denied, Usable),
        (R::SessionReadOnly, K::Denied, Usable),
        (R::TokenWriteProtected, K::Denied, Usable),
        (R::KeyFunctionNotPermitted, K::Denied, Usable),
        (R::MechanismInvalid, K::Denied, Usable),
        (R::MechanismParamInvalid, K::Denied, Usable),
        (R::TemplateInconsistent, K::Denied, Usable),
        (R::EncryptedDataInvalid, K::ContextMismatch, Usable),
        (R::SessionCount, throttled, Usable),
        (R::KeyHandleInvalid, K::Unavailable, Usable),
        (R::ObjectHandleInvalid, K::Unavailable, Usable),
        (R::SessionHandleInvalid, K::Unavailable, Broken),
        (R::SessionClosed, K::Unavailable, Broken),
        (R::UserNotLoggedIn, K::Unavailable, Broken),
        (R::DeviceError, K::Unavailable, Broken),
        (R::DeviceRemoved, K::Unavailable, Broken),
        (R::TokenNotPresent, K::Unavailable, Broken),
        (R::CryptokiNotInitialized, K::Unavailable, Broken),
        (R::OperationActive, K::Unavailable, Broken),
        (R::GeneralError, K::Unavailable, Broken),
        (R::VendorDefined(1), K::Unavailable, Broken),
        (R::UnknownErrorCode(1), K::Unavailable, Broken),
    ];
    for (answer, kind, session) in rows {
        let failure = Failure::from(Error::Pkcs11(answer, Function::Encrypt));
        assert_eq!(failure.session(), session, "{answer:?}");
        let error = KeyError::from(failure);
        assert_eq!(*error.kind(), kind, "{answer:?}");
        let retryable = matches!(kind, K::Unavailable | K::Throttled { .. });
        assert_eq!(error.is_retryable(), retryable, "{answer:?}");
    }
}

#[test]
fn what_the_module_lacks_is_permanent() {
    for error in [Error::NullFunctionPointer, Error::NotSupported, Error::MissingSymbol("x")] {
        assert!(!KeyError::from(Failure::from(error)).is_retryable());
    }
}
