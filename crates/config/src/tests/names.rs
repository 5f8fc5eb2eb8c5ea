//! The names of the file are those that the adapters ask for: all of them, and no others.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sealmq_settings::{InvalidSetting, Settings};

use super::samples::{built_in, file_of, least, of_type};
use crate::catalogue::{Kind, Role};
use crate::crypto::{self, CRYPTO};
use crate::keyring::{self, KEYRING};
use crate::kinds::ALIAS_KEY;
use crate::replay_guard::{self, Surroundings};
use crate::section::{Section, keys_of};
use crate::{Config, keys, transport};

/// The section that a test is about.
fn section_of<'c>(config: &'c Config, kind: &Kind) -> &'c Section {
    match kind.role {
        Role::Transport => &config.transport.section,
        Role::ReplayGuard => &config.replay_guard.as_ref().unwrap().section,
        _ => &config.keys[0].section,
    }
}

/// What is asked for by who reads these values.
fn asked_for(
    values: &BTreeMap<&'static str, String>,
    read: impl FnOnce(&Settings<'_>) -> Result<(), String>,
) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let settings = Settings::from_lookup(|variable| {
        asked.borrow_mut().insert(variable.to_owned());
        values.get(variable).cloned()
    });
    read(&settings).unwrap_or_else(|error| panic!("{error}"));
    drop(settings);
    asked.into_inner()
}

fn read(kind: &Kind, settings: &Settings<'_>) -> Result<(), String> {
    match kind.role {
        Role::Transport => transport::Prepared::read(kind.name, settings)
            .map(drop)
            .map_err(|error| format!("{}: {error}", kind.name)),
        Role::ReplayGuard => {
            let around = Surroundings { nats: None, nonce_ttl: Duration::ZERO };
            replay_guard::Prepared::read(kind.name, settings, &around)
                .map(drop)
                .map_err(|error| format!("{}: {error}", kind.name))
        }
        _ => keys::Prepared::read(kind.name, settings)
            .map(drop)
            .map_err(|error| format!("{}: {error}", kind.name)),
    }
}

/// Lines besides the least, without which an adapter does not come to ask for some settings.
fn further(kind: &Kind) -> &'static [&'static str] {
    const CLIENT_SECRET: &[&str] = &[
        "identity = \"client-secret\"",
        "tenant_id = \"t\"",
        "client_id = \"c\"",
        "client_secret = \"s3cret\"",
    ];
    const VAULT: &[&str] = &["vault = \"main\"", "vault_database_role = \"sealmq\""];
    match kind.name {
        "azure-keyvault" | "azure-secrets" => CLIENT_SECRET,
        "postgres" if cfg!(feature = "vault") => VAULT,
        _ => &[],
    }
}

#[test]
fn adapters_ask_for_every_setting_that_they_list_and_for_no_other() {
    for (kind, keys) in built_in() {
        let mut asked = BTreeSet::new();
        for more in [&[], further(kind)] {
            let lines = least(kind).iter().chain(more).map(|line| (*line).to_owned());
            let config = Config::parse(&file_of(kind, &lines.collect::<Vec<_>>())).unwrap();
            let resolved = section_of(&config, kind).resolve().unwrap();
            let settings = resolved.settings();
            let values = keys.iter().filter_map(|key| {
                Some((key.setting.variable, settings.get(key.setting.variable)?))
            });
            asked.extend(asked_for(&values.collect(), |settings| read(kind, settings)));
        }
        let listed = keys.iter().map(|key| key.setting.variable.to_owned());
        let listed: BTreeSet<String> = listed.filter(|name| name != ALIAS_KEY).collect();
        assert_eq!(asked, listed, "{}: asked for on the left, listed on the right", kind.name);
    }
}

#[test]
fn the_policy_asks_for_every_setting_that_it_lists_and_for_no_other() {
    let asked = asked_for(&BTreeMap::new(), |settings| {
        crypto::policy(settings).map(drop).map_err(|error: InvalidSetting| error.to_string())
    });
    let listed = keys_of(CRYPTO).into_iter().map(|key| key.setting.variable.to_owned());
    assert_eq!(asked, listed.collect());
    let asked = asked_for(&BTreeMap::new(), |settings| {
        keyring::policy(settings).map(drop).map_err(|error: InvalidSetting| error.to_string())
    });
    let listed = keys_of(KEYRING).into_iter().map(|key| key.setting.variable.to_owned());
    assert_eq!(asked, listed.collect());
}

#[test]
fn every_setting_is_taken_and_reaches_the_adapter_under_its_variable() {
    let mut count = 0;
    for (kind, keys) in built_in() {
        let lines = keys.iter().map(|key| format!("{} = {}", key.name, of_type(key).0));
        let text = file_of(kind, &lines.collect::<Vec<_>>());
        let config = Config::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let resolved = section_of(&config, kind).resolve().unwrap();
        for key in &keys {
            let variable = key.setting.variable;
            let arrived = resolved.settings().get(variable);
            assert_eq!(arrived, Some(of_type(key).1), "{} {}", kind.name, key.name);
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn no_key_stands_for_two_settings_or_for_what_the_file_means_by_it() {
    for (kind, keys) in built_in() {
        let mut names = BTreeSet::from(["kind".to_owned()]);
        for key in keys {
            assert!(!key.name.starts_with("sealmq_"), "{}: no prefix of {}", kind.name, key.name);
            assert!(names.insert(key.name.clone()), "{} has {} twice", kind.name, key.name);
        }
    }
}

#[test]
fn the_least_settings_are_valid() {
    for (kind, _) in built_in() {
        let lines: Vec<_> = least(kind).iter().map(|line| (*line).to_owned()).collect();
        let config = Config::parse(&file_of(kind, &lines)).unwrap();
        config.validate().unwrap_or_else(|error| panic!("{}: {error}", kind.name));
    }
}
