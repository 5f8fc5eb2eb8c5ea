//! No value of the file is repeated, and no secret is shown.

use std::fmt::Write as _;

use sealmq_settings::Kind as ValueKind;

use super::samples::{built_in, file_of, least};
use crate::catalogue::Kind;
use crate::{Config, ConfigError};

const MARKER: &str = "mArKeR-0f-a-s3cret";

/// Everything that an error says.
fn said(error: &ConfigError) -> String {
    let mut said = format!("{error} {error:?} {error:#?} {} {}", error.path(), error.reason());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(said, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    said
}

/// Everything that a configuration says of itself, and the error if it is not valid.
fn told(config: Result<Config, ConfigError>) -> String {
    match config {
        Err(error) => said(&error),
        Ok(config) => {
            let of_itself = format!("{config:?} {config:#?} {:?}", config.parts());
            let error = config.validate().err().map(|error| said(&error)).unwrap_or_default();
            of_itself + &error
        }
    }
}

/// The least settings but this one, and this one with another value.
fn with(kind: &Kind, name: &str, value: &str) -> Vec<String> {
    let begins = format!("{name} = ");
    let least = least(kind).iter().filter(|line| !line.starts_with(&begins));
    let mut lines: Vec<String> = least.map(|line| (*line).to_owned()).collect();
    lines.push(format!("{begins}{value}"));
    lines
}

#[test]
fn a_secret_in_the_file_is_refused_unless_the_file_allows_it_and_is_never_shown() {
    let mut secrets = 0;
    for (kind, keys) in built_in() {
        for key in keys.iter().filter(|key| key.setting.kind == ValueKind::Secret) {
            let allowed = file_of(kind, &with(kind, &key.name, &format!("{MARKER:?}")));
            let shown = told(Config::parse(&allowed));
            assert!(!shown.contains(MARKER), "{} {}: {shown}", kind.name, key.name);
            let refused = allowed.replace("allow_inline_secrets = true\n", "");
            let only = refused.lines().filter(|line| {
                let other = keys.iter().filter(|other| other.setting.kind == ValueKind::Secret);
                let mut other = other.filter(|other| other.name != key.name);
                !other.any(|other| line.starts_with(&format!("{} = ", other.name)))
            });
            let error = Config::parse(&only.collect::<Vec<_>>().join("\n")).unwrap_err();
            let says = "is a secret: give it as { env = \"…\" } or { file = \"…\" }";
            assert_eq!(error.reason(), says, "{error}");
            assert!(error.path().ends_with(&format!(".{}", key.name)), "{error}");
            assert!(!said(&error).contains(MARKER), "{error}");
            secrets += 1;
        }
    }
    assert!(secrets > 0);
}

/// Each setting of each kind, of whatever type, holds the marker by reference: what the adapters
/// say of it is shown without it. A setting that is meant to hold a path may hold a secret by a slip.
#[test]
fn no_value_is_repeated_by_what_an_adapter_says_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    std::fs::write(&file, format!("{MARKER}\n")).unwrap();
    let (mut settings, mut errors) = (0, 0);
    for (kind, keys) in built_in() {
        for key in &keys {
            let reference = format!("{{ file = {file:?} }}");
            let config = Config::parse(&file_of(kind, &with(kind, &key.name, &reference))).unwrap();
            errors += usize::from(config.validate().is_err());
            let shown = told(Ok(config));
            assert!(!shown.contains(MARKER), "{} {}: {shown}", kind.name, key.name);
            settings += 1;
        }
    }
    assert!(settings > 0 && (errors > 10 || !cfg!(feature = "vault")), "{errors} of {settings}");
}

#[test]
fn a_line_that_is_no_toml_is_not_printed() {
    for line in [
        format!("token = \"{MARKER}"),
        format!("token = {MARKER}"),
        format!("token = '{MARKER}' '{MARKER}'"),
        format!("token = \"\\q{MARKER}\""),
        format!("token {MARKER}"),
        format!("[{MARKER}"),
        format!("[transport.{MARKER}\n"),
        format!("token = [\"{MARKER}\", 1"),
        format!("a = \"{MARKER}\"\na = \"{MARKER}\""),
        format!("a = \"{MARKER}\"\na.b = \"{MARKER}\""),
        format!("a = {{ b = \"{MARKER}\", b = \"{MARKER}\" }}"),
        format!("a = \"\"\"{MARKER}"),
    ] {
        let error = Config::parse(&format!("environment = \"test\"\n{line}\n")).unwrap_err();
        assert!(error.reason().starts_with("the file is no TOML: "), "{line}: {error}");
        assert!(error.line().is_some_and(|line| line >= 2), "{line}: {error:?}");
        assert!(!said(&error).contains(MARKER), "{error}");
    }
}

#[test]
#[cfg(feature = "nats")]
fn a_password_in_a_url_is_not_shown() {
    let text = format!(
        "environment = \"test\"\n[transport]\nkind = \"nats\"\n\
         url = [\"nats://one:4222\", \"nats://me:{MARKER}@two:4222\"]\n"
    );
    let config = Config::parse(&text).unwrap();
    let shown = told(Ok(config));
    assert!(!shown.contains(MARKER) && shown.contains("nats://…@two:4222"), "{shown}");
}
