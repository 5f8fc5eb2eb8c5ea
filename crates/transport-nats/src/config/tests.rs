//! What a configuration accepts, and what its debug output hides.

use sealmq_queue_core::TransportErrorKind;

use super::*;

const SEED: &str = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";

fn refused_field(config: &NatsConfig) -> &'static str {
    match config.validate().unwrap_err().kind() {
        TransportErrorKind::InvalidInput { field } => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bare_url_is_enough() {
    for url in ["nats://localhost:4222", "localhost", "tls://[::1]:4222", "nats://10.0.0.1"] {
        assert!(NatsConfig::new(url).validate().is_ok(), "{url}");
    }
}

#[test]
fn each_field_is_checked_by_name() {
    let new = || NatsConfig::new("nats://localhost");
    let zero = Duration::ZERO;
    let token = |token: &str| NatsCredentials::token(token);
    let own_tls = || {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    };
    let on_demand = NatsQueueSettings::default().with_ack_wait(zero);
    let cases = [
        ("url", NatsConfig::new("http://localhost")),
        ("url", NatsConfig::new("nats://")),
        ("url", NatsConfig::new("ws://localhost")),
        ("url", new().with_url("nats://user:password@localhost")),
        ("credentials", new().with_credentials(token(""))),
        ("credentials", new().with_credentials(NatsCredentials::user_password("", "p"))),
        ("credentials", new().with_credentials(NatsCredentials::nkey_seed("SUnotaseed"))),
        (
            "tls_client_config",
            new().with_tls(TlsConfig::new().with_root_ca("ca.pem").with_client_config(own_tls())),
        ),
        ("consumer_name", new().with_consumer_name("a.b")),
        ("queue_group", new().with_queue_group("")),
        ("domain", new().with_domain("a b")),
        ("stream_prefix", new().with_stream_prefix("orders.")),
        ("stream_prefix", new().with_stream_prefix("p".repeat(33))),
        ("subject_prefix", new().with_subject_prefix("orders.>")),
        ("subject_prefix", new().with_subject_prefix("")),
        ("connect_timeout", new().with_connect_timeout(zero)),
        ("request_timeout", new().with_request_timeout(zero)),
        ("subscription_capacity", new().with_subscription_capacity(0)),
        ("ack_wait", new().with_provisioning(NatsProvisioning::OnDemand(on_demand))),
    ];
    for (field, config) in cases {
        assert_eq!(refused_field(&config), field, "{config:?}");
    }
}

#[test]
fn names_that_nats_takes_are_accepted() {
    let config = NatsConfig::new("nats://localhost")
        .with_stream_prefix("")
        .with_subject_prefix("acme.orders")
        .with_credentials(NatsCredentials::nkey_seed(SEED))
        .with_domain("leaf");
    assert!(config.validate().is_ok(), "{:?}", config.validate());
}

#[test]
fn no_output_shows_a_credential() {
    let credentials = [
        NatsCredentials::token("hush-token"),
        NatsCredentials::user_password("app", "hush-password"),
        NatsCredentials::nkey_seed(SEED),
    ];
    for credentials in credentials {
        let config = NatsConfig::new("nats://localhost").with_credentials(credentials);
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("hush") && !shown.contains(SEED), "{shown}");
    }
    let config = NatsConfig::new("nats://app:hush-password@localhost");
    let shown = format!("{config:?} {:?}", config.validate());
    assert!(!shown.contains("hush"), "{shown}");
}
