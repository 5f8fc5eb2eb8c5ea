//! Files that are not there: the setting is named, and what stands in it is not repeated.

use std::error::Error;
use std::fmt::Write as _;

use sealmq_settings::Kind as ValueKind;

use super::samples::{built_in, file_of, least};
use crate::catalogue::Kind;
use crate::{Config, ConfigError};

/// A secret that stands where the path of its file belongs.
const SLIP: &str = "mArKeR-0f-a-s3cret";

/// The least settings with this path, and without what cannot stand beside it.
fn with_path(kind: &Kind, name: &str, value: &str) -> Vec<String> {
    let (instead, more): (&str, &[&str]) = match name {
        "token_file" => ("token", &[]),
        "secret_id_file" => ("token", &["role_id = \"role\""]),
        "kubernetes_jwt_file" => ("token", &["kubernetes_role = \"role\""]),
        "client_secret_file" => {
            ("", &["identity = \"client-secret\"", "tenant_id = \"t\"", "client_id = \"c\""])
        }
        "master_key_file" => ("master_key", &[]),
        "earlier_master_key_file" => ("", &["earlier_master_key_id = \"m0\""]),
        "pin_file" => ("pin", &[]),
        "client_key" => ("", &["client_cert = \"/no/such/cert\""]),
        "client_cert" => ("", &["client_key = \"/no/such/key\""]),
        _ => ("", &[]),
    };
    let gone = [format!("{instead} = "), format!("{name} = ")];
    let kept = least(kind).iter().filter(|line| !gone.iter().any(|gone| line.starts_with(gone)));
    let mut lines: Vec<String> = kept.chain(more).map(|line| (*line).to_owned()).collect();
    lines.push(format!("{name} = {value}"));
    lines
}

async fn outcome(kind: &Kind, lines: &[String]) -> Option<ConfigError> {
    let config = Config::parse(&file_of(kind, lines)).unwrap();
    match config.connect_each().await {
        Err(error) => Some(error),
        Ok((parts, _)) => parts.into_iter().find_map(|part| part.error),
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_names_its_setting_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let slip = folder.path().join("slip");
    std::fs::write(&slip, SLIP).unwrap();
    let mut paths = 0;
    for (kind, keys) in built_in() {
        for key in keys.iter().filter(|key| key.setting.kind == ValueKind::Path) {
            // Whatever the adapter says, and however the path came there.
            for value in [format!("{SLIP:?}"), format!("{{ file = {slip:?} }}")] {
                let error = outcome(kind, &with_path(kind, &key.name, &value)).await;
                let error = error.unwrap_or_else(|| panic!("{} {}: taken", kind.name, key.name));
                let mut said = format!("{error}");
                let mut next = error.source();
                while let Some(cause) = next {
                    write!(said, ": {cause} {cause:?}").unwrap();
                    next = cause.source();
                }
                let about = format!("{} {}: {said}", kind.name, key.name);
                // A certificate is read before its key; a keyring is opened by its path.
                let named = match (kind.name, &*key.name) {
                    (_, "client_key") => said.contains("client_cert"),
                    (_, "kubernetes_jwt_file") => said.contains("jwt_file"),
                    ("file", "path") => said.contains("reading the keyring"),
                    (_, name) => said.contains(name),
                };
                assert!(named, "{about}");
                let is_of_a_keyring = (kind.name, &*key.name) == ("file", "path");
                assert!(is_of_a_keyring || !said.contains(SLIP), "{about}");
                paths += 1;
            }
        }
    }
    assert!(paths > 0);
}
