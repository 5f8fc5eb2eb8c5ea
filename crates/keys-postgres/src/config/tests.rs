//! Tests of the configuration: what is refused, by which field, and what is shown.

use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind};

use sealmq_settings::Settings;

use super::*;

const URL: &str = "postgres://orders:s3cr3t@db.example.com:5433/keys";

#[track_caller]
fn field<T>(result: Result<T, KeyError>) -> &'static str {
    match result.map(drop).unwrap_err().kind() {
        KeyErrorKind::InvalidInput { field } => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tls_is_required_unless_it_is_turned_off() {
    let encrypted = |config: PostgresConfig| config.check().unwrap().encrypted;
    assert!(encrypted(PostgresConfig::new(URL)));
    assert!(encrypted(PostgresConfig::new(format!("{URL}?sslmode=require"))));
    assert!(encrypted(PostgresConfig::new(URL).with_tls(TlsConfig::new().with_root_ca("ca.pem"))));
    assert!(!encrypted(PostgresConfig::new(URL).without_tls()));
    assert!(!encrypted(PostgresConfig::new(format!("{URL}?sslmode=disable"))));
}

#[test]
fn prefer_is_refused_however_it_is_written() {
    for url in [
        format!("{URL}?sslmode=prefer"),
        "host=db user=orders sslmode=prefer".into(),
        "host=db user=orders sslmode = 'prefer'".into(),
    ] {
        assert_eq!(field(PostgresConfig::new(&*url).validate()), "url", "{url}");
    }
}

#[test]
fn contradictions_about_tls_are_refused() {
    let required = format!("{URL}?sslmode=require");
    assert_eq!(field(PostgresConfig::new(required).without_tls().validate()), "tls");
    assert_eq!(
        field(
            PostgresConfig::new(URL)
                .with_tls(TlsConfig::new().with_root_ca("ca"))
                .without_tls()
                .validate()
        ),
        "tls"
    );
    let disabled = PostgresConfig::new(format!("{URL}?sslmode=disable"));
    assert_eq!(
        field(disabled.with_tls(TlsConfig::new().with_client_certificate("c", "k")).validate()),
        "tls"
    );
}

#[test]
fn each_bad_value_is_named() {
    let config = || PostgresConfig::new(URL);
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    for (expected, config) in [
        ("url", PostgresConfig::new("nothing of the kind")),
        ("url", PostgresConfig::new("postgres:///keys")),
        ("schema", config().with_schema("a; DROP TABLE b")),
        ("max_connections", config().with_max_connections(0)),
        ("connect_timeout", config().with_connect_timeout(none)),
        ("statement_timeout", config().with_statement_timeout(day)),
        ("request_timeout", config().with_request_timeout(none)),
    ] {
        assert_eq!(field(config.validate()), expected);
    }
}

#[test]
fn nothing_shows_the_password() {
    let bad = format!("{URL}?no_such_option=1");
    let shown = [
        format!("{:?}", PostgresConfig::new(URL)),
        format!("{:?}", PostgresConfig::new(&*bad)),
        format!("{:?}", PostgresConfig::new(&*bad).validate()),
        address(&PostgresConfig::new(URL).check().unwrap().server),
    ];
    for shown in shown {
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
    let shown = format!("{:?}", PostgresConfig::new(URL));
    assert!(shown.contains("postgres://db.example.com:5433/keys"), "{shown}");
}

fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<PostgresConfig, KeyError> {
    PostgresConfig::from_settings(&Settings::from_lookup(lookup))
}

#[test]
fn the_environment_sets_every_field() {
    let lookup = |name: &str| {
        let value = match name.strip_prefix("SEALMQ_POSTGRES_")? {
            "URL" => URL,
            "PASSWORD_FILE" => "/run/password",
            "ROOT_CA" => "/run/ca.pem",
            "CLIENT_CERT" => "/run/client.pem",
            "CLIENT_KEY" => "/run/client.key",
            "SCHEMA" => "keys",
            "MAX_CONNECTIONS" => "3",
            "CONNECT_TIMEOUT_MS" => "11",
            "STATEMENT_TIMEOUT_MS" => "12",
            "REQUEST_TIMEOUT_MS" => "13",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let shown = format!("{:?}", from(lookup).unwrap());
    for expected in [
        "/run/password",
        "/run/ca.pem",
        "/run/client.pem",
        "/run/client.key",
        "\"keys\"",
        "max_connections: 3",
        "11ms",
        "12ms",
        "13ms",
    ] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    let off = |name: &str| match name {
        "SEALMQ_POSTGRES_URL" => Some(URL.to_owned()),
        "SEALMQ_POSTGRES_TLS" => Some("disable".to_owned()),
        _ => None,
    };
    assert!(!from(off).unwrap().check().unwrap().encrypted);
}

#[test]
fn a_bad_environment_is_named() {
    let with = |name: &'static str, value: &'static str| {
        from(move |asked| match asked {
            "SEALMQ_POSTGRES_URL" => Some(URL.to_owned()),
            asked if asked.ends_with(name) => Some(value.to_owned()),
            _ => None,
        })
    };
    assert_eq!(field(from(|_| None)), "SEALMQ_POSTGRES_URL");
    assert_eq!(field(with("TLS", "prefer")), "SEALMQ_POSTGRES_TLS");
    assert_eq!(field(with("CLIENT_KEY", "key.pem")), "SEALMQ_POSTGRES_CLIENT_CERT");
    assert_eq!(field(with("MAX_CONNECTIONS", "many")), "SEALMQ_POSTGRES_MAX_CONNECTIONS");
    assert_eq!(field(with("CONNECT_TIMEOUT_MS", "soon")), "SEALMQ_POSTGRES_CONNECT_TIMEOUT_MS");
}

#[test]
fn the_environment_says_how_tenants_are_treated() {
    use crate::PostgresKeyServiceConfig;
    let of = |pairs: &'static [(&str, &str)]| {
        PostgresKeyServiceConfig::from_settings(&Settings::from_lookup(move |asked| {
            let name = asked.strip_prefix("SEALMQ_POSTGRES_").unwrap();
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    };
    let expected = PostgresKeyServiceConfig::new()
        .with_auto_create(false)
        .with_grace_period(Duration::from_secs(86_400));
    let all = of(&[("AUTO_CREATE", "false"), ("GRACE_PERIOD_S", "86400")]);
    assert_eq!(all.unwrap(), expected);
    assert_eq!(of(&[]).unwrap(), PostgresKeyServiceConfig::new());
    assert_eq!(field(of(&[("AUTO_CREATE", "no")])), "SEALMQ_POSTGRES_AUTO_CREATE");
    assert_eq!(field(of(&[("GRACE_PERIOD_S", "1.5")])), "SEALMQ_POSTGRES_GRACE_PERIOD_S");
    assert_eq!(field(of(&[("GRACE_PERIOD_S", "315360001")])), "grace_period");
}
