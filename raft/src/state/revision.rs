//! Revisions: each change of the configuration, numbered, with an author and a diff.

use serde::{Deserialize, Serialize};

use super::Author;
use crate::id::{RevisionId, UnixMillis};

/// One change of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number.
    pub id: RevisionId,
    /// Who made it.
    pub author: Author,
    /// When, by the proposer's clock.
    pub at: UnixMillis,
    /// Why, in the author's words; may be empty.
    pub note: String,
    /// What changed, one line each, without secrets; at most 100 lines.
    pub diff: Vec<String>,
}
