//! The tables of errors, line by line.

use std::io;

use async_nats::client::RequestError;
use async_nats::jetstream::context::PublishError;
use async_nats::{ConnectError, ServerError};

use super::*;

const THROTTLED: Kind = Kind::Throttled { retry_after: None };

const fn invalid(field: &'static str) -> Kind {
    Kind::InvalidInput { field }
}

fn api(code: u16, err_code: u64, description: &str) -> jetstream::Error {
    let json = format!(r#"{{"code":{code},"err_code":{err_code},"description":"{description}"}}"#);
    serde_json::from_str(&json).unwrap()
}

#[test]
fn errors_of_the_api() {
    let table = [
        (404, 10059, "stream not found", Kind::NotFound),
        (404, 10014, "consumer not found", Kind::NotFound),
        (400, 10043, "sequence 3 not found", Kind::NotFound),
        (400, 10058, "stream name already in use with a different configuration", invalid("queue")),
        (400, 10065, "subjects overlap with an existing stream", invalid("queue")),
        (500, 10074, "replicas > 1 not supported in non-clustered mode", invalid("settings")),
        (500, 10052, "duplicates window must be positive", invalid("settings")),
        (503, 10077, "maximum messages exceeded", THROTTLED),
        (503, 10077, "maximum bytes exceeded", THROTTLED),
        (503, 10077, "disk I/O error", Kind::Unavailable),
        (503, 10023, "insufficient resources", THROTTLED),
        (400, 10027, "maximum number of streams reached", THROTTLED),
        (400, 10054, "message size exceeds maximum allowed", invalid("body")),
        (400, 10097, "header size exceeds maximum allowed of 64k", invalid("attributes")),
        (400, 10165, "invalid per-message TTL", invalid("time_to_live")),
        (
            400,
            10166,
            "per-message TTL is disabled",
            Kind::Unsupported { feature: "time to live per message" },
        ),
        (400, 10188, "schedules disabled", Kind::Unsupported { feature: "scheduled send" }),
        (503, 10039, "jetstream not enabled for account", Kind::Denied),
        (503, 10076, "jetstream not enabled", Kind::Unavailable),
        (503, 10008, "system temporarily unavailable", Kind::Unavailable),
        (404, 1, "unknown", Kind::NotFound),
        (403, 1, "unknown", Kind::Denied),
        (400, 1, "unknown", invalid("request")),
        (500, 1, "unknown", Kind::Unavailable),
    ];
    for (code, err_code, description, kind) in table {
        let error = refused(api(code, err_code, description), "creating queue orders");
        assert_eq!(error.kind(), &kind, "{description}");
        let published =
            PublishError::with_source(PublishErrorKind::Other, api(code, err_code, description));
        assert_eq!(publishing(published, "sending").kind(), &kind, "{description}");
    }
}

#[test]
fn errors_of_publishing() {
    let table = [
        (PublishErrorKind::StreamNotFound, Kind::NotFound),
        (PublishErrorKind::TimedOut, Kind::Unavailable),
        (PublishErrorKind::BrokenPipe, Kind::Unavailable),
        (PublishErrorKind::MaxAckPending, THROTTLED),
        (PublishErrorKind::MaxPayloadExceeded, invalid("body")),
        (PublishErrorKind::Other, Kind::Unavailable),
    ];
    for (from, kind) in table {
        let error = publishing(PublishError::new(from), "sending to queue orders");
        assert_eq!(error.kind(), &kind, "{from:?}");
        assert!(error.source().is_some());
    }
}

#[test]
fn errors_of_requests() {
    let table = [
        (RequestErrorKind::TimedOut, Kind::Unavailable),
        (RequestErrorKind::NoResponders, Kind::Unavailable),
        (RequestErrorKind::InvalidSubject, invalid("queue")),
        (RequestErrorKind::MaxPayloadExceeded, invalid("body")),
        (RequestErrorKind::Other, Kind::Unavailable),
    ];
    for (from, kind) in table {
        assert_eq!(requesting(RequestError::new(from), "settling").kind(), &kind, "{from:?}");
    }
}

#[test]
fn errors_of_connecting() {
    let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let no_certificate =
        rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
    let unknown_issuer = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let refused_by_server = |text: &str| ServerError::Other(text.to_owned());
    let with = |source: io::Error| ConnectError::with_source(ConnectErrorKind::Io, source);
    let said = |text| ConnectError::with_source(ConnectErrorKind::Io, refused_by_server(text));
    let table = [
        (ConnectError::new(ConnectErrorKind::AuthorizationViolation), Kind::Denied),
        (ConnectError::new(ConnectErrorKind::Authentication), Kind::Denied),
        (ConnectError::new(ConnectErrorKind::ServerParse), invalid("url")),
        (ConnectError::new(ConnectErrorKind::Dns), Kind::Unavailable),
        (ConnectError::new(ConnectErrorKind::TimedOut), Kind::Unavailable),
        (with(io::ErrorKind::ConnectionRefused.into()), Kind::Unavailable),
        (with(io::ErrorKind::UnexpectedEof.into()), Kind::Unavailable),
        (with(tls(no_certificate)), Kind::Unavailable),
        (with(tls(unknown_issuer)), Kind::Unavailable),
        (with(tls(rustls::Error::HandshakeNotComplete)), Kind::Unavailable),
        (said("user authentication expired"), Kind::Denied),
        (said("maximum connections exceeded"), Kind::Unavailable),
    ];
    for (from, kind) in table {
        let shown = format!("{from:?}");
        assert_eq!(connecting(from).kind(), &kind, "{shown}");
    }
}

#[test]
fn status_messages_of_a_pull_request() {
    let table = [
        (100, "Idle Heartbeat", PullStatus::Heartbeat),
        (404, "No Messages", PullStatus::Over),
        (408, "Request Timeout", PullStatus::Over),
        (409, "Consumer Deleted", PullStatus::Gone),
        (409, "Server Shutdown", PullStatus::Again),
        (409, "Leadership Change", PullStatus::Again),
        (409, "Exceeded MaxWaiting", PullStatus::Throttled),
        (409, "Consumer is push based", PullStatus::Refused),
        (503, "", PullStatus::NobodyAnswers),
        (400, "Bad Request", PullStatus::Refused),
    ];
    for (code, description, meaning) in table {
        let status = StatusCode::from_u16(code).unwrap();
        assert_eq!(pull_status(status, description), meaning, "{code} {description}");
    }
}
