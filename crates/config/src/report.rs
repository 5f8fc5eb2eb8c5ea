//! What a configuration says and where from, without its secrets.

use std::fmt;
use std::path::PathBuf;

use sealmq_settings::Kind;

use crate::config::Config;
use crate::section::Section;
use crate::value::Source;

/// Where a value comes from. The reference of a secret that leads nowhere is left out: it may be
/// the secret itself, put there by mistake.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the configuration file.
    Inline,
    /// This variable of the environment.
    Env(String),
    /// This file.
    File(PathBuf),
}

/// A setting that is given.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// Its key in the table.
    pub key: String,
    /// Where its value comes from.
    pub origin: Origin,
    /// The value, where it stands in the file and is no secret. What a URL holds before its host
    /// is left out.
    pub value: Option<String>,
    /// Whether it is a secret.
    pub is_secret: bool,
}

/// A table of the file.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Its path, such as `keys[0]`; empty for the top.
    pub path: String,
    /// Its kind, where it has one.
    pub kind: Option<&'static str>,
    /// Its settings, in the order of the documentation.
    pub given: Vec<Given>,
    /// Keys that are not given, each with what it sets and its default.
    pub defaults: Vec<(String, &'static str)>,
}

impl Config {
    /// What the file says, part by part, with where each value comes from and without secrets.
    pub fn parts(&self) -> Vec<Part> {
        let adapters = std::iter::once(&self.transport).chain(&self.keys);
        let adapters = adapters.chain(&self.replay_guard);
        let adapters = adapters.map(|adapter| part(&adapter.section, Some(adapter.kind)));
        let mut parts = vec![part(&self.top, None)];
        parts.extend(adapters);
        parts.extend([&self.crypto, &self.keyring].map(|section| part(section, None)));
        parts.extend(self.vaults.values().map(|section| part(section, None)));
        parts.extend(self.queues.values().map(|section| part(section, None)));
        parts
    }
}

fn part(section: &Section, kind: Option<&'static str>) -> Part {
    let (mut given, mut defaults) = (Vec::new(), Vec::new());
    for key in &section.keys {
        let Some(value) = section.values.get(key.setting.variable) else {
            defaults.push((key.name.clone(), key.setting.about));
            continue;
        };
        let is_secret = key.setting.kind == Kind::Secret;
        let (origin, text) = match &value.source {
            Source::Inline(_) if is_secret => (Origin::Inline, None),
            Source::Inline(text) => (Origin::Inline, Some(without_user(text))),
            Source::Env(variable) if is_secret && std::env::var_os(variable).is_none() => {
                (Origin::Env("[not set]".to_owned()), None)
            }
            Source::File(path) if is_secret && !path.exists() => {
                (Origin::File("[no such file]".into()), None)
            }
            Source::Env(variable) => (Origin::Env(variable.clone()), None),
            Source::File(path) => (Origin::File(path.clone()), None),
        };
        given.push(Given { key: key.name.clone(), origin, value: text, is_secret });
    }
    Part { path: section.path.clone(), kind, given, defaults }
}

/// URLs without user and password: no adapter takes them there, but people write them.
fn without_user(text: &str) -> String {
    let one = |url: &str| match url.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, rest)) => format!("{scheme}://…@{rest}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("file"),
            Self::Env(variable) => write!(f, "env {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, &self.origin) {
            (Some(value), _) => write!(f, "{} = {value:?}", self.key),
            (None, Origin::Inline) => write!(f, "{} = [redacted]", self.key),
            (None, origin) => write!(f, "{} from {origin}", self.key),
        }
    }
}

/// Shows what is given.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}
