//! The probe of a token: whether it answers, and to a user who is logged in.

use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::Session;

use crate::error::Failure;
use crate::token::{Token, is_logged_in};

/// The state of the session, the token behind it, and a search for keys with a label that none has.
///
/// Modules may answer for the session without asking the token; a search reaches it, and reads no
/// key.
pub(crate) fn check(session: &Session, token: &Token, key_prefix: &str) -> Result<(), Failure> {
    if !is_logged_in(session)? {
        return Err(Failure::LoggedOut);
    }
    let _reading = token.reading();
    let label = Attribute::Label(key_prefix.as_bytes().to_vec());
    let class = Attribute::Class(ObjectClass::SECRET_KEY);
    session.find_objects(&[class, Attribute::Token(true), label])?;
    Ok(())
}
