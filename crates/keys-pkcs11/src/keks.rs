//! The KEKs of a tenant as objects of the token: how they are found, made and shredded.
//!
//! PKCS#11 has no lock and no "create if absent". Two processes that use a tenant for the first time
//! at once may each make a version 1. Both stay: every process that lists them afterwards wraps by the
//! one whose id is lowest, and unwraps by whichever opens. So whatever was wrapped opens everywhere,
//! and all agree on one key as soon as they see both.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use sealmq_crypto_core::{EncryptionKey, KeyError, random_bytes};

use crate::error::{Failure, unavailable};
use crate::token::is_logged_in;

const VERSION_LEN: usize = 4;

/// `CKA_ID` of a KEK: `version u32 BE ‖ 12 random bytes`.
const ID_LEN: usize = VERSION_LEN + 12;

/// `CKA_APPLICATION` of a tombstone.
const APPLICATION: &[u8] = b"sealmq";

/// One KEK.
#[derive(Clone)]
pub(crate) struct Kek {
    pub(crate) version: u32,
    id: Vec<u8>,
    pub(crate) handle: ObjectHandle,
}

/// What the token holds of a tenant.
pub(crate) enum Tenant {
    Unused,
    /// A tombstone: the tenant is refused, and not created anew.
    Shredded,
    Live(Keks),
}

/// The KEKs of a tenant, sorted by version, then by id; never empty.
pub(crate) struct Keks(Vec<Kek>);

impl Keks {
    /// The KEK that wraps: of the latest version the one with the lowest id.
    pub(crate) fn latest(&self) -> &Kek {
        let latest = self.0[self.0.len() - 1].version;
        let first = self.0.partition_point(|kek| kek.version < latest);
        &self.0[first]
    }

    /// Every KEK of this version; more than one only after processes created it at once.
    pub(crate) fn of_version(&self, version: u32) -> impl Iterator<Item = &Kek> {
        self.0.iter().filter(move |kek| kek.version == version)
    }
}

/// What the token holds under this label.
pub(crate) fn find(session: &Session, label: &[u8]) -> Result<Tenant, Failure> {
    // Keys first: a tombstone is put up before any key goes, so that without one none is missing.
    let mut keks = Vec::new();
    for handle in keys(session, label)? {
        keks.extend(read(session, handle)?);
    }
    keks.sort_by(|a, b| a.id.cmp(&b.id)); // ids begin with the version
    if has_tombstone(session, label)? {
        return Ok(Tenant::Shredded);
    }
    // Who is not logged in finds nothing either. That must not count as "there is none".
    if !is_logged_in(session)? {
        return Err(Failure::LoggedOut);
    }
    Ok(if keks.is_empty() { Tenant::Unused } else { Tenant::Live(Keks(keks)) })
}

/// Makes a KEK of this version and says what the token holds then.
pub(crate) fn create(
    session: &Session,
    label: &[u8],
    version: u32,
    restrict_mechanisms: bool,
) -> Result<Tenant, Failure> {
    let id = [&version.to_be_bytes()[..], &random_bytes::<{ ID_LEN - VERSION_LEN }>()?].concat();
    let made =
        session.generate_key(&Mechanism::AesKeyGen, &template(label, id, restrict_mechanisms))?;
    let tenant = find(session, label)?;
    if let Tenant::Shredded = tenant {
        destroy(session, made)?; // another process shredded the tenant in the meantime
    }
    Ok(tenant)
}

fn template(label: &[u8], id: Vec<u8>, restrict_mechanisms: bool) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(Ulong::new(EncryptionKey::LEN as _)),
        Attribute::Label(label.to_vec()),
        Attribute::Id(id),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Modifiable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
    ];
    if restrict_mechanisms {
        template.push(Attribute::AllowedMechanisms(vec![MechanismType::AES_GCM]));
    }
    template
}

/// Puts up the tombstone, then destroys every key: whoever comes in between finds the tombstone.
pub(crate) fn shred(session: &Session, label: &[u8]) -> Result<(), Failure> {
    if !is_logged_in(session)? {
        return Err(Failure::LoggedOut);
    }
    if !has_tombstone(session, label)? {
        session.create_object(&[
            Attribute::Class(ObjectClass::DATA),
            Attribute::Application(APPLICATION.to_vec()),
            Attribute::Label(label.to_vec()),
            Attribute::Value(b"shredded".to_vec()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Modifiable(false),
        ])?;
    }
    for handle in keys(session, label)? {
        destroy(session, handle)?;
    }
    let left = keys(session, label)?;
    // The tombstone is private: who sees it was logged in and would have seen a key.
    match has_tombstone(session, label)? {
        false => Err(Failure::LoggedOut),
        true if left.is_empty() => Ok(()),
        true => Err(unavailable("keys were made while the tenant was shredded").into()),
    }
}

fn keys(session: &Session, label: &[u8]) -> Result<Vec<ObjectHandle>, Error> {
    let class = Attribute::Class(ObjectClass::SECRET_KEY);
    session.find_objects(&[class, Attribute::Token(true), Attribute::Label(label.to_vec())])
}

fn has_tombstone(session: &Session, label: &[u8]) -> Result<bool, Error> {
    let class = Attribute::Class(ObjectClass::DATA);
    let application = Attribute::Application(APPLICATION.to_vec());
    let found = session.find_objects(&[class, application, Attribute::Label(label.to_vec())])?;
    Ok(!found.is_empty())
}

fn destroy(session: &Session, handle: ObjectHandle) -> Result<(), Error> {
    match session.destroy_object(handle) {
        Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => Ok(()), // somebody else did
        outcome => outcome,
    }
}

/// The KEK behind a handle. `None` for a key that is gone again, and for one that we did not make:
/// whoever knows the bytes of a key could plant it here, and read what we wrap by it.
fn read(session: &Session, handle: ObjectHandle) -> Result<Option<Kek>, Failure> {
    use AttributeType as A;
    let asked = [A::Id, A::KeyType, A::Local, A::AlwaysSensitive, A::NeverExtractable];
    let attributes = match session.get_attributes(handle, &asked) {
        Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => return Ok(None),
        attributes => attributes?,
    };
    let mut id = None;
    let mut marks = 0;
    for attribute in attributes {
        match attribute {
            Attribute::Id(bytes) => id = Some(bytes),
            Attribute::KeyType(KeyType::AES)
            | Attribute::Local(true)
            | Attribute::AlwaysSensitive(true)
            | Attribute::NeverExtractable(true) => marks += 1,
            _ => {}
        }
    }
    let version = id.as_deref().and_then(version_of);
    match (version, id) {
        (Some(version), Some(id)) if marks == asked.len() - 1 => {
            Ok(Some(Kek { version, id, handle }))
        }
        _ => {
            tracing::warn!("a key with the label of a KEK was not made by this service: ignored");
            Ok(None)
        }
    }
}

fn version_of(id: &[u8]) -> Option<u32> {
    let version = u32::from_be_bytes(*id.first_chunk()?);
    (id.len() == ID_LEN && version > 0).then_some(version)
}

/// The version after this one.
pub(crate) fn next_version(latest: u32) -> Result<u32, KeyError> {
    latest
        .checked_add(1)
        .ok_or_else(|| KeyError::invalid_input("tenant", "its KEK cannot be rotated any further"))
}
