//! Opening a connection: TCP, TLS unless the emulator is spoken to, SASL and AMQP.

use std::io;
use std::sync::Arc;

use fe2o3_amqp::Connection;
use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sealmq_queue_core::{TransportError, TransportErrorKind as Kind, new_message_id};
use sealmq_tls::Refusal;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::ServiceBusConfig;
use crate::error;

/// Sessions on one connection: each link has one of its own ("Service Bus quotas").
const MAX_CHANNEL: u16 = 4_999;
const MAX_FRAME_BYTES: u32 = 64 * 1024;
/// A connection on which nothing came for so long is dead.
const IDLE_MS: u32 = 120_000;

/// Opens a connection that is nobody yet: tokens are put on it afterwards.
pub(crate) async fn open(
    config: &ServiceBusConfig,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<ConnectionHandle<()>, TransportError> {
    let context = format!("connect to {}:{}", config.host, config.port());
    match timeout(config.connect_timeout, open_unbounded(config, tls, &context)).await {
        Ok(opened) => opened,
        Err(_) => Err(error::unavailable(format!("{context}: no answer in time"))),
    }
}

async fn open_unbounded(
    config: &ServiceBusConfig,
    tls: Option<&Arc<ClientConfig>>,
    context: &str,
) -> Result<ConnectionHandle<()>, TransportError> {
    let host = config.host.trim_start_matches('[').trim_end_matches(']');
    let socket = TcpStream::connect((host, config.port())).await;
    let socket = socket.map_err(|error| io_error(error, context))?;
    socket.set_nodelay(true).map_err(|error| io_error(error, context))?;
    let container = format!("sealmq-{}", new_message_id());
    let builder = Connection::builder()
        .container_id(container)
        .hostname(config.host.as_str())
        .channel_max(MAX_CHANNEL)
        .max_frame_size(MAX_FRAME_BYTES)
        .idle_time_out(IDLE_MS)
        .sasl_profile(SaslProfile::Anonymous);
    let opened = match tls {
        None => builder.open_with_stream(socket).await,
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned()).map_err(|error| {
                TransportError::invalid_input("namespace", "is no host name").with_source(error)
            })?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await;
            let stream = stream.map_err(|error| io_error(error, context))?;
            builder.open_with_stream(stream).await
        }
    };
    opened.map_err(|error| open_error(error, context))
}

fn open_error(error: OpenError, context: &str) -> TransportError {
    match error {
        OpenError::Io(error) => io_error(error, context),
        OpenError::TransportError(fe2o3_amqp::transport::Error::Io(error)) => {
            io_error(error, context)
        }
        OpenError::SaslError { .. } => {
            TransportError::new(Kind::Denied, context).with_source(error)
        }
        error => error::failed(error, context),
    }
}

fn io_error(error: io::Error, context: &str) -> TransportError {
    let refusal = Refusal::of(&error);
    let context = refusal.map_or(context.to_owned(), |refusal| format!("{context}: {refusal}"));
    TransportError::new(Kind::Unavailable, context).with_source(error)
}
