//! From key sources to keys that are ready: caps, caches, single flight, refresh ahead, revoke.

mod cache;
mod deks;
mod events;
mod fetching;
mod kek;
mod named;
mod opening;
mod policy;
mod probe;
mod ring;
mod sealing;
mod shared;

pub use events::{BackgroundTask, KeyEvent, KeyObserver, Spawn};
pub use named::NamedKeys;
pub use policy::KeyringPolicy;
pub use ring::{Keyring, KeyringBuilder};
