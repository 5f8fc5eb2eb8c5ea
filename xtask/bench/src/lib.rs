//! What is measured and how; the programs in `bin/` put it together.
//!
//! - [`work`]: a piece of work that can be repeated, its preparation apart from it.
//! - [`timing`]: many pieces of work in turn, and their times.
//! - [`ours`] and [`bare`]: sealing and opening here, and with the ciphers alone.
//! - [`bodies`]: what is sealed.
//! - [`line_up`]: who is measured with one kind of body.
//! - [`client`]: messages through the client and the in-memory broker.
//! - [`transports`]: messages through the client and real brokers.
//! - [`report`]: rows and ratios as JSON.

pub mod bare;
pub mod bodies;
pub mod client;
pub mod line_up;
pub mod ours;
pub mod report;
pub mod timing;
pub mod transports;
pub mod work;
