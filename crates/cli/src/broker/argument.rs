//! What `--transport` says, read before any I/O.

use super::Broker;
use super::memory::MemoryBroker;
use crate::error::CliError;

/// What there is, for errors and the help.
const KNOWN: &str = "\
memory, nats://HOST:PORT, tls://HOST:PORT, sqs: or sqs:ENDPOINT-URL, \
servicebus: or servicebus:CONNECTION-STRING";

/// The broker that the argument names. Nothing is connected yet.
///
/// No error repeats the argument: a connection string is a secret, and a URL may hold a password.
pub(crate) fn open(argument: &str) -> Result<Box<dyn Broker>, CliError> {
    let (scheme, rest) = argument.split_once(':').unwrap_or((argument, ""));
    match scheme {
        "memory" if argument == "memory" => Ok(Box::new(MemoryBroker::new())),
        "memory" => Err(CliError::usage("--transport memory: nothing comes after memory")),
        "nats" | "tls" => nats(argument, rest),
        "sqs" if argument != "sqs" => sqs(rest),
        "servicebus" if argument != "servicebus" => servicebus(rest),
        "sqs" | "servicebus" => {
            Err(CliError::usage(format!("--transport {scheme}: write a colon behind it; {KNOWN}")))
        }
        _ => Err(CliError::usage(format!("--transport: no such transport; there are {KNOWN}"))),
    }
}

#[cfg(feature = "nats")]
fn nats(url: &str, rest: &str) -> Result<Box<dyn Broker>, CliError> {
    let authority = rest.strip_prefix("//").unwrap_or_default();
    if authority.is_empty() || authority.contains('/') {
        let reason = "--transport: NATS is nats://HOST:PORT or tls://HOST:PORT";
        return Err(CliError::usage(reason));
    }
    let broker = super::nats::NatsBroker::at(url).map_err(|error| invalid("nats://…", error))?;
    Ok(Box::new(broker))
}

#[cfg(feature = "sqs")]
fn sqs(endpoint_url: &str) -> Result<Box<dyn Broker>, CliError> {
    let broker =
        super::sqs::SqsBroker::at(endpoint_url).map_err(|error| invalid("sqs:…", error))?;
    Ok(Box::new(broker))
}

#[cfg(feature = "servicebus")]
fn servicebus(connection_string: &str) -> Result<Box<dyn Broker>, CliError> {
    let broker = super::servicebus::ServiceBusBroker::of(connection_string);
    Ok(Box::new(broker.map_err(|error| invalid("servicebus:…", error))?))
}

#[cfg(any(feature = "nats", feature = "sqs", feature = "servicebus"))]
fn invalid(argument: &str, error: sealmq::TransportError) -> CliError {
    CliError::usage(format!("--transport {argument}")).because(error)
}

#[cfg(not(feature = "nats"))]
fn nats(_url: &str, _rest: &str) -> Result<Box<dyn Broker>, CliError> {
    not_built("nats")
}

#[cfg(not(feature = "sqs"))]
fn sqs(_endpoint_url: &str) -> Result<Box<dyn Broker>, CliError> {
    not_built("sqs")
}

#[cfg(not(feature = "servicebus"))]
fn servicebus(_connection_string: &str) -> Result<Box<dyn Broker>, CliError> {
    not_built("servicebus")
}

#[cfg(not(all(feature = "nats", feature = "sqs", feature = "servicebus")))]
fn not_built(feature: &str) -> Result<Box<dyn Broker>, CliError> {
    Err(CliError::usage(format!(
        "--transport: this program was built without {feature}: build it with --features {feature}"
    )))
}
