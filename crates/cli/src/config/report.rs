//! What `sealmq config check` found, as text and JSON show it.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) file: String,
    pub(super) ok: bool,
    /// Whether servers were asked.
    pub(super) online: bool,
    pub(super) sections: Vec<Section>,
    pub(super) checks: Vec<Check>,
}

#[derive(Serialize)]
pub(super) struct Section {
    /// Empty for the top of the file.
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) settings: Vec<Setting>,
    /// Those that are not given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) defaults: Vec<Default>,
}

#[derive(Serialize)]
pub(super) struct Setting {
    pub(super) key: String,
    /// `file`, `env VARIABLE` or `file PATH`.
    pub(super) origin: String,
    /// What stands in the file; `set` for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Default {
    pub(super) key: String,
    pub(super) about: &'static str,
}

#[derive(Serialize)]
pub(super) struct Check {
    /// The table, or the queue and its part.
    pub(super) what: String,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) elapsed_ms: Option<u64>,
}
