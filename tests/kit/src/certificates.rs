//! An authority and the certificates it signs, for tests of TLS.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// A certificate authority of one test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key for a server or client on this machine, as PEM.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn sign(&self, name: &str) -> (String, String) {
        self.sign_for(name, &["localhost", "127.0.0.1"])
    }

    /// Certificate and key for these host names, as PEM.
    ///
    /// # Panics
    /// When no key can be made, or a name is none.
    pub fn sign_for(&self, name: &str, hosts: &[&str]) -> (String, String) {
        self.signed(certificate_of(name, hosts))
    }

    /// The same, for a server or client on this machine, no longer valid.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn sign_expired(&self, name: &str) -> (String, String) {
        let mut params = certificate_of(name, &["localhost", "127.0.0.1"]);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes its own certificate into a folder, and says where.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, &format!("{name}.pem"), &self.pem())
    }

    /// Writes a certificate and its key into a folder, and says where: certificate, key.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn write_signed(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign(name);
        (
            write(folder, &format!("{name}.pem"), &certificate),
            write(folder, &format!("{name}.key"), &key),
        )
    }
}

fn certificate_of(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
