//! What is accepted as a configuration, and what it shows of itself.

use sealmq_queue_core::TransportErrorKind;
use sealmq_settings::Settings;

use super::*;

fn refused_field(config: &SqsConfig) -> Option<&'static str> {
    match config.validate().map_err(|error| error.kind().clone()) {
        Ok(()) => None,
        Err(TransportErrorKind::InvalidInput { field }) => Some(field),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_field_is_validated_under_its_name() {
    let new = SqsConfig::new;
    let refused = [
        ("endpoint_url", new().with_endpoint_url("localhost:4566")),
        ("endpoint_url", new().with_endpoint_url("ftp://host")),
        ("endpoint_url", new().with_endpoint_url("https://")),
        ("endpoint_url", new().with_endpoint_url("https://:443")),
        ("endpoint_url", new().with_endpoint_url("https://user:pass@host")),
        ("endpoint_url", new().with_endpoint_url("https://host/?x=1")),
        ("endpoint_url", new().with_endpoint_url("https://ho st")),
        ("region", new().with_region("")),
        ("region", new().with_region("Frankfurt")),
        ("queue_owner", new().with_queue_owner("1234")),
        ("dead_letter_suffix", new().with_dead_letter_suffix("")),
        ("dead_letter_suffix", new().with_dead_letter_suffix(".dlq")),
        ("request_timeout", new().with_request_timeout(Duration::ZERO)),
        ("poll_wait", new().with_poll_wait(Duration::from_millis(20_001))),
        ("access_key_id", new().with_static_credentials("", "secret", None)),
        ("secret_access_key", new().with_static_credentials("AKID", "", None)),
    ];
    for (field, config) in refused {
        assert_eq!(refused_field(&config), Some(field), "{config:?}");
    }
    let fine = [
        new(),
        new().with_endpoint_url("http://127.0.0.1:4566"),
        new().with_endpoint_url("https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com/"),
        new().with_poll_wait(Duration::ZERO),
        new().with_poll_wait(Duration::from_secs(20)),
        new().with_region("us-gov-west-1").with_queue_owner("123456789012"),
        new().with_static_credentials("AKID", "secret", Some("token".into())),
    ];
    for config in fine {
        assert_eq!(refused_field(&config), None, "{config:?}");
    }
}

#[test]
fn credentials_are_never_shown() {
    let config = SqsConfig::new().with_static_credentials("AKID", "s3cret", Some("t0ken".into()));
    let text = format!("{config:?} {config:#?}");
    assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    assert!(text.contains("static"));
}

#[test]
fn variables_fill_in_the_configuration() {
    let of = |variables: &'static [(&'static str, &'static str)]| {
        SqsConfig::from_settings(&Settings::from_lookup(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }))
    };
    let config = of(&[
        ("SEALMQ_SQS_ENDPOINT", "http://127.0.0.1:4566"),
        ("SEALMQ_SQS_REGION", "eu-central-1"),
        ("SEALMQ_SQS_QUEUE_TYPE", "fifo"),
        ("SEALMQ_SQS_POLL_WAIT_SECONDS", "3"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.connection.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    assert_eq!(config.connection.region.as_deref(), Some("eu-central-1"));
    assert_eq!(config.queue_type, QueueType::Fifo);
    assert_eq!(config.poll_wait, Duration::from_secs(3));
    assert_eq!(of(&[]).unwrap().poll_wait, Duration::from_secs(20));
    assert_eq!(of(&[]).unwrap().queue_type, QueueType::Standard);
    let refused = [
        (&[("SEALMQ_SQS_QUEUE_TYPE", "lifo")], "invalid SEALMQ_SQS_QUEUE_TYPE"),
        (&[("SEALMQ_SQS_POLL_WAIT_SECONDS", "21")], "invalid poll_wait"),
        (&[("SEALMQ_SQS_POLL_WAIT_SECONDS", "1.5")], "invalid SEALMQ_SQS_POLL_WAIT_SECONDS"),
        (&[("SEALMQ_SQS_CLIENT_CERT", "/c")], "invalid SEALMQ_SQS_CLIENT_KEY"),
        (&[("SEALMQ_SQS_ENDPOINT", "nowhere")], "invalid endpoint_url"),
    ];
    for (variables, expected) in refused {
        let error = of(variables).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
