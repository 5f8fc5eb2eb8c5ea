//! The settings at the top of the file: whom messages are bound to.

use sealmq_settings::{Kind, Setting};

use crate::section::Group;

pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const TENANT: &str = "tenant";
pub(crate) const INLINE_SECRETS: &str = "allow_inline_secrets";

pub(crate) const TOP: &[Group] = &[Group::ours(&[&[
    Setting::new(
        ENVIRONMENT,
        Kind::Text,
        "the deployment that messages are bound to, such as production; required",
    ),
    Setting::new(TENANT, Kind::Text, "the tenant that messages are bound to; none"),
    Setting::new(
        INLINE_SECRETS,
        Kind::Flag,
        "whether secrets may stand in this file, for development; false",
    ),
]])];

/// The tables below the top.
pub(crate) const TABLES: &[&str] =
    &["transport", "keys", "replay_guard", "crypto", "keyring", "vault", "queues"];
