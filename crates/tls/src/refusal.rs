//! Why a handshake was refused, when one side does not trust the other.

use std::error::Error;
use std::fmt;
use std::iter;

use rustls::AlertDescription as Alert;
use rustls::CertificateError as Bad;

/// Which side does not trust the other, and why. It passes when a certificate is renewed, and no
/// sooner.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// We do not trust the authority of the server's certificate.
    UnknownAuthority,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate is not acceptable for another reason.
    BadCertificate,
    /// The server wants a client certificate, and was shown none.
    ClientCertificateMissing,
    /// The server does not trust the authority of our certificate.
    ClientAuthorityUnknown,
    /// Our certificate has expired.
    ClientCertificateExpired,
    /// The server refused our certificate, or misses one.
    ClientCertificateRefused,
}

impl Refusal {
    /// The refusal behind an error, if it is one.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        causes(error).find_map(|cause| match cause.downcast_ref()? {
            rustls::Error::InvalidCertificate(bad) => Some(match bad {
                Bad::UnknownIssuer => Self::UnknownAuthority,
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired,
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYetValid,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongName,
                _ => Self::BadCertificate,
            }),
            rustls::Error::AlertReceived(alert) => match alert {
                Alert::CertificateRequired => Some(Self::ClientCertificateMissing),
                Alert::UnknownCA => Some(Self::ClientAuthorityUnknown),
                Alert::CertificateExpired => Some(Self::ClientCertificateExpired),
                Alert::BadCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnsupportedCertificate
                | Alert::AccessDenied => Some(Self::ClientCertificateRefused),
                _ => None,
            },
            _ => None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAuthority => {
                "the server's certificate is of an authority that is not trusted"
            }
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WrongName => "the server's certificate is for another name",
            Self::BadCertificate => "the server's certificate is not acceptable",
            Self::ClientCertificateMissing => "the server wants a client certificate",
            Self::ClientAuthorityUnknown => {
                "the server does not trust the authority of the client certificate"
            }
            Self::ClientCertificateExpired => "the client certificate has expired",
            Self::ClientCertificateRefused => {
                "the server refused the client certificate, or wants one"
            }
        })
    }
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
        let refused = rustls::Error::InvalidCertificate(Bad::UnknownIssuer);
        let nested = io::Error::other(io::Error::other(refused));
        assert_eq!(Refusal::of(&nested), Some(Refusal::UnknownAuthority));
        assert_eq!(Refusal::of(&io::Error::other("connection reset")), None);
    }

    #[test]
    fn each_side_is_told_apart() {
        let table = [
            (rustls::Error::InvalidCertificate(Bad::Expired), Some(Refusal::Expired)),
            (rustls::Error::InvalidCertificate(Bad::NotValidForName), Some(Refusal::WrongName)),
            (rustls::Error::InvalidCertificate(Bad::BadSignature), Some(Refusal::BadCertificate)),
            (
                rustls::Error::AlertReceived(Alert::CertificateRequired),
                Some(Refusal::ClientCertificateMissing),
            ),
            (rustls::Error::AlertReceived(Alert::UnknownCA), Some(Refusal::ClientAuthorityUnknown)),
            (rustls::Error::AlertReceived(Alert::InternalError), None),
        ];
        for (error, expected) in table {
            assert_eq!(Refusal::of(&error), expected, "{error}");
        }
    }
}
