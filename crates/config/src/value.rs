//! One value: written in the file, or in a variable or file that it refers to.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use sealmq_settings::{Kind, Setting};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::document::Lines;
use crate::error::ConfigError;
use crate::nearest::unknown;

/// What a file that is referred to may hold: far above any certificate or token.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Where a value stands.
pub(crate) enum Source {
    Inline(Zeroizing<String>),
    Env(String),
    File(PathBuf),
}

/// A value of the file, and its line.
pub(crate) struct Value {
    pub(crate) source: Source,
    pub(crate) line: usize,
}

/// What a value is read by.
pub(crate) struct Reading<'t> {
    pub(crate) lines: Lines<'t>,
    pub(crate) inline_secrets: bool,
}

impl Value {
    /// The value of a setting, of the type that its kind asks for.
    pub(crate) fn read(
        value: &toml::Spanned<DeValue<'_>>,
        setting: &Setting,
        path: &str,
        reading: &Reading<'_>,
    ) -> Result<Self, ConfigError> {
        let line = reading.lines.of(&value.span());
        let refuse = |reason: String| ConfigError::new(path, reason).at(line);
        let source = match value.get_ref() {
            DeValue::Table(table) => reference(table).map_err(refuse)?,
            _ if setting.kind == Kind::Secret && !reading.inline_secrets => {
                let reason = "is a secret: give it as { env = \"…\" } or { file = \"…\" }";
                return Err(refuse(reason.to_owned()));
            }
            inline => Source::Inline(text(inline, setting.kind).map_err(refuse)?),
        };
        Ok(Self { source, line })
    }

    /// The text itself; a line end after that of a file is dropped.
    pub(crate) fn resolve(&self) -> Result<Zeroizing<String>, String> {
        let text = match &self.source {
            Source::Inline(text) => text.clone(),
            Source::Env(variable) => match std::env::var(variable) {
                Ok(text) => Zeroizing::new(text),
                Err(std::env::VarError::NotPresent) => {
                    return Err("the variable that it refers to is not set".to_owned());
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err("the variable that it refers to is not UTF-8".to_owned());
                }
            },
            Source::File(path) => read_file(path)?,
        };
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(text)
    }
}

fn read_file(path: &PathBuf) -> Result<Zeroizing<String>, String> {
    let unreadable =
        |error: std::io::Error| format!("the file that it refers to cannot be read: {error}");
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("the file that it refers to is longer than 64 KiB".to_owned());
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| "the file that it refers to is not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// `{ env = "VAR" }` or `{ file = "PATH" }`.
fn reference(table: &DeTable<'_>) -> Result<Source, String> {
    let mut entries = table.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err("is either { env = \"…\" } or { file = \"…\" }".to_owned());
    };
    let name: &str = name.get_ref();
    if !["env", "file"].contains(&name) {
        return Err(unknown("reference", name, ["env", "file"]));
    }
    match value.get_ref().as_str() {
        None | Some("") => Err(format!("{name} of a reference is a string that is not empty")),
        // What is none may be the value itself: it is not shown by reports either.
        Some(text) if name == "env" && !is_variable(text) => {
            Err("env of a reference is the name of a variable".to_owned())
        }
        Some(text) if name == "env" => Ok(Source::Env(text.to_owned())),
        Some(text) => Ok(Source::File(text.into())),
    }
}

fn is_variable(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A value in the form that variables have.
fn text(value: &DeValue<'_>, kind: Kind) -> Result<Zeroizing<String>, String> {
    let is_no = |what: &str| format!("is {what}, and not {}", with_article(value.type_str()));
    let text = match (kind, value) {
        (Kind::Flag, DeValue::Boolean(flag)) => flag.to_string(),
        (Kind::Flag, _) => return Err(is_no("true or false")),
        (Kind::Number | Kind::Milliseconds | Kind::Seconds, DeValue::Integer(number)) => {
            let number = u64::from_str_radix(number.as_str(), number.radix());
            number.map_err(|_| "is a whole number, from 0".to_owned())?.to_string()
        }
        (Kind::Number | Kind::Milliseconds | Kind::Seconds, _) => {
            return Err(is_no("a whole number"));
        }
        (Kind::List, DeValue::Array(items)) => list(items.iter().map(toml::Spanned::get_ref))?,
        (Kind::List, DeValue::String(text)) => text.clone().into_owned(),
        (Kind::List, _) => return Err(is_no("an array of strings")),
        (Kind::Choice(words), DeValue::String(text)) if !words.contains(&&**text) => {
            return Err(unknown("word", text, words.iter().copied()));
        }
        (_, DeValue::String(text)) => text.clone().into_owned(),
        _ => return Err(is_no("a string")),
    };
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Zeroizing::new(text)) }
}

fn list<'v>(items: impl Iterator<Item = &'v DeValue<'v>>) -> Result<String, String> {
    let mut list = Vec::new();
    for item in items {
        match item.as_str() {
            Some(text) if !text.is_empty() && !text.contains(',') => list.push(text),
            Some(_) => return Err("has an item that is empty or holds a comma".to_owned()),
            None => return Err("is an array of strings".to_owned()),
        }
    }
    Ok(list.join(","))
}

fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// Shows references, and no text.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Inline(_) => f.write_str("[inline]"),
            Source::Env(variable) => write!(f, "env {variable}"),
            Source::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
