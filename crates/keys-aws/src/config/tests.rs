//! What is accepted as a configuration, and what it shows of itself.

use sealmq_aws::AwsConnection;
use sealmq_crypto_core::{EncryptionKeyId, KeyErrorKind, TenantId};
use sealmq_settings::Settings;

use super::*;

fn field(result: Result<(), KeyError>) -> Option<&'static str> {
    match result.map_err(|error| error.kind().clone()) {
        Ok(()) => None,
        Err(KeyErrorKind::InvalidInput { field }) => Some(field),
        Err(other) => panic!("{other:?}"),
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

#[test]
fn a_connection_is_validated_with_what_it_is_for() {
    let connection = AwsConnection::new().with_endpoint_url("localhost:4566");
    let kms = AwsKmsConfig::shared(["alias/a"]).with_connection(connection.clone());
    assert_eq!(field(kms.validate()), Some("endpoint_url"));
    let secrets = AwsSecretsConfig::new("a").with_connection(connection);
    assert_eq!(field(secrets.validate()), Some("endpoint_url"));
}

#[test]
fn each_field_of_kms_is_validated_under_its_name() {
    let prefix = |prefix: &str| AwsKmsConfig::per_tenant(prefix);
    let shared = |key: &str| AwsKmsConfig::shared([key]);
    let refused = [
        ("keys", AwsKmsConfig::shared(Vec::<String>::new())),
        ("keys", AwsKmsConfig::shared(["mrk-1", "mrk-1"])),
        ("keys", shared("")),
        ("keys", shared("alias/")),
        ("keys", shared("alias/aws/s3")),
        ("keys", shared("alias/a b")),
        ("keys", shared("orders/key")),
        ("keys", shared("arn:aws:s3:eu-central-1:111122223333:key/1")),
        ("keys", shared("arn:aws:kms:eu-central-1:111122223333:grant/1")),
        ("keys", AwsKmsConfig::mapped([(tenant("a"), Vec::<String>::new())])),
        ("keys", AwsKmsConfig::mapped([(tenant("a"), ["mrk-1"]), (tenant("b"), ["mrk-1"])])),
        ("alias_prefix", prefix("")),
        ("alias_prefix", prefix("sealmq")),
        ("alias_prefix", prefix("alias/")),
        ("alias_prefix", prefix("alias/aws")),
        ("alias_prefix", prefix("alias/aws/x")),
        ("alias_prefix", prefix("alias/x/")),
        ("alias_prefix", prefix(&format!("alias/{}", "x".repeat(95)))),
        ("auto_create", shared("mrk-1").with_auto_create(true)),
        ("multi_region", shared("mrk-1").with_multi_region(true)),
        ("deletion_window_days", shared("mrk-1").with_deletion_window_days(6)),
        ("deletion_window_days", shared("mrk-1").with_deletion_window_days(31)),
    ];
    for (name, config) in refused {
        assert_eq!(field(config.validate()), Some(name), "{config:?}");
    }
    let fine = [
        shared("1234abcd-12ab-34cd-56ef-1234567890ab"),
        shared("mrk-1234abcd12ab34cd56ef1234567890ab"),
        shared("alias/orders/eu_1"),
        shared("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab"),
        shared("arn:aws-cn:kms:cn-north-1:111122223333:alias/orders"),
        prefix("alias/sealmq/production").with_auto_create(true).with_multi_region(true),
        AwsKmsConfig::mapped([(tenant("a"), ["mrk-1", "mrk-2"]), (tenant("b"), ["x", "y"])]),
    ];
    for config in fine {
        assert_eq!(field(config.validate()), None, "{config:?}");
    }
}

#[test]
fn each_field_of_a_secret_is_validated_under_its_name() {
    let new = AwsSecretsConfig::new;
    let short = EncryptionKeyId::new("short").unwrap();
    let refused = [
        ("secret_id", new("")),
        ("secret_id", new("a b")),
        ("pinned_versions", new("a").with_pinned_version(short)),
        ("open_label_prefix", new("a").with_open_label_prefix("")),
        ("open_label_prefix", new("a").with_open_label_prefix("AWSP")),
    ];
    for (name, config) in refused {
        assert_eq!(field(config.validate()), Some(name), "{config:?}");
    }
}

#[test]
fn credentials_are_never_shown() {
    let connection =
        AwsConnection::new().with_static_credentials("AKID", "s3cret", Some("t0ken".into()));
    let kms = AwsKmsConfig::shared(["mrk-1"]).with_connection(connection.clone());
    let secrets = AwsSecretsConfig::new("a").with_connection(connection.clone());
    let text = format!("{connection:?} {kms:?} {secrets:#?}");
    assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    assert!(text.contains("static"));
}

type Variables = &'static [(&'static str, &'static str)];

fn settings(variables: Variables) -> Settings<'static> {
    Settings::from_lookup(move |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn variables_fill_in_kms() {
    let of = |variables| AwsKmsConfig::from_settings(&settings(variables));
    let config = of(&[
        ("SEALMQ_AWS_KMS_KEY", "mrk-1, alias/new"),
        ("SEALMQ_AWS_KMS_ENDPOINT", "http://127.0.0.1:4566"),
        ("SEALMQ_AWS_REGION", "eu-central-1"),
    ])
    .unwrap();
    assert_eq!(config.keys, KmsKeys::Shared(vec!["mrk-1".into(), "alias/new".into()]));
    assert_eq!(config.connection.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    assert_eq!(config.connection.region.as_deref(), Some("eu-central-1"));
    let config = of(&[("SEALMQ_AWS_KMS_TENANT_KEYS", "a=mrk-1,b=mrk-2, a=mrk-3")]).unwrap();
    let expected =
        AwsKmsConfig::mapped([(tenant("a"), vec!["mrk-1", "mrk-3"]), (tenant("b"), vec!["mrk-2"])]);
    assert_eq!(config.keys, expected.keys);
    let config =
        of(&[("SEALMQ_AWS_KMS_ALIAS_PREFIX", "alias/x"), ("SEALMQ_AWS_KMS_AUTO_CREATE", "true")]);
    assert!(config.unwrap().auto_create);
    let config = of(&[
        ("SEALMQ_AWS_KMS_ALIAS_PREFIX", "alias/x"),
        ("SEALMQ_AWS_KMS_MULTI_REGION", "true"),
        ("SEALMQ_AWS_KMS_DELETION_WINDOW_DAYS", "7"),
    ])
    .unwrap();
    assert_eq!((config.multi_region, config.deletion_window_days), (true, 7));
    let refused: [(Variables, &str); 6] = [
        (&[], "invalid SEALMQ_AWS_KMS_KEY"),
        (
            &[("SEALMQ_AWS_KMS_KEY", "mrk-1"), ("SEALMQ_AWS_KMS_ALIAS_PREFIX", "alias/x")],
            "invalid SEALMQ_AWS_KMS_KEY",
        ),
        (&[("SEALMQ_AWS_KMS_TENANT_KEYS", "mrk-1")], "invalid SEALMQ_AWS_KMS_TENANT_KEYS"),
        (
            &[("SEALMQ_AWS_KMS_KEY", "mrk-1"), ("SEALMQ_AWS_KMS_AUTO_CREATE", "yes")],
            "invalid SEALMQ_AWS_KMS_AUTO_CREATE",
        ),
        (
            &[("SEALMQ_AWS_KMS_KEY", "mrk-1"), ("SEALMQ_AWS_CLIENT_CERT", "/c")],
            "invalid SEALMQ_AWS_CLIENT_KEY",
        ),
        (&[("SEALMQ_AWS_KMS_ALIAS_PREFIX", "x")], "invalid alias_prefix"),
    ];
    for (variables, expected) in refused {
        let error = of(variables).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn variables_fill_in_a_secret() {
    let of = |variables| AwsSecretsConfig::from_settings(&settings(variables));
    let config = of(&[
        ("SEALMQ_AWS_SECRET_ID", "production/orders"),
        (
            "SEALMQ_AWS_SECRET_PINNED_VERSIONS",
            "11111111-1111-1111-1111-111111111111, 22222222-2222-2222-2222-222222222222",
        ),
        ("SEALMQ_AWS_SECRETS_ENDPOINT", "http://127.0.0.1:4566"),
    ])
    .unwrap();
    assert_eq!(config.secret_id, "production/orders");
    assert_eq!(config.pinned_versions.len(), 2);
    assert_eq!(config.connection.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    let error = of(&[]).unwrap_err().to_string();
    assert!(error.starts_with("invalid SEALMQ_AWS_SECRET_ID"), "{error}");
}
