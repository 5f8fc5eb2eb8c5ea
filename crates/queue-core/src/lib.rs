//! The transport side of sealmq: messages of opaque bytes, deliveries and what a broker can do.
//!
//! An adapter implements [`Transport`], [`Receiver`] and [`Settler`] and describes itself in
//! [`Capabilities`]. Users hold the client crate's `QueueClient`; sealing, retry, lock renewal and
//! metrics are written once, there. Nothing here knows a key or a plaintext: a transport carries
//! bytes and could not leak a plaintext if it tried.

mod capabilities;
mod delivery;
mod error;
mod message;
mod receiver;
mod transport;

pub use bytes::Bytes;
pub use capabilities::{BodyEncoding, Capabilities, DeliveryGuarantee, Feature, Limits, Support};
pub use delivery::{
    Certainty, DeadLetterInfo, Delivery, DeliveryMetadata, Receipt, SettleError, Settlement,
    Settler,
};
pub use error::{TransportError, TransportErrorKind};
pub use message::{Attributes, Message, new_message_id};
pub use receiver::{Receiver, Session};
pub use transport::{
    PeekedMessage, ReceiveMode, ReceiverOptions, SendFailure, SendReceipt, SendReport,
    SessionSelector, Source, Transport, check_batch,
};
