//! Silences and maintenance: what nobody is called for, for a while.

use serde::{Deserialize, Serialize};

use super::Moment;

/// One item of `GET /v1/silences`, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceReport {
    /// Its number.
    pub number: u64,
    /// What it is for, in words: `watch=web* label:site=berlin`.
    pub matcher: String,
    /// Why.
    pub comment: String,
    /// Who ordered it.
    pub author: String,
    /// Since when.
    pub from: Moment,
    /// Until when.
    pub until: Moment,
    /// Whether it has lasted for more than a day.
    pub forgotten: bool,
    /// What is down now and hushed by it, at most 100.
    pub hushes: Vec<String>,
}

/// The silence that hushes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilencedReport {
    /// Its number.
    pub number: u64,
    /// What it is for, in words.
    pub matcher: String,
    /// Why.
    pub comment: String,
    /// Who ordered it.
    pub author: String,
    /// Until when.
    pub until: Moment,
}

/// The order by which a server is in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceReport {
    /// Why; may be empty.
    pub comment: String,
    /// Who ordered it.
    pub author: String,
    /// Since when.
    pub from: Moment,
    /// When it ends by itself; null: when somebody says ready.
    pub until: Option<Moment>,
    /// Whether it has lasted for more than a day, and has no end.
    pub forgotten: bool,
}

/// `POST /v1/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// Its terms, each as `watch=web*` or `label:site=berlin`; every one must match.
    pub terms: Vec<String>,
    /// How long it lasts, in seconds.
    pub lasts_s: u64,
    /// Why.
    pub comment: String,
}

/// The answer to `POST /v1/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceAnswer {
    /// The number of the silence.
    pub number: u64,
    /// What it matches now, at most 100, and how many that are.
    pub matches: Vec<String>,
    /// How many things it matches now.
    pub count: usize,
}
