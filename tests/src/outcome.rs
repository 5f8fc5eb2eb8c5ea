//! How a case ends: the promise held, it was broken, or there was nothing to test it on.

use std::error::Error;
use std::fmt::Write;
use std::panic::Location;

/// Why a case stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A promise was broken: what was promised, what happened, and where it was checked.
    Broken(String),
    /// The backend has nothing to test this on, and the reason.
    Skipped(String),
}

/// What a case, or a step of one, comes to.
pub type CaseResult<T = ()> = Result<T, Stop>;

impl Stop {
    /// A broken promise, with the place of the caller.
    #[track_caller]
    pub fn broken(what: impl Into<String>) -> Self {
        let place = Location::caller();
        let what = what.into();
        Self::Broken(format!("{what}\n    at {}:{}", place.file(), place.line()))
    }

    /// The same stop, with the line of the case that called the helper it happened in.
    #[must_use]
    pub fn called_from(self, place: &Location<'_>) -> Self {
        match self {
            Self::Broken(what) => {
                Self::Broken(format!("{what}\n    from {}:{}", place.file(), place.line()))
            }
            skipped @ Self::Skipped(_) => skipped,
        }
    }

    /// A case that cannot be tested here.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }
}

/// Gives the failure of a helper the line of the case that called it. The helper is a plain
/// function with `#[track_caller]`, which has no effect on an `async fn`.
#[track_caller]
pub(crate) fn from_caller<T, F: Future<Output = CaseResult<T>>>(
    work: F,
) -> impl Future<Output = CaseResult<T>> {
    let place = Location::caller();
    async move { work.await.map_err(|stop| stop.called_from(place)) }
}

/// An error where the contract promises success breaks the promise.
impl<E: Error> From<E> for Stop {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::broken(format!("unexpected error: {}", chain(&error)))
    }
}

/// The error and its sources as one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let _ = write!(text, ": {source}"); // writing to a String cannot fail
        next = source.source();
    }
    text
}
