//! The configuration as a whole, and its revisions.

use serde::{Deserialize, Serialize};

use super::Moment;

/// `POST /v1/config`: replaces the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The whole configuration as TOML.
    pub toml: String,
    /// Shows what would change, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the author's words.
    #[serde(default)]
    pub note: String,
    /// The revision that it was made from, as an export says: refused with `FMX-S030` where that is
    /// the newest no more. Null, the default: it replaces whatever is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
}

/// `POST /v1/config/rollback`: makes an older configuration the present one, as a new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The revision to go back to.
    pub revision: u64,
    /// Shows what would change, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the author's words.
    #[serde(default)]
    pub note: String,
}

/// What changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// One line for each change; empty: it was so already.
    pub diff: Vec<String>,
    /// The revision that was made; null: none.
    pub revision: Option<u64>,
}

/// `GET /v1/config`, of an older revision with `?revision=N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportAnswer {
    /// The whole configuration as TOML; secrets are named, not shown.
    pub toml: String,
    /// The revision it is the configuration of.
    #[serde(default)]
    pub revision: u64,
}

/// One item of `GET /v1/config/history`, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionReport {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Moment,
    /// By whom.
    pub author: String,
    /// Why.
    pub note: String,
    /// What changed, one line each.
    pub diff: Vec<String>,
}
