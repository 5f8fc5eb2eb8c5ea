//! The catalogue: one file for each group of cases, or for each half of a large one.
//!
//! Cases on the client (handlers, renewal, stopping, cryptography over a transport) are in
//! [`client`](crate::client).

mod batch;
mod body;
mod capabilities;
mod connecting;
mod dead_letter;
mod headers;
mod lifecycle;
mod lock;
mod ordering;
mod peek_defer;
mod resilience;
mod restart;
mod send_receive;
mod session;
mod settle;
mod settle_too_late;
mod support;
mod time;

use crate::transport::Case;

/// Every group, in the order of the catalogue.
pub(super) const GROUPS: &[&[Case]] = &[
    capabilities::CASES,
    send_receive::CASES,
    body::CASES,
    headers::CASES,
    batch::CASES,
    settle::CASES,
    settle_too_late::CASES,
    lock::CASES,
    dead_letter::CASES,
    time::CASES,
    ordering::CASES,
    session::CASES,
    peek_defer::CASES,
    lifecycle::CASES,
    resilience::CASES,
    restart::CASES,
    connecting::CASES,
];
