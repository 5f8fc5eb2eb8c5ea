//! The keyring file as JSON: the header, and the keys or what the passphrase made of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::KeyError;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::passphrase_key::{PassphraseKey, SALT_LEN, Sealed};
use super::payload::Payload;
use super::secret_buffer::SecretBuffer;
use crate::PassphraseCost;
use crate::contents::Contents;
use crate::error::{Flaw, malformed};

const FORMAT: &str = "sealmq-keyring";
const VERSION: u32 = 1;
const KDF: &str = "argon2id";
const AEAD: &str = "aes-256-gcm";
const IN_THE_CLEAR: &str = "none";
const BY_PASSPHRASE: &str = "passphrase";

/// A keyring file that was read.
pub(super) enum Document {
    InTheClear(Contents),
    ByPassphrase { cost: PassphraseCost, salt: [u8; SALT_LEN], sealed: Sealed },
}

/// What every version of the format has, whatever else it has.
#[derive(Deserialize)]
struct Preamble<'a> {
    format: &'a str,
    version: u32,
    protection: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInTheClear<'a> {
    format: &'a str,
    version: u32,
    protection: &'a str,
    payload: Payload,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileByPassphrase<'a> {
    format: &'a str,
    version: u32,
    protection: &'a str,
    #[serde(borrow)]
    kdf: Kdf<'a>,
    #[serde(borrow)]
    aead: Aead<'a>,
    payload: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf<'a> {
    algorithm: &'a str,
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    salt: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Aead<'a> {
    algorithm: &'a str,
    nonce: &'a str,
}

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let Preamble { format, version, protection } = from_json(bytes)?;
        if format != FORMAT {
            return Err(Flaw::malformed(format!("its format is not {FORMAT:?}")));
        }
        if version != VERSION {
            let reason = format!("its version is {version}, and this program reads {VERSION}");
            return Err(Flaw::malformed(reason));
        }
        match protection {
            Some(IN_THE_CLEAR) => {
                let file: FileInTheClear<'_> = from_json(bytes)?;
                contents(file.payload).map(Self::InTheClear)
            }
            Some(BY_PASSPHRASE) => from_json::<FileByPassphrase<'_>>(bytes)?.decode(),
            _ => Err(Flaw::malformed("its protection is not a known one")),
        }
    }
}

impl FileByPassphrase<'_> {
    fn decode(self) -> Result<Document, Flaw> {
        let Kdf { algorithm, memory_kib, iterations, parallelism, salt } = self.kdf;
        if algorithm != KDF || self.aead.algorithm != AEAD {
            return Err(Flaw::malformed(format!("its algorithms are not {KDF} and {AEAD}")));
        }
        let cost = PassphraseCost::new(memory_kib, iterations, parallelism)
            .map_err(|error| Flaw::malformed(format!("the cost of its passphrase: {error}")))?;
        let salt = fixed("salt", salt)?;
        let nonce = fixed("nonce", self.aead.nonce)?;
        let ciphertext = decode_base64("payload", self.payload)?;
        Ok(Document::ByPassphrase { cost, salt, sealed: Sealed { nonce, ciphertext } })
    }
}

/// The file of these keys, in the clear.
pub(super) fn render_in_the_clear(contents: &Contents) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    to_json(&FileInTheClear {
        format: FORMAT,
        version: VERSION,
        protection: IN_THE_CLEAR,
        payload: Payload::of(contents),
    })
}

/// The file of these keys under this passphrase.
pub(super) fn render_by_passphrase(
    contents: &Contents,
    key: &PassphraseKey,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let sealed = key.seal(&to_json(&Payload::of(contents))?)?;
    to_json(&FileByPassphrase {
        format: FORMAT,
        version: VERSION,
        protection: BY_PASSPHRASE,
        kdf: Kdf {
            algorithm: KDF,
            memory_kib: key.cost.memory_kib(),
            iterations: key.cost.iterations(),
            parallelism: key.cost.parallelism(),
            salt: &STANDARD.encode(key.salt),
        },
        aead: Aead { algorithm: AEAD, nonce: &STANDARD.encode(sealed.nonce) },
        payload: &STANDARD.encode(sealed.ciphertext),
    })
}

/// The keys of a payload that was unsealed.
pub(super) fn parse_payload(bytes: &[u8]) -> Result<Contents, Flaw> {
    contents(from_json(bytes)?)
}

fn contents(payload: Payload) -> Result<Contents, Flaw> {
    payload.into_contents().map_err(Flaw::malformed)
}

fn to_json(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut buffer = SecretBuffer::default();
    serde_json::to_writer_pretty(&mut buffer, value)
        .map_err(|_| malformed("the keyring cannot be written as JSON"))?;
    Ok(buffer.into_bytes())
}

/// The texts of serde's own errors quote what they found, which may be a key: only the place goes
/// on.
fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Flaw> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = match error.classify() {
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "it is not JSON",
            Category::Data => "a field is missing, unknown or of the wrong kind",
        };
        Flaw::malformed(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

fn decode_base64(field: &str, text: &str) -> Result<Vec<u8>, Flaw> {
    STANDARD.decode(text).map_err(|_| Flaw::malformed(format!("its {field} is not base64")))
}

fn fixed<const N: usize>(field: &str, text: &str) -> Result<[u8; N], Flaw> {
    let wrong_length = |_| Flaw::malformed(format!("its {field} has not {N} bytes"));
    decode_base64(field, text)?.try_into().map_err(wrong_length)
}
