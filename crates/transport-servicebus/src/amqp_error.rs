//! Where the AMQP library keeps the words of the broker: one way to ask each of its errors.

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, IllegalLinkStateError, LinkStateError, ReceiverAttachError, RecvError, SendError,
    SenderAttachError, SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::types::definitions::Error;

/// An error that may hold what the broker said.
pub(crate) trait BrokerWords {
    /// What the broker said, if it said anything.
    fn broker_words(&self) -> Option<&Error>;
}

impl BrokerWords for ConnectionStopReason {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            Self::Closed | Self::ClosedWithError(_) | Self::RemoteClosed => None,
        }
    }
}

impl BrokerWords for SessionStopReason {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteEndedWithError(error) => Some(error),
            Self::ConnectionStopped(reason) => reason.broker_words(),
            Self::Ended | Self::EndedWithError(_) | Self::RemoteEnded => None,
        }
    }
}

impl BrokerWords for LinkStateError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteDetachedWithError(error) | Self::RemoteClosedWithError(error) => {
                Some(error)
            }
            Self::SessionStopped(reason) => reason.broker_words(),
            Self::IllegalState
            | Self::RemoteDetached
            | Self::RemoteClosed
            | Self::ExpectImmediateDetach => None,
        }
    }
}

impl BrokerWords for DetachError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteDetachedWithError(error) | Self::RemoteClosedWithError(error) => {
                Some(error)
            }
            Self::SessionStopped(reason) => reason.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for IllegalLinkStateError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::SessionStopped(reason) => reason.broker_words(),
            Self::IllegalState => None,
        }
    }
}

impl BrokerWords for SenderAttachError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            Self::SessionStopped(reason) => reason.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for ReceiverAttachError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            Self::SessionStopped(reason) => reason.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for SendError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::LinkStateError(error) => error.broker_words(),
            Self::Detached(error) => error.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for RecvError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::LinkStateError(error) => error.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for BeginError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteEndedWithError(error) => Some(error),
            Self::ConnectionStopped(reason) => reason.broker_words(),
            _ => None,
        }
    }
}

impl BrokerWords for OpenError {
    fn broker_words(&self) -> Option<&Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            _ => None,
        }
    }
}
