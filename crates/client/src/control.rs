//! What a processor tells its worker, and a shutdown every one of them.

use tokio::time::Instant;

/// What a processor tells its worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Control {
    pub(crate) concurrency: usize,
    pub(crate) paused: bool,
    pub(crate) stop_by: Option<Instant>,
    /// Handlers still at work are cut off.
    pub(crate) cancel: bool,
    /// How many those were.
    pub(crate) cancelled: usize,
}
