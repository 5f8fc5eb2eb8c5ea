//! Which configurations are acceptable.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealmq_queue_core::TransportError;

use super::{MAX_POLL_WAIT, SqsConfig};
use crate::names;

impl SqsConfig {
    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), TransportError> {
        let credentials = self.credentials.as_ref();
        let checks = [
            (
                "endpoint_url",
                "is http:// or https:// and a host, without user or query",
                self.endpoint_url.as_deref().is_none_or(is_endpoint),
            ),
            ("region", "is like eu-central-1", self.region.as_deref().is_none_or(is_region)),
            ("queue_owner", "is 12 digits", self.queue_owner.as_deref().is_none_or(is_account)),
            (
                "dead_letter_suffix",
                "is 1 to 40 of A-Z a-z 0-9 _ -",
                is_suffix(&self.dead_letter_suffix),
            ),
            ("request_timeout", "must not be zero", !self.request_timeout.is_zero()),
            ("poll_wait", "is 20 s at most", self.poll_wait <= MAX_POLL_WAIT),
            (
                "access_key_id",
                "is empty",
                credentials.is_none_or(|keys| !keys.access_key_id().is_empty()),
            ),
            (
                "secret_access_key",
                "is empty",
                credentials.is_none_or(|keys| !keys.secret_access_key().is_empty()),
            ),
            (
                "root_certificates_pem",
                "is no list of PEM certificates",
                self.root_certificates_pem.as_deref().is_none_or(are_certificates),
            ),
        ];
        match checks.into_iter().find(|(_, _, valid)| !valid) {
            Some((field, reason, _)) => Err(TransportError::invalid_input(field, reason)),
            None => Ok(()),
        }
    }
}

fn is_endpoint(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '"' | '\\');
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':')) && url.chars().all(plain)
}

fn is_region(region: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&region.len()) && region.bytes().all(part)
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_suffix(suffix: &str) -> bool {
    (1..=40).contains(&suffix.len()) && suffix.bytes().all(names::is_name_byte)
}

/// The SDK's HTTP client panics on what is none.
fn are_certificates(pem: &[u8]) -> bool {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let parsed = certificates.map(|certificates| {
        let count = certificates.len();
        RootCertStore::empty().add_parsable_certificates(certificates) == (count, 0) && count > 0
    });
    parsed.unwrap_or(false)
}
