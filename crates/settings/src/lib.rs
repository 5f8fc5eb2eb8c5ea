//! Settings by name: what an adapter can be told, whoever tells it.
//!
//! Each adapter lists its settings as [`Setting`]s and reads them from [`Settings`], which know
//! neither where the values stand nor what they are for. So the environment and a configuration
//! file have the same names and the same checks, and a schema can be written from the lists.

mod invalid;
mod setting;
mod settings;

pub use invalid::InvalidSetting;
pub use setting::{Kind, Setting};
pub use settings::Settings;
