//! What KMS refuses and the server that imitates it does not: by the state of a key, and because
//! another key was named.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_test_kit::{Answer, Request};
use serde_json::Value;

/// The id of its key stands first in a ciphertext of the server.
const KEY_ID_LEN: usize = 36;

/// The keys of one proxy, as far as requests tell of them.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
#[derive(Default)]
pub(super) struct KmsStates {
    aliases: HashMap<String, String>,
    ended: HashSet<String>,
}

impl KmsStates {
    /// The refusal of KMS, if it would refuse this request.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Answer> {
        let action = request.header("x-amz-target")?.strip_prefix("TrentService.")?;
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        match action {
            "CreateAlias" | "UpdateAlias" => {
                let (name, key) = (text("AliasName")?, id_of(text("TargetKeyId")?));
                let refusal = self.pending(&key);
                if refusal.is_none() && action == "UpdateAlias" {
                    self.aliases.insert(name.to_owned(), key);
                } else if refusal.is_none() {
                    self.aliases.entry(name.to_owned()).or_insert(key);
                }
                refusal
            }
            "ScheduleKeyDeletion" => {
                let key = id_of(text("KeyId")?);
                self.pending(&key).or_else(|| {
                    self.ended.insert(key);
                    None
                })
            }
            "GenerateDataKey" | "Encrypt" => self.pending(&self.key(text("KeyId")?)?),
            "Decrypt" => self.opening(text("KeyId"), text("CiphertextBlob")),
            "ReEncrypt" => self
                .opening(text("SourceKeyId"), text("CiphertextBlob"))
                .or_else(|| self.pending(&self.key(text("DestinationKeyId")?)?)),
            _ => None,
        }
    }

    fn key(&self, name: &str) -> Option<String> {
        match name.find("alias/") {
            Some(at) => self.aliases.get(&name[at..]).cloned(),
            None => Some(id_of(name)),
        }
    }

    fn pending(&self, key: &str) -> Option<Answer> {
        let message = format!("arn:aws:kms:us-east-1:123456789012:key/{key} is pending deletion.");
        self.ended.contains(key).then(|| refusal("KMSInvalidStateException", &message))
    }

    fn opening(&self, key: Option<&str>, ciphertext: Option<&str>) -> Option<Answer> {
        let Some(key) = key else {
            return Some(refusal("ValidationException", "a key is always named"));
        };
        let key = self.key(key)?;
        let ciphertext = STANDARD.decode(ciphertext?).ok()?;
        let made_by = ciphertext.get(..KEY_ID_LEN).unwrap_or_default();
        self.pending(&key).or_else(|| {
            (made_by != key.as_bytes()).then(|| match self.is_known(made_by) {
                true => refusal("IncorrectKeyException", "The key ID does not identify the key."),
                false => refusal("InvalidCiphertextException", ""),
            })
        })
    }

    fn is_known(&self, key: &[u8]) -> bool {
        self.aliases.values().any(|known| known.as_bytes() == key)
    }
}

fn id_of(key: &str) -> String {
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

fn refusal(code: &str, message: &str) -> Answer {
    Answer::json(400, format!(r#"{{"__type":"{code}","message":"{message}"}}"#))
}
