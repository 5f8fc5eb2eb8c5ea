//! The configuration: what is refused by name, what it shows, what comes from the environment.

use sealmq_crypto_core::KeyErrorKind;

use sealmq_settings::Settings;

use super::*;
use crate::auth::VaultSecretId;

fn config(address: &str) -> VaultConfig {
    VaultConfig::new(address, VaultAuth::token("s.hush"))
}

fn field(result: Result<impl Sized, KeyError>) -> &'static str {
    match result.err().map(|error| error.kind().clone()) {
        None => "fine",
        Some(KeyErrorKind::InvalidInput { field }) => field,
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_address_is_https_or_the_loopback_address_and_nothing_else() {
    for fine in [
        "https://vault.example:8200",
        "https://proxy.example/vault",
        "http://127.0.0.1:8200",
        "http://localhost:8200/",
        "http://[::1]:8200",
    ] {
        assert_eq!(field(config(fine).validate()), "fine", "{fine}");
    }
    for bad in [
        "http://vault.example:8200",
        "http://localhost.example",
        "http://10.0.0.1",
        "https://user:pass@vault.example",
        "https://vault.example/?token=x",
        "https://vault.example/#x",
        "unix:///run/vault",
        "vault.example",
        "",
    ] {
        assert_eq!(field(config(bad).validate()), "address", "{bad}");
    }
    let plain = config("http://vault.example:8200").danger_with_plain_http(true);
    assert_eq!(field(plain.validate()), "fine");
    let under = config("https://proxy.example/vault").validate().unwrap();
    assert_eq!(under.as_str(), "https://proxy.example/vault/");
}

#[test]
fn every_other_field_is_refused_by_its_name() {
    let base = || config("https://vault.example");
    let with = |auth| VaultConfig::new("https://vault.example", auth);
    let approle =
        |role, secret: &str| with(VaultAuth::approle(role, VaultSecretId::Plain(secret.into())));
    let table = [
        (base().with_namespace("a/../b"), "namespace"),
        (base().with_namespace("/a"), "namespace"),
        (base().with_connect_timeout(Duration::ZERO), "connect_timeout"),
        (base().with_request_timeout(Duration::ZERO), "request_timeout"),
        (base().with_max_response_bytes(100), "max_response_bytes"),
        (with(VaultAuth::token("")), "auth.token"),
        (with(VaultAuth::token("s.a\nb")), "auth.token"),
        (with(VaultAuth::userpass("a/b/../c", "x")), "auth.username"),
        (with(VaultAuth::userpass("a", "")), "auth.password"),
        (with(VaultAuth::userpass("a", "x").with_mount("a?b")), "auth.mount"),
        (approle("", "x"), "auth.role_id"),
        (approle("x", ""), "auth.secret_id"),
        (with(VaultAuth::kubernetes("a b")), "auth.role"),
    ];
    for (config, expected) in table {
        assert_eq!(field(config.validate()), expected, "{config:?}");
    }
    let mounts = VaultTransitConfig::new();
    assert_eq!(field(mounts.clone().with_mount("a//b").validate()), "mount");
    for prefix in ["", "-a", "a/b", "1a"] {
        assert_eq!(field(mounts.clone().with_key_prefix(prefix).validate()), "key_prefix");
    }
    let kv = VaultKvConfig::new("apps/orders");
    assert_eq!(kv.id_prefix, "orders.v");
    assert_eq!(field(VaultKvConfig::new("../x").validate()), "path");
    assert_eq!(field(kv.clone().with_field("").validate()), "field");
    assert_eq!(field(kv.with_id_prefix("v1").validate()), "id_prefix");
}

#[test]
fn debug_shows_no_credential() {
    let auths = [
        VaultAuth::token("hush"),
        VaultAuth::userpass("app", "hush"),
        VaultAuth::approle("hush", VaultSecretId::Plain("hush".into())),
        VaultAuth::approle("hush", VaultSecretId::Wrapped("hush".into())),
    ];
    for auth in auths {
        let shown = format!("{:?}", VaultConfig::new("https://vault.example", auth));
        assert!(!shown.contains("hush") && shown.contains("vault.example"), "{shown}");
    }
    let shown = format!("{:?}", config("https://app:hush@vault.example"));
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn everything_can_come_from_the_environment() {
    let from = |variables: &[(&str, &str)]| {
        VaultConfig::from_settings(&Settings::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| name == format!("SEALMQ_VAULT_{known}"));
            found.map(|(_, value)| (*value).to_owned())
        }))
    };
    let addr = ("ADDR", "https://vault.example:8200");
    let full = from(&[
        addr,
        ("NAMESPACE", "team/app"),
        ("ROLE_ID", "role"),
        ("WRAPPED_SECRET_ID", "s.hush"),
        ("AUTH_MOUNT", "approle-eu"),
        ("ROOT_CA", "/ca.pem"),
        ("CLIENT_CERT", "/cert.pem"),
        ("CLIENT_KEY", "/key.pem"),
        ("CONNECT_TIMEOUT_MS", "1500"),
        ("REQUEST_TIMEOUT_MS", "250"),
    ]);
    let shown = format!("{:?}", full.unwrap());
    for part in ["team/app", "approle-eu", "Wrapped", "/ca.pem", "/key.pem", "1.5s", "250ms"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let token = ("TOKEN", "s.hush");
    for kind in [
        vec![addr, token],
        vec![addr, ("TOKEN_FILE", "/t")],
        vec![addr, ("USERNAME", "u"), ("PASSWORD", "p")],
        vec![addr, ("ROLE_ID", "r"), ("SECRET_ID_FILE", "/s")],
        vec![addr, ("KUBERNETES_ROLE", "r"), ("KUBERNETES_JWT_FILE", "/j")],
    ] {
        assert_eq!(field(from(&kind)), "fine", "{kind:?}");
    }
    for (variables, expected) in [
        (vec![token], "SEALMQ_VAULT_ADDR"),
        (vec![addr], "SEALMQ_VAULT_TOKEN"),
        (vec![addr, token, ("TOKEN_FILE", "/t")], "SEALMQ_VAULT_TOKEN"),
        (vec![addr, ("USERNAME", "u")], "SEALMQ_VAULT_PASSWORD"),
        (vec![addr, ("ROLE_ID", "r")], "SEALMQ_VAULT_ROLE_ID"),
        (vec![addr, ("SECRET_ID", "s")], "SEALMQ_VAULT_ROLE_ID"),
        (
            vec![addr, ("ROLE_ID", "r"), ("SECRET_ID", "s"), ("SECRET_ID_FILE", "/s")],
            "SEALMQ_VAULT_ROLE_ID",
        ),
        (vec![addr, token, ("CLIENT_CERT", "/c")], "SEALMQ_VAULT_CLIENT_KEY"),
        (vec![addr, token, ("CONNECT_TIMEOUT_MS", "soon")], "SEALMQ_VAULT_CONNECT_TIMEOUT_MS"),
        (vec![("ADDR", "http://vault.example"), token], "address"),
    ] {
        assert_eq!(field(from(&variables)), expected, "{variables:?}");
    }
}

#[test]
fn mount_and_prefix_come_from_the_environment() {
    let of = |variables: &[(&str, &str)]| {
        VaultTransitConfig::from_settings(&Settings::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }))
    };
    assert_eq!(of(&[]).unwrap(), VaultTransitConfig::new());
    let mount = ("SEALMQ_VAULT_TRANSIT_MOUNT", "team/transit");
    let prefix = ("SEALMQ_VAULT_KEY_PREFIX", "orders-");
    let expected = VaultTransitConfig::new().with_mount("team/transit").with_key_prefix("orders-");
    assert_eq!(of(&[mount, prefix]).unwrap(), expected);
    assert_eq!(field(of(&[("SEALMQ_VAULT_TRANSIT_MOUNT", "../x")])), "mount");
    assert_eq!(field(of(&[("SEALMQ_VAULT_KEY_PREFIX", "7")])), "key_prefix");
}
