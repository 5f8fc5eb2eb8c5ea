//! Whether a connection failed because one side does not trust the other.

use std::error::Error;
use std::iter;

/// Whether we distrust the server's certificate, or it does ours: trying again will not help.
pub fn distrusts(error: &(dyn Error + 'static)) -> bool {
    use rustls::AlertDescription as Alert;
    causes(error).any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::AlertReceived(
                        Alert::UnknownCA
                            | Alert::BadCertificate
                            | Alert::CertificateRequired
                            | Alert::CertificateUnknown
                            | Alert::AccessDenied
                    )
            )
        )
    })
}

/// The error and what is behind it; an I/O error hides its payload from `source`.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let payload = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        payload.map(|payload| payload as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_are_found_behind_errors_of_io() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(distrusts(&io::Error::other(io::Error::other(refused))));
        assert!(!distrusts(&io::Error::other("connection reset")));
    }
}
